#include "app/cli/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace likeness::cli {

using namespace api;

namespace {

constexpr auto kPlainInterval = std::chrono::seconds(5);
constexpr int kBarWidth = 24;

const char* unitOf(Stage stage) {
  switch (stage) {
    case Stage::PreparePhotos:
      return "photos";
    case Stage::ClassImages:
      return "pictures";
    case Stage::Generate:
    case Stage::Train:
      return "steps";
    default:
      return "";
  }
}

std::size_t terminalWidth() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(const Progress& progress) {
  const double part = progress.total > 0
                          ? static_cast<double>(progress.done) / static_cast<double>(progress.total)
                          : 0;
  const auto full = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * kBarWidth);
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "]";
}

}  // namespace

std::string duration(double seconds) {
  const auto total = static_cast<long>(std::ceil(seconds));
  char text[32];
  if (total >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", total / 3600, total / 60 % 60, total % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", total / 60, total % 60);
  return text;
}

std::string describe(const Progress& progress) {
  std::string text = std::to_string(progress.done) + "/" + std::to_string(progress.total);
  if (progress.secondsPerUnit > 0) {
    const std::string unit = unitOf(progress.stage);
    char rate[64];
    if (progress.secondsPerUnit < 1)
      std::snprintf(rate, sizeof rate, "  %.3g %s/s", 1 / progress.secondsPerUnit, unit.c_str());
    else
      std::snprintf(rate, sizeof rate, "  %.3g s each", progress.secondsPerUnit);
    text += rate;
  }
  if (progress.secondsLeft > 0) text += "  " + duration(progress.secondsLeft) + " left";
  return text;
}

ProgressLine::ProgressLine() : m_terminal(isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { clear(); }

void ProgressLine::clear() {
  if (m_drawn) std::fputs("\r\033[K", stderr);
  m_drawn = false;
}

void ProgressLine::stage(Stage stage) {
  const std::lock_guard lock(m_mutex);
  clear();
  const std::string name(label(stage));
  std::fprintf(stderr, "%s\n", name.c_str());
  m_lastPlain = {};
}

void ProgressLine::progress(const Progress& progress) {
  const std::lock_guard lock(m_mutex);
  const std::string text = describe(progress);
  if (m_terminal) {
    std::string line = "  " + bar(progress) + "  " + text;
    line.resize(std::min(line.size(), terminalWidth() - 1));
    std::fprintf(stderr, "\r%s\033[K", line.c_str());
    m_drawn = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (progress.done < progress.total && now - m_lastPlain < kPlainInterval) return;
  m_lastPlain = now;
  std::fprintf(stderr, "  %s\n", text.c_str());
}

void ProgressLine::note(const std::string& text) {
  const std::lock_guard lock(m_mutex);
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace likeness::cli
