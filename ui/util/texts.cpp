#include "ui/util/texts.h"

#include <QCoreApplication>
#include <QLocale>
#include <cmath>

#include "ui/util/convert.h"

namespace likeness::ui {
namespace {

QString translated(const char* context, std::string_view english) {
  return QCoreApplication::translate(context, std::string(english).c_str());
}

/// The translated template with the error's context in it.
QString filled(std::string_view english, const api::Error& error) {
  return fromStd(api::fillTemplate(toStd(translated("Errors", english)), error));
}

struct Tr {
  Q_DECLARE_TR_FUNCTIONS(Texts)
};

}  // namespace

ErrorText Texts::forError(const api::Error& error) {
  const auto [sentence, hint] = api::templates(error.code);
  return {filled(sentence, error), filled(hint, error), fromStd(error.detail)};
}

QString Texts::forFinding(const api::PhotoFinding& finding) {
  switch (finding.kind) {
    case api::FindingKind::Duplicate:
      return Tr::tr("Nearly the same as %1").arg(fromPath(finding.related.filename()));
    case api::FindingKind::Blurry:
      return Tr::tr("Blurry: small details are soft");
    case api::FindingKind::Small:
      return Tr::tr("Small: it has to be enlarged");
    case api::FindingKind::BlackBars:
      return Tr::tr("Has black bars at its edges");
    case api::FindingKind::Dark:
      return Tr::tr("Very dark");
    case api::FindingKind::Animated:
      return Tr::tr("Animated: only its first picture is used");
    case api::FindingKind::AlphaFlattened:
      return Tr::tr("Transparent parts become white");
  }
  return fromStd(finding.text);
}

QString Texts::forStage(api::Stage stage) {
  switch (stage) {
    case api::Stage::LoadModel:
      return Tr::tr("Loading the model");
    case api::Stage::PreparePhotos:
      return Tr::tr("Preparing photos");
    case api::Stage::ClassImages:
      return Tr::tr("Making class pictures");
    case api::Stage::CacheLatents:
      return Tr::tr("Encoding pictures");
    case api::Stage::Train:
      return Tr::tr("Training");
    case api::Stage::Generate:
      return Tr::tr("Making pictures");
    case api::Stage::Export:
      return Tr::tr("Exporting");
    case api::Stage::Verify:
      return Tr::tr("Checking the export");
    case api::Stage::Bench:
      return Tr::tr("Measuring");
  }
  return {};
}

QString Texts::forSeries(api::Series series) {
  switch (series) {
    case api::Series::SubjectLoss:
      return Tr::tr("subject");
    case api::Series::ClassLoss:
      return Tr::tr("class");
    case api::Series::ProbeSubject:
      return Tr::tr("subject probe");
    case api::Series::ProbeClass:
      return Tr::tr("class probe");
    case api::Series::LearningRate:
      return Tr::tr("learning rate");
    case api::Series::GradNorm:
      return Tr::tr("gradient norm");
    case api::Series::StepSeconds:
      return Tr::tr("seconds per step");
  }
  return {};
}

QString Texts::option(std::string_view english) {
  return english.empty() ? QString() : translated("Options", english);
}

QString Texts::duration(double seconds) {
  if (!(seconds > 0)) return {};
  if (seconds < 55)
    return Tr::tr("about %1 s").arg(std::max(1, static_cast<int>(std::ceil(seconds / 5) * 5)));
  if (seconds < 5400) return Tr::tr("about %1 min").arg(static_cast<int>(std::ceil(seconds / 60)));
  return Tr::tr("about %1 h").arg(QLocale().toString(seconds / 3600, 'f', 1));
}

QString Texts::bytes(std::uint64_t bytes) {
  return QLocale().formattedDataSize(static_cast<qint64>(bytes), 1, QLocale::DataSizeIecFormat);
}

}  // namespace likeness::ui
