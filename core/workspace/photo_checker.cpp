// One report a photo, in order; what looks like an earlier photo says so.
#include "core/workspace/photo_checker.h"

#include <bit>
#include <exception>
#include <stop_token>
#include <thread>
#include <utility>

#include "core/base/hash.h"
#include "core/image/photo.h"
#include "core/workspace/photo_folder.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using api::PhotoReport;

namespace {

constexpr int kThumbnailSide = 256;
/// What Stable Diffusion 1 was made for: a smaller photo would have to be enlarged there.
constexpr int kResolution = 512;
constexpr int kNearlySame = 6;  // bits of 64 (perceptualHash)

/// What later photos are compared with.
struct Seen {
  fs::path file;
  std::string contentHash;
  std::uint64_t look = 0;
};

void findDuplicate(PhotoReport& report, const Seen& photo, const std::vector<Seen>& earlier) {
  for (const Seen& other : earlier) {
    const bool same = other.contentHash == photo.contentHash;
    if (!same && std::popcount(other.look ^ photo.look) > kNearlySame) continue;
    report.findings.push_back(
        {api::FindingKind::Duplicate,
         (same ? "The same picture as " : "Nearly the same as ") + other.file.filename().string(),
         other.file});
    return;
  }
}

PhotoReport check(const fs::path& file, std::vector<Seen>& earlier) {
  PhotoReport report;
  report.file = file;
  const auto decoded = image::readPhoto(file);
  if (!decoded) {
    report.error = decoded.error();
    return report;
  }
  auto hash = base::sha256File(file);
  if (!hash) {
    report.error = hash.error();
    return report;
  }
  report.contentHash = std::move(*hash);
  report.width = decoded->image.width;
  report.height = decoded->image.height;
  report.findings = image::checkPhoto(decoded->image, kResolution);
  if (decoded->animated)
    report.findings.push_back(
        {api::FindingKind::Animated, "Moving picture: only its first frame is used", {}});
  if (!decoded->alpha.empty())
    report.findings.push_back(
        {api::FindingKind::AlphaFlattened, "Partly transparent: shown on white", {}});
  if (const auto lines = readCaptions(besidePhoto(file)))
    for (const std::string& line : *lines)
      report.caption += (report.caption.empty() ? "" : "\n") + line;
  report.thumbnail = image::thumbnail(decoded->image, kThumbnailSide);
  const Seen photo{file, report.contentHash, image::perceptualHash(decoded->image)};
  findDuplicate(report, photo, earlier);
  earlier.push_back(photo);
  return report;
}

class Checker : public api::Subscription {
 public:
  Checker(std::vector<fs::path> files, std::function<void(PhotoReport)> sink)
      : m_thread([files = std::move(files), sink = std::move(sink)](std::stop_token stop) {
          run(stop, files, sink);
        }) {}
  ~Checker() override {
    m_thread.request_stop();
    // Inside the sink this is the thread itself; it ends right after.
    if (m_thread.get_id() == std::this_thread::get_id()) m_thread.detach();
  }

 private:
  static void run(const std::stop_token& stop,
                  const std::vector<fs::path>& files,
                  const std::function<void(PhotoReport)>& sink) {
    std::vector<Seen> earlier;
    for (const fs::path& file : files) {
      if (stop.stop_requested()) return;
      PhotoReport report;
      try {
        report = check(file, earlier);
      } catch (const std::exception& error) {
        report.file = file;
        report.error =
            api::Error{api::ErrorCode::Internal, {{"file", file.string()}}, error.what()};
      }
      if (stop.stop_requested()) return;
      sink(std::move(report));
    }
  }
  std::jthread m_thread;
};

}  // namespace

std::unique_ptr<api::Subscription> checkPhotos(std::vector<fs::path> files,
                                               std::function<void(PhotoReport)> sink) {
  return std::make_unique<Checker>(std::move(files), std::move(sink));
}

}  // namespace likeness::workspace
