// Reading and writing safetensors files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/base/file_system.h"
#include "core/base/hash.h"
#include "core/weights/safetensors.h"

namespace likeness::weights {
namespace {

constexpr std::uint64_t maxHeaderBytes = 100'000'000;

}  // namespace

struct SafetensorsFile::State {
  std::filesystem::path file;
  int descriptor = -1;
  std::uint64_t dataStart = 0;
  Header header;
  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : m_state(std::move(state)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

api::Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& file,
                                                   const std::filesystem::path& knownAs) {
  const std::filesystem::path& shown = knownAs.empty() ? file : knownAs;
  const auto unreadable = [&shown](const std::string& reason) {
    return api::fail(api::ErrorCode::FileUnreadable,
                     {{"file", shown.string()}, {"reason", reason}});
  };
  const auto bad = [&shown](const std::string& reason) {
    return api::fail(api::ErrorCode::BadModelFile, {{"file", shown.string()}, {"reason", reason}});
  };
  auto state = std::make_unique<State>();
  state->file = shown;
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  state->descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (state->descriptor < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return api::fail(api::ErrorCode::FileNotFound, {{"file", shown.string()}});
    return unreadable(std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(state->descriptor, &info) != 0) return unreadable(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return unreadable("it is not a regular file");
  const auto fileBytes = static_cast<std::uint64_t>(info.st_size);
  if (fileBytes < 8) return bad("it is too short to hold a header");

  std::array<std::byte, 8> lengthBytes{};
  if (const int error = base::readAt(state->descriptor, 0, lengthBytes))
    return unreadable(error > 0 ? std::strerror(error) : "it ends early");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i)
    length |= std::to_integer<std::uint64_t>(lengthBytes[i]) << (8 * i);
  if (length > maxHeaderBytes) return bad("it is not a safetensors file");  // 100 MB of header
  if (length > fileBytes - 8) return bad("its header claims to be longer than the file");

  std::string json(length, '\0');
  if (const int error = base::readAt(state->descriptor, 8, std::as_writable_bytes(std::span(json))))
    return unreadable(error > 0 ? std::strerror(error) : "it ends early");
  state->dataStart = 8 + length;
  auto header = parseHeader(json, fileBytes - state->dataStart);
  if (!header) return bad(header.error());
  state->header = std::move(*header);
  return SafetensorsFile(std::move(state));
}

const std::map<std::string, TensorInfo>& SafetensorsFile::tensors() const {
  return m_state->header.tensors;
}
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return m_state->header.metadata;
}
const std::filesystem::path& SafetensorsFile::path() const { return m_state->file; }

api::Result<void> SafetensorsFile::read(const TensorInfo& tensor, std::span<std::byte> out) const {
  const int error = out.size() == tensor.end - tensor.begin
                        ? base::readAt(m_state->descriptor, m_state->dataStart + tensor.begin, out)
                        : EINVAL;
  if (error == 0) return {};
  return api::fail(api::ErrorCode::FileUnreadable,
                   {{"file", m_state->file.string()},
                    {"reason", error > 0 ? std::strerror(error) : "it became shorter"}});
}

api::Result<WrittenFile> writeSafetensors(const std::filesystem::path& file,
                                          std::vector<TensorSource> tensors,
                                          const std::map<std::string, std::string>& metadata) {
  auto out = base::AtomicFile::create(file);
  if (!out) return api::fail(out.error());
  base::Sha256 hash;
  WrittenFile written;
  const auto sink = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    written.bytes += bytes.size();
    return out->write(bytes);
  };
  const std::string header = layOutHeader(tensors, metadata);
  if (auto result = sink(std::as_bytes(std::span(header))); !result)
    return api::fail(result.error());
  for (const TensorSource& tensor : tensors)
    if (auto result = tensor.produce(sink); !result) return api::fail(result.error());
  if (auto result = out->commit(); !result) return api::fail(result.error());
  written.sha256 = hash.hex();
  return written;
}

api::Result<bool> continueSafetensors(
    const std::filesystem::path& file,
    std::vector<TensorSource> tensors,
    const std::map<std::string, std::string>& metadata,
    const std::function<bool(std::uint64_t done, std::uint64_t total)>& next) {
  const std::string header = layOutHeader(tensors, metadata);
  std::vector<std::uint64_t> ends;  // of the tensors, in the file
  std::uint64_t total = header.size();
  for (const TensorSource& tensor : tensors) ends.push_back(total += byteSize(tensor));

  std::string begun(header.size(), '\0');
  std::error_code error;
  std::uint64_t there = 0, done = 0;
  if (std::ifstream in(file, std::ios::binary);
      in.read(begun.data(), static_cast<std::streamsize>(begun.size())) && begun == header)
    there = std::filesystem::file_size(file, error);
  std::size_t position = 0;
  if (there >= header.size() && !error) {
    done = header.size();
    for (; position < ends.size() && ends[position] <= there; ++position) done = ends[position];
  }

  auto out = base::AppendFile::open(file);
  if (!out) return api::fail(out.error());
  if (auto cut = base::truncateFile(file, done); !cut) return api::fail(cut.error());
  if (done == 0)
    if (auto begin = out->append(header); !begin) return api::fail(begin.error());
  const auto sink = [&](std::span<const std::byte> bytes) {
    return out->append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  for (done = std::max<std::uint64_t>(done, header.size()); position < tensors.size();
       done = ends[position++]) {
    if (!next(done - header.size(), total - header.size())) {
      if (auto kept = out->sync(); !kept) return api::fail(kept.error());
      return false;
    }
    if (auto made = tensors[position].produce(sink); !made) return api::fail(made.error());
  }
  if (auto kept = out->sync(); !kept) return api::fail(kept.error());
  return true;
}

}  // namespace likeness::weights
