#include "ui/util/model_words.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>
#include <QLocale>
#include <algorithm>

#include "ui/util/convert.h"
#include "ui/util/texts.h"

namespace likeness::ui {
namespace {

struct ModelTr {
  Q_DECLARE_TR_FUNCTIONS(ModelWords)
};

QString precision(const QString& type) {
  if (type == QLatin1String("F16")) return ModelTr::tr("half precision");
  if (type == QLatin1String("BF16")) return ModelTr::tr("half precision, wide range");
  if (type == QLatin1String("F32")) return ModelTr::tr("full precision");
  if (type == QLatin1String("F64")) return ModelTr::tr("double precision");
  if (type.startsWith(QLatin1String("F8"))) return ModelTr::tr("quarter precision");
  return type;
}

/// The types of a report, most frequent first: "F16, some F32".
QStringList types(const std::string& dtype) {
  return fromStd(dtype).split(QStringLiteral(", some "), Qt::SkipEmptyParts);
}

QString whatItIs(const api::ModelReport& report) {
  const QString kind = fromStd(report.kind), family = fromStd(report.family);
  const bool known = !family.isEmpty();
  switch (report.type) {
    case api::ModelType::Run:
      return known ? ModelTr::tr("A training run of Likeness on %1").arg(family)
                   : ModelTr::tr("A training run of Likeness");
    case api::ModelType::Folder:
      return known ? ModelTr::tr("A %1 model in a folder").arg(family)
                   : ModelTr::tr("A model in a folder");
    case api::ModelType::SingleFile:
      return known ? ModelTr::tr("A %1 checkpoint in one file").arg(family)
                   : ModelTr::tr("A checkpoint in one file");
    case api::ModelType::Adapter:
      return known ? ModelTr::tr("An adapter for a model of %1: %2").arg(family, kind)
                   : ModelTr::tr("An adapter for a base model: %1").arg(kind);
    case api::ModelType::Embedding:
      return ModelTr::tr("An embedding (textual inversion): a new word for prompts");
    case api::ModelType::Autoencoder:
      return ModelTr::tr(
          "An autoencoder (VAE): the part of a model that turns its inner picture into pixels");
    case api::ModelType::Part:
      return ModelTr::tr("One part of a model: %1").arg(kind);
    case api::ModelType::Unknown:
      break;
  }
  return ModelTr::tr("A file of weights");
}

}  // namespace

QString ModelWords::name(const QString& base) {
  return base == QLatin1String("starter") ? ModelTr::tr("Starter model")
                                          : QFileInfo(QDir::cleanPath(base)).fileName();
}

QString ModelWords::sentence(const api::ModelReport& report) {
  QStringList parts{whatItIs(report)};
  if (report.bytes > 0) parts << Texts::bytes(report.bytes);
  if (const QStringList all = types(report.dtype); !all.isEmpty())
    parts << (all.size() > 1 ? ModelTr::tr("mostly %1").arg(precision(all.first()))
                             : precision(all.first()));
  return ModelTr::tr("%1.").arg(parts.join(QStringLiteral(", ")));
}

QString ModelWords::place(api::ModelType type) {
  switch (type) {
    case api::ModelType::Folder:
    case api::ModelType::SingleFile:
    case api::ModelType::Run:
      return ModelTr::tr("It can be the base model that training starts from.");
    case api::ModelType::Adapter:
      return ModelTr::tr(
          "It changes a model of its family while pictures are made; training cannot start from "
          "it.");
    case api::ModelType::Embedding:
      return ModelTr::tr("It is a word of a prompt, not a model that training can start from.");
    case api::ModelType::Autoencoder:
      return ModelTr::tr(
          "It can stand in for the autoencoder of a model of its family: ask about that model in "
          "the same way, and choose it there.");
    case api::ModelType::Part:
    case api::ModelType::Unknown:
      break;
  }
  return {};
}

QString ModelWords::numbers(const std::string& dtype) {
  QStringList words;
  for (const QString& type : types(dtype)) {
    const QString name = precision(type);
    const QString whole = name == type ? type : QStringLiteral("%1 (%2)").arg(name, type);
    words << (words.isEmpty() ? whole : ModelTr::tr("some %1").arg(whole));
  }
  return words.join(QStringLiteral(", "));
}

QString ModelWords::prediction(api::PredictionChoice prediction) {
  switch (prediction) {
    case api::PredictionChoice::Epsilon:
      return ModelTr::tr("epsilon (noise)");
    case api::PredictionChoice::VPrediction:
      return ModelTr::tr("v-prediction (velocity)");
    case api::PredictionChoice::Sample:
      return ModelTr::tr("sample (the picture itself)");
    case api::PredictionChoice::Auto:
      break;
  }
  return {};
}

QString ModelWords::choices(const api::ModelRef& model) {
  QStringList parts;
  if (model.prediction != api::PredictionChoice::Auto) parts << prediction(model.prediction);
  if (!model.vae.empty()) parts << ModelTr::tr("autoencoder %1").arg(name(fromPath(model.vae)));
  return parts.isEmpty() ? QString() : ModelTr::tr("With %1").arg(parts.join(QStringLiteral(", ")));
}

QString ModelWords::count(std::int64_t parameters) {
  const QLocale locale;
  const auto number = static_cast<double>(parameters);
  if (number >= 1e9) return ModelTr::tr("%1 billion").arg(locale.toString(number / 1e9, 'f', 2));
  if (number >= 1e6) return ModelTr::tr("%1 million").arg(locale.toString(number / 1e6, 'f', 1));
  return locale.toString(static_cast<qlonglong>(parameters));
}

bool isModelPath(const QString& path) {
  static const QStringList suffixes{"safetensors", "ckpt", "pt", "pth", "bin"};
  const QFileInfo info(path);
  if (!info.isDir()) return suffixes.contains(info.suffix().toLower());
  const QDir folder(path);
  return folder.exists(QStringLiteral("model_index.json")) ||
         folder.exists(QStringLiteral("run.yaml"));
}

}  // namespace likeness::ui
