// Names alone say what belongs together; nothing is opened but captions.
#include "core/workspace/photo_folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "core/text/lines.h"

namespace likeness::workspace {
namespace fs = std::filesystem;

namespace {

/// OneTrainer's names for what belongs to a picture and is none to learn from.
constexpr std::string_view kMaskEnd = "-masklabel", kConditionEnd = "-condlabel";
constexpr std::int64_t kMaxRepeats = 1000;

bool looksLikePicture(const fs::path& file) {
  static constexpr std::array<std::string_view, 11> kExtensions{
      ".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".gif"};
  std::string extension = file.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  const std::string stem = file.stem().string();
  return std::ranges::find(kExtensions, extension) != kExtensions.end() && !stem.starts_with('.') &&
         !stem.ends_with(kMaskEnd) && !stem.ends_with(kConditionEnd);
}

/// kohya's folder name, `N_token class words`; repeats 0 when it is another name.
struct FolderName {
  std::int64_t repeats = 0;
  std::string token, classWord;  ///< both or none
};

FolderName folderName(const fs::path& folder) {
  const std::string name =
      (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  FolderName read;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, read.repeats);
  if (error != std::errc() || stop == end || *stop != '_' || read.repeats < 1 ||
      read.repeats > kMaxRepeats)
    return {};
  const std::string_view words(stop + 1, static_cast<std::size_t>(end - stop - 1));
  const std::size_t space = words.find(' ');
  if (space == 0 || space == std::string_view::npos || space + 1 == words.size()) return read;
  read.token = words.substr(0, space);
  read.classWord = words.substr(words.find_first_not_of(' ', space));
  return read;
}

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// Gathers the photos of one drop.
class Drop {
 public:
  void add(const fs::path& file, const FolderName& folder = {}) {
    const auto same = [&](const api::Photo& photo) { return photo.file == file; };
    if (std::ranges::any_of(m_drop.photos, same)) return;
    api::Photo& photo = m_drop.photos.emplace_back();
    photo.file = file;
    if (folder.repeats) photo.repeats = folder.repeats;
    const BesidePhoto beside = besidePhoto(file);
    m_captions += !beside.caption.empty();
    m_masks += !beside.mask.empty();
    m_ignored += !beside.ignoredCaption.empty();
    if (folder.token.empty()) return;
    if (m_drop.token.empty()) {
      m_drop.token = folder.token;
      m_drop.classWord = folder.classWord;
    } else if (beside.caption.empty() &&
               (folder.token != m_drop.token || folder.classWord != m_drop.classWord)) {
      photo.caption = "a photo of " + folder.token + " " + folder.classWord;
    }
  }

  void addFolder(const fs::path& path, bool inside) {
    const FolderName name = folderName(path);
    const std::size_t before = m_drop.photos.size();
    std::error_code ignored;
    for (const fs::path& entry : entries(path)) {
      if (fs::is_directory(entry, ignored)) {
        if (!inside && folderName(entry).repeats) addFolder(entry, true);
      } else if (looksLikePicture(entry)) {
        add(entry, name);
      }
    }
    if (name.repeats && m_drop.photos.size() > before) ++m_named;
  }

  api::PhotoDrop finish() && {
    std::vector<std::string> parts;
    if (m_named)
      parts.push_back(counted(m_named, "folder") + " with repeats in the name" +
                      (m_drop.token.empty() ? ""
                                            : " (" + m_drop.token + " is the identifier, " +
                                                  m_drop.classWord + " the class)"));
    if (m_captions)
      parts.push_back("captions beside " + counted(m_captions, "photo") +
                      (m_ignored ? " (.txt is read, .caption of the same name is not)" : ""));
    if (m_masks) parts.push_back("masks beside " + counted(m_masks, "photo"));
    for (const std::string& part : parts)
      m_drop.note += (m_drop.note.empty() ? "Found " : ", ") + part;
    if (!parts.empty()) m_drop.note += ".";
    return std::move(m_drop);
  }

 private:
  api::PhotoDrop m_drop;
  std::size_t m_named = 0, m_captions = 0, m_masks = 0, m_ignored = 0;
};

}  // namespace

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    found.push_back(entry->path());
  std::ranges::sort(found);
  return found;
}

BesidePhoto besidePhoto(const fs::path& photo) {
  const auto there = [&](const char* end) {
    fs::path file = photo;
    file.replace_extension();
    file += end;
    std::error_code ignored;
    return file != photo && fs::is_regular_file(file, ignored) ? file : fs::path();
  };
  BesidePhoto beside{there(".txt"), there(".caption"), there("-masklabel.png")};
  if (beside.caption.empty()) std::swap(beside.caption, beside.ignoredCaption);
  return beside;
}

api::Result<std::vector<std::string>> readCaptions(const BesidePhoto& beside) {
  if (beside.caption.empty()) return std::vector<std::string>();
  return text::readLines(beside.caption);
}

api::PhotoDrop expandDrop(const std::vector<fs::path>& dropped) {
  Drop drop;
  for (const fs::path& path : dropped) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored))
      drop.addFolder(path, false);
    else
      drop.add(path);
  }
  return std::move(drop).finish();
}

}  // namespace likeness::workspace
