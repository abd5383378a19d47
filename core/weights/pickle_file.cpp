// The two containers of torch.save, and the way from a pickle's objects to tensors in a file.
#include "core/weights/pickle_file.h"

#include <fcntl.h>
#include <minizip/unzip.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/file_system.h"
#include "core/weights/pickle_machine.h"

namespace likeness::weights {
namespace {

constexpr std::size_t maxTensors = 100'000;
constexpr std::size_t maxEntries = 200'000;
constexpr std::size_t maxNameBytes = 4096;
constexpr std::size_t maxMetadata = 64;
constexpr int maxDepth = 8;
constexpr std::uint64_t pieceBytes = 4u << 20;
constexpr std::uint64_t blockBytes = 32u << 20;

struct Region {
  std::uint64_t begin = 0, bytes = 0;
};

using Reason = std::optional<pickle::Refusal>;
pickle::Refusal because(std::string reason) { return {std::move(reason), {}}; }

/// Equal after a trip through JSON: UTF-8 without holes, as a safetensors header needs it.
bool isUtf8(const std::string& text) {
  const auto replace = nlohmann::json::error_handler_t::replace;
  return nlohmann::json::parse(nlohmann::json(text).dump(-1, ' ', false, replace)) == text;
}

bool isContiguous(const PickledTensor& tensor) {
  std::int64_t expected = 1;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

std::uint64_t elements(const std::vector<std::int64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

}  // namespace

struct PickleFile::State {
  int descriptor = -1;  ///< the caller's
  std::uint64_t fileBytes = 0;
  pickle::Objects objects;
  pickle::Value root;
  std::map<std::string, Region> storages;
  std::map<std::string, PickledTensor> tensors;
  std::map<std::string, std::string> metadata;

  // ---- bytes

  std::string bytesAt(std::uint64_t offset, std::uint64_t count) const {
    std::string out(std::min(count, offset < fileBytes ? fileBytes - offset : 0), '\0');
    if (base::readAt(descriptor, offset, std::as_writable_bytes(std::span(out))) != 0) out.clear();
    return out;
  }
  pickle::Input input(Region region) const {
    return {[this](std::uint64_t offset, std::span<char> out) {
              return base::readAt(descriptor, offset, std::as_writable_bytes(out)) == 0;
            },
            region.begin,
            region.begin + region.bytes};
  }

  // ---- containers

  Reason readZip();
  Reason readEntries(unzFile zip, std::map<std::string, Region>& entries) const;
  Reason readLegacy();

  // ---- tensors

  Reason collect();
  Reason collectFrom(const std::vector<std::pair<pickle::Value, pickle::Value>>& dict,
                     const std::string& prefix,
                     int depth,
                     std::set<const void*>& seen);
  Reason addTensor(const std::string& name, const pickle::Tensor& tensor);
  void addMetadata(const std::string& name, pickle::Value value);
  const std::vector<std::pair<pickle::Value, pickle::Value>>* dictOf(pickle::Value value) const;
  const std::string& text(pickle::Value value) const {
    return objects.texts[static_cast<std::size_t>(value.number)];
  }

  api::Result<void> readStrided(
      const PickledTensor& tensor,
      const std::function<api::Result<void>(std::span<const std::byte>)>& sink) const;
  api::Error unreadable(int error) const {
    return {api::ErrorCode::FileUnreadable,
            {{"reason", error > 0 ? std::strerror(error) : "it became shorter"}},
            {}};
  }
};

// ---- containers

/// Where every entry's bytes are. Only entries that are stored as they are can be used.
Reason PickleFile::State::readEntries(unzFile zip, std::map<std::string, Region>& entries) const {
  int found = ::unzGoToFirstFile(zip);
  for (; found == UNZ_OK; found = ::unzGoToNextFile(zip)) {
    if (entries.size() == maxEntries) return because("it has more than 200000 entries");
    unz_file_info64 info{};
    std::array<char, maxNameBytes> name{};
    int method = 0;
    if (::unzGetCurrentFileInfo64(
            zip, &info, name.data(), name.size() - 1, nullptr, 0, nullptr, 0) != UNZ_OK ||
        ::unzOpenCurrentFile2(zip, &method, nullptr, 1) != UNZ_OK)
      return because("its list of entries is damaged");
    const Region region{::unzGetCurrentFileZStreamPos64(zip), info.uncompressed_size};
    ::unzCloseCurrentFile(zip);
    if (info.compression_method != 0 || info.compressed_size != info.uncompressed_size ||
        (info.flag & 1) != 0)
      return because("its entries are compressed or encrypted, which PyTorch never does");
    if (region.begin > fileBytes || region.bytes > fileBytes - region.begin)
      return because("an entry of it ends beyond the file");
    if (!entries.emplace(name.data(), region).second)
      return because("an entry of it stands there twice");
  }
  if (found != UNZ_END_OF_LIST_OF_FILE) return because("its list of entries is damaged");
  std::vector<Region> order;
  for (const auto& [name, region] : entries) order.push_back(region);
  std::ranges::sort(order, {}, &Region::begin);
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i].begin < order[i - 1].begin + order[i - 1].bytes)
      return because("entries of it overlap");
  return {};
}

Reason PickleFile::State::readZip() {
  zlib_filefunc64_def functions{};
  ::fill_fopen64_filefunc(&functions);
  functions.opaque = const_cast<int*>(&descriptor);
  functions.zopen64_file = [](void* opened, const void*, int) -> void* {
    const int copy = ::fcntl(*static_cast<const int*>(opened), F_DUPFD_CLOEXEC, 0);
    FILE* stream = copy < 0 ? nullptr : ::fdopen(copy, "rb");
    if (!stream && copy >= 0) ::close(copy);
    return stream;
  };
  const unzFile zip = ::unzOpen2_64("", &functions);
  if (!zip) return because("its list of entries is damaged; the file may be incomplete");
  std::map<std::string, Region> entries;
  Reason reason = readEntries(zip, entries);
  ::unzClose(zip);
  if (reason) return reason;

  const auto isPickle = [](const auto& entry) {
    return entry.first == "data.pkl" || entry.first.ends_with("/data.pkl");
  };
  const auto found = std::ranges::find_if(entries, isPickle);
  if (found == entries.end() || std::ranges::count_if(entries, isPickle) > 1)
    return because("it is a zip file that PyTorch did not write");
  const std::string folder = found->first.substr(0, found->first.size() - 8);
  if (entries.contains(folder + "constants.pkl"))
    return because("it is a program for TorchScript, not a file of weights");
  if (const auto order = entries.find(folder + "byteorder");
      order != entries.end() && bytesAt(order->second.begin, 6) != "little")
    return because("its numbers are in big-endian order");
  const std::string data = folder + "data/";
  for (auto entry = entries.lower_bound(data);
       entry != entries.end() && entry->first.starts_with(data);
       ++entry)
    storages.emplace(entry->first.substr(data.size()), entry->second);

  pickle::Input program = input(found->second);
  auto value = pickle::run(program, objects);
  if (!value) return value.error();
  root = *value;
  return {};
}

/// Magic number, protocol, facts about the machine, the objects, the order of the storages, and
/// those: a count and the bytes each.
Reason PickleFile::State::readLegacy() {
  pickle::Input program = input({0, fileBytes});
  pickle::Value order;
  for (int i = 0; i < 5; ++i) {
    auto value = pickle::run(program, objects);
    if (!value) return value.error();
    if (i == 1 && (value->kind != pickle::Kind::Int || value->number != 1001))
      return because("it is of an unknown version of PyTorch's older form");
    if (i == 2) {
      const auto* facts = dictOf(*value);
      const bool bigEndian =
          facts && std::ranges::any_of(*facts, [this](const auto& fact) {
            return fact.first.kind == pickle::Kind::Text && text(fact.first) == "little_endian" &&
                   fact.second.kind == pickle::Kind::Bool && fact.second.number == 0;
          });
      if (bigEndian) return because("its numbers are in big-endian order");
    }
    (i == 3 ? root : order) = *value;
  }
  if (order.kind != pickle::Kind::Sequence) return because("its list of storages is damaged");
  std::map<std::string, std::uint64_t> elementBytes;
  for (const pickle::Storage& storage : objects.storages)
    elementBytes[storage.key] = storage.dtype ? bits(*storage.dtype) / 8 : 1;
  std::uint64_t at = program.position();
  for (const pickle::Value& key : objects.sequences[static_cast<std::size_t>(order.number)]) {
    const auto known =
        key.kind == pickle::Kind::Text ? elementBytes.find(text(key)) : elementBytes.end();
    if (known == elementBytes.end()) return because("its list of storages is damaged");
    const std::string count = bytesAt(at, 8);
    std::uint64_t bytes = 0;
    for (std::size_t i = count.size(); i-- > 0;)
      bytes = bytes << 8 | static_cast<unsigned char>(count[i]);
    at += 8;
    if (count.size() < 8 || __builtin_mul_overflow(bytes, known->second, &bytes) ||
        bytes > fileBytes - at)
      return because("it ends before its storages do");
    if (!storages.emplace(known->first, Region{at, bytes}).second)
      return because("its list of storages is damaged");
    at += bytes;
  }
  return {};
}

// ---- tensors

const std::vector<std::pair<pickle::Value, pickle::Value>>* PickleFile::State::dictOf(
    pickle::Value value) const {
  if (value.kind == pickle::Kind::Dict)
    return &objects.dicts[static_cast<std::size_t>(value.number)];
  if (value.kind != pickle::Kind::Opaque) return nullptr;
  // A ParameterDict keeps its tensors in its state.
  const auto& state = objects.opaques[static_cast<std::size_t>(value.number)].state;
  if (!state || state->kind != pickle::Kind::Dict) return nullptr;
  for (const auto& [key, item] : objects.dicts[static_cast<std::size_t>(state->number)])
    if (key.kind == pickle::Kind::Text && text(key) == "_parameters" &&
        item.kind == pickle::Kind::Dict)
      return &objects.dicts[static_cast<std::size_t>(item.number)];
  return nullptr;
}

Reason PickleFile::State::addTensor(const std::string& name, const pickle::Tensor& tensor) {
  const auto refuse = [&](const std::string& what) {
    return because("tensor \"" + name + "\" " + what);
  };
  if (tensors.size() == maxTensors) return because("it has more than 100000 tensors");
  const pickle::Storage& storage = objects.storages[tensor.storage];
  const auto region = storages.find(storage.key);
  if (region == storages.end()) return refuse("has no numbers in the file");
  const std::uint64_t elementBytes = bits(tensor.dtype) / 8;
  std::uint64_t count = bits(tensor.dtype), furthest = tensor.offset, bytes = 0;
  bool overflow = false;
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const auto size = static_cast<std::uint64_t>(tensor.shape[i]);
    std::uint64_t reach = 0;
    overflow |= __builtin_mul_overflow(count, size, &count);
    if (size == 0) continue;
    overflow |=
        __builtin_mul_overflow(size - 1, static_cast<std::uint64_t>(tensor.strides[i]), &reach);
    overflow |= __builtin_add_overflow(furthest, reach, &furthest);
  }
  const bool empty = std::ranges::count(tensor.shape, 0) > 0;
  overflow |= __builtin_mul_overflow(furthest, elementBytes, &bytes);
  overflow |= __builtin_add_overflow(bytes, elementBytes, &bytes);
  if (overflow) return refuse("is too large");
  if (!empty && bytes > region->second.bytes)
    return refuse("reaches beyond its numbers in the file");
  tensors[name] = {tensor.dtype,
                   tensor.shape,
                   tensor.strides,
                   region->second.begin + tensor.offset * elementBytes};
  return {};
}

void PickleFile::State::addMetadata(const std::string& name, pickle::Value value) {
  if (metadata.size() == maxMetadata || name.size() > maxNameBytes || !isUtf8(name)) return;
  if (value.kind == pickle::Kind::Int)
    metadata[name] = std::to_string(value.number);
  else if (value.kind == pickle::Kind::Text && text(value).size() <= maxNameBytes &&
           isUtf8(text(value)))
    metadata[name] = text(value);
}

Reason PickleFile::State::collectFrom(
    const std::vector<std::pair<pickle::Value, pickle::Value>>& dict,
    const std::string& prefix,
    int depth,
    std::set<const void*>& seen) {
  // Each dictionary once: those that refer to each other would never end.
  if (depth > maxDepth || !seen.insert(&dict).second) return {};
  for (const auto& [key, value] : dict) {
    if (key.kind != pickle::Kind::Text) continue;
    const std::string name = prefix + text(key);
    if (value.kind == pickle::Kind::Tensor) {
      if (name.size() > maxNameBytes || name == "__metadata__" || !isUtf8(name))
        return because("a tensor in it has a name that cannot be kept");
      if (auto reason = addTensor(name, objects.tensors[static_cast<std::size_t>(value.number)]))
        return reason;
    } else if (const auto* inner = dictOf(value)) {
      if (auto reason = collectFrom(*inner, name + ".", depth + 1, seen)) return reason;
    }
  }
  return {};
}

Reason PickleFile::State::collect() {
  const auto* weights = dictOf(root);
  if (!weights)
    return because(
        root.kind == pickle::Kind::Opaque
            ? "it holds an object of " +
                  objects.texts[objects.opaques[static_cast<std::size_t>(root.number)].global] +
                  " instead of tensors by name"
            : "it holds no tensors by name");
  for (const auto& [key, value] : *weights)
    if (key.kind == pickle::Kind::Text) addMetadata(text(key), value);
  for (const char* name : {"state_dict", "model_state_dict"})
    for (const auto& [key, value] : *weights)
      if (key.kind == pickle::Kind::Text && text(key) == name && dictOf(value)) {
        weights = dictOf(value);
        break;
      }
  std::string prefix;
  for (const auto& [key, value] : *weights)
    if (key.kind == pickle::Kind::Text && text(key) == "string_to_param" && dictOf(value)) {
      weights = dictOf(value);
      prefix = "emb_params.";
      break;
    }
  std::set<const void*> seen;
  if (auto reason = collectFrom(*weights, prefix, 0, seen)) return reason;
  if (tensors.empty()) return because("it holds no tensors");
  if (!prefix.empty() && tensors.size() == 1) {
    auto only = tensors.extract(tensors.begin());
    only.key() = "emb_params";
    tensors.insert(std::move(only));
  }

  constexpr std::string_view wrapper = "module.";
  if (std::ranges::all_of(tensors,
                          [&](const auto& entry) { return entry.first.starts_with(wrapper); })) {
    std::map<std::string, PickledTensor> bare;
    for (auto& [name, tensor] : tensors)
      bare.emplace(name.substr(wrapper.size()), std::move(tensor));
    tensors = std::move(bare);
  }
  std::uint64_t total = 0;
  for (const auto& [name, tensor] : tensors) {
    std::uint64_t bytes = elements(tensor.shape);
    if (__builtin_mul_overflow(bytes, bits(tensor.dtype) / 8, &bytes) ||
        __builtin_add_overflow(total, bytes, &total) || total > 2 * fileBytes + (64u << 20))
      return because("its tensors share so many numbers that they would be far larger than it");
  }
  return {};
}

PickleFile::PickleFile(std::unique_ptr<State> state) : m_state(std::move(state)) {}
PickleFile::PickleFile(PickleFile&&) noexcept = default;
PickleFile& PickleFile::operator=(PickleFile&&) noexcept = default;
PickleFile::~PickleFile() = default;

const std::map<std::string, PickledTensor>& PickleFile::tensors() const { return m_state->tensors; }
const std::map<std::string, std::string>& PickleFile::metadata() const { return m_state->metadata; }

api::Result<PickleFile> PickleFile::open(int descriptor) {
  auto state = std::make_unique<State>();
  state->descriptor = descriptor;
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) return api::fail(state->unreadable(errno));
  state->fileBytes = static_cast<std::uint64_t>(info.st_size);

  const std::string start = state->bytesAt(0, legacyPickleStart.size());
  Reason reason;
  if (start.starts_with("PK"))
    reason = state->readZip();
  else if (start == legacyPickleStart)
    reason = state->readLegacy();
  else
    reason = because("it is not a file that PyTorch wrote");
  if (!reason) reason = state->collect();
  if (reason && !reason->global.empty())
    return api::fail(api::ErrorCode::UnsafeFile, {{"function", reason->global}});
  if (reason) return api::fail(api::ErrorCode::BadModelFile, {{"reason", reason->reason}});
  state->objects = {};
  return PickleFile(std::move(state));
}

api::Result<void> PickleFile::read(
    const PickledTensor& tensor,
    const std::function<api::Result<void>(std::span<const std::byte>)>& sink) const {
  std::uint64_t left = elements(tensor.shape) * (bits(tensor.dtype) / 8);
  if (left == 0) return {};
  if (!isContiguous(tensor)) return m_state->readStrided(tensor, sink);
  std::vector<std::byte> piece(std::min(left, pieceBytes));
  for (std::uint64_t at = tensor.begin; left > 0;) {
    const auto bytes = std::span(piece).first(std::min(left, pieceBytes));
    if (const int error = base::readAt(m_state->descriptor, at, bytes))
      return api::fail(m_state->unreadable(error));
    if (auto done = sink(bytes); !done) return done;
    at += bytes.size();
    left -= bytes.size();
  }
  return {};
}

/// In blocks of rows; for each, the file is passed in its own order and elements are put where they
/// belong.
api::Result<void> PickleFile::State::readStrided(
    const PickledTensor& tensor,
    const std::function<api::Result<void>(std::span<const std::byte>)>& sink) const {
  const std::uint64_t elementBytes = bits(tensor.dtype) / 8;
  struct Dimension {
    std::uint64_t size = 1, from = 0, to = 0;  ///< steps in the file and in the block, in bytes
  };
  std::vector<Dimension> dimensions;
  std::uint64_t step = elementBytes;
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    const auto size = static_cast<std::uint64_t>(tensor.shape[i]);
    if (size != 1)
      dimensions.insert(dimensions.begin(),
                        {size, static_cast<std::uint64_t>(tensor.strides[i]) * elementBytes, step});
    step *= size;
  }
  const Dimension rows = dimensions.front();
  if (rows.to > blockBytes)
    return api::fail(api::ErrorCode::BadModelFile,
                     {{"reason", "the numbers of a tensor lie in too wild an order"}});
  const std::uint64_t blockRows = std::min(rows.size, blockBytes / rows.to);
  std::vector<std::byte> block(blockRows * rows.to), window;
  std::uint64_t windowBegin = 0;
  for (std::uint64_t first = 0; first < rows.size; first += blockRows) {
    const std::uint64_t count = std::min(blockRows, rows.size - first);
    auto order = dimensions;
    order.front().size = count;
    std::ranges::stable_sort(order, std::greater{}, &Dimension::from);
    std::vector<std::uint64_t> index(order.size(), 0);
    std::uint64_t from = tensor.begin + first * rows.from, to = 0;
    for (bool done = false; !done;) {
      if (from < windowBegin || from + elementBytes > windowBegin + window.size()) {
        window.resize(std::min(pieceBytes, fileBytes - from));
        windowBegin = from;
        if (const int error = base::readAt(descriptor, from, window))
          return api::fail(unreadable(error));
      }
      std::copy_n(window.data() + (from - windowBegin), elementBytes, block.data() + to);
      done = true;
      for (std::size_t i = order.size(); i-- > 0;) {
        from += order[i].from;
        to += order[i].to;
        if (++index[i] < order[i].size) {
          done = false;
          break;
        }
        from -= order[i].from * order[i].size;
        to -= order[i].to * order[i].size;
        index[i] = 0;
      }
    }
    if (auto done = sink(std::span(block).first(count * rows.to)); !done) return done;
  }
  return {};
}

}  // namespace likeness::weights
