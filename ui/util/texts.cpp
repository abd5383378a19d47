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

struct TextsTr {
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
      return TextsTr::tr("Nearly the same as %1").arg(fromPath(finding.related.filename()));
    case api::FindingKind::Blurry:
      return TextsTr::tr("Blurry: small details are soft");
    case api::FindingKind::Small:
      return TextsTr::tr("Small: it has to be enlarged");
    case api::FindingKind::BlackBars:
      return TextsTr::tr("Has black bars at its edges");
    case api::FindingKind::Dark:
      return TextsTr::tr("Very dark");
    case api::FindingKind::Animated:
      return TextsTr::tr("Animated: only its first picture is used");
    case api::FindingKind::AlphaFlattened:
      return TextsTr::tr("Transparent parts become white");
  }
  return fromStd(finding.text);
}

QString Texts::forStage(api::Stage stage) {
  switch (stage) {
    case api::Stage::LoadModel:
      return TextsTr::tr("Loading the model");
    case api::Stage::PreparePhotos:
      return TextsTr::tr("Preparing photos");
    case api::Stage::ClassImages:
      return TextsTr::tr("Making class pictures");
    case api::Stage::CacheLatents:
      return TextsTr::tr("Encoding pictures");
    case api::Stage::Train:
      return TextsTr::tr("Training");
    case api::Stage::Generate:
      return TextsTr::tr("Making pictures");
    case api::Stage::Export:
      return TextsTr::tr("Exporting");
    case api::Stage::Verify:
      return TextsTr::tr("Checking the export");
    case api::Stage::Bench:
      return TextsTr::tr("Measuring");
  }
  return {};
}

QString Texts::forSeries(api::Series series) {
  switch (series) {
    case api::Series::SubjectLoss:
      return TextsTr::tr("subject");
    case api::Series::ClassLoss:
      return TextsTr::tr("class");
    case api::Series::ProbeSubject:
      return TextsTr::tr("subject probe");
    case api::Series::ProbeClass:
      return TextsTr::tr("class probe");
    case api::Series::LearningRate:
      return TextsTr::tr("learning rate");
    case api::Series::GradNorm:
      return TextsTr::tr("gradient norm");
    case api::Series::StepSeconds:
      return TextsTr::tr("seconds per step");
    case api::Series::MemoryMiB:
      return TextsTr::tr("memory, MiB");
    case api::Series::LossBand1:
      return TextsTr::tr("subject, clear");
    case api::Series::LossBand2:
      return TextsTr::tr("subject, rather clear");
    case api::Series::LossBand3:
      return TextsTr::tr("subject, rather noisy");
    case api::Series::LossBand4:
      return TextsTr::tr("subject, noisy");
    case api::Series::ClassDrift:
      return TextsTr::tr("class drift");
    case api::Series::DinoLikeness:
      return TextsTr::tr("likeness, DINO");
    case api::Series::ClipLikeness:
      return TextsTr::tr("likeness, CLIP");
    case api::Series::ClipPrompt:
      return TextsTr::tr("prompt, CLIP");
  }
  return {};
}

QString Texts::forAdvice(const api::Advice& advice) {
  return fromStd(
      api::fillAdvice(toStd(translated("Advice", api::adviceTemplate(advice.state))), advice));
}

QString Texts::option(std::string_view english) {
  return english.empty() ? QString() : translated("Options", english);
}

QString Texts::duration(double seconds) {
  if (!(seconds > 0)) return {};
  if (seconds < 55)
    return TextsTr::tr("about %1 s").arg(std::max(1, static_cast<int>(std::ceil(seconds / 5) * 5)));
  if (seconds < 5400)
    return TextsTr::tr("about %1 min").arg(static_cast<int>(std::ceil(seconds / 60)));
  return TextsTr::tr("about %1 h").arg(QLocale().toString(seconds / 3600, 'f', 1));
}

QString Texts::bytes(std::uint64_t bytes) {
  return QLocale().formattedDataSize(static_cast<qint64>(bytes), 1, QLocale::DataSizeIecFormat);
}

}  // namespace likeness::ui
