// Words that several pages need: errors by their code, stages, times, sizes.
#pragma once

#include <QString>

#include "core/api/events.h"
#include "core/api/workspace.h"

namespace likeness::ui {

struct ErrorText {
  QString sentence, hint, detail;
};

class Texts {
 public:
  /// Translated by the code's templates, then filled in with the error's context.
  static ErrorText forError(const api::Error& error);
  static QString forFinding(const api::PhotoFinding& finding);
  static QString forStage(api::Stage stage);
  static QString forSeries(api::Series series);
  static QString forAdvice(const api::Advice& advice);
  /// An option's label or help, in the window's language.
  static QString option(std::string_view english);
  /// "about 40 s", "about 4 min", "about 2 h"; empty for 0 or less.
  static QString duration(double seconds);
  static QString bytes(std::uint64_t bytes);
};

}  // namespace likeness::ui
