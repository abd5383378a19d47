// Progress on standard error: one line that redraws itself in a terminal, plain lines now and then
// in a log.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "core/api/events.h"

namespace likeness::cli {

/// "Training  [#####.....]  120/400  13.9 steps/s  0:20 left". Thread-safe.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  void stage(api::Stage stage);
  void progress(const api::Progress& progress);
  /// A line of its own that stays.
  void note(const std::string& text);

 private:
  void clear();

  std::mutex m_mutex;
  const bool m_terminal;
  bool m_drawn = false;
  std::chrono::steady_clock::time_point m_lastPlain{};
};

/// "1:02:03", "0:20"
std::string duration(double seconds);
/// The text of a progress without the bar, as in the example above.
std::string describe(const api::Progress& progress);

}  // namespace likeness::cli
