// Pickle files as torch.save writes them, and as somebody with bad intentions would.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace likeness::support::pickles {

// Each returns opcodes that leave one value on the stack.
std::string text(std::string_view content);
std::string number(std::int64_t value);
std::string global(const std::string& module, const std::string& name);
std::string tuple(const std::vector<std::string>& values);
std::string dict(const std::vector<std::pair<std::string, std::string>>& items);
/// The callable with these arguments, as REDUCE calls it.
std::string call(const std::string& callable, const std::vector<std::string>& arguments);

/// A view of a storage, as torch._utils._rebuild_tensor_v2 is called for it.
struct View {
  std::string key = "0", storage = "FloatStorage";
  std::int64_t count = 0, offset = 0;
  std::vector<std::int64_t> shape{}, strides{};
};
std::string tensor(const View& view);

/// A whole pickle of protocol 2.
std::string program(const std::string& value);

struct ZipEntry {
  std::string name, bytes;
  std::uint16_t method = 0, flags = 0;
  std::optional<std::uint32_t> size{};    ///< claimed; not that of `bytes`
  std::optional<std::uint32_t> offset{};  ///< claimed; not that of the entry
};
std::string zip(const std::vector<ZipEntry>& entries);
/// torch.save's zip form: the pickle, and its storages by key.
std::string file(const std::string& pickle,
                 const std::vector<std::pair<std::string, std::string>>& storages);
/// torch.save's older form; each storage with the bytes of an element.
struct LegacyStorage {
  std::string key, bytes;
  std::uint64_t elementBytes = 4;
};
std::string legacyFile(const std::string& value, const std::vector<LegacyStorage>& storages);

/// The tensors of a .safetensors file (F32, F16, BF16, I64) as torch.save({"state_dict": ...})
/// would write them, in zip form.
void writeAsPickle(const std::filesystem::path& safetensors, const std::filesystem::path& out);

}  // namespace likeness::support::pickles
