#include "tests/support/pickles.h"

#include <fstream>
#include <stdexcept>

#include "core/weights/safetensors.h"

namespace likeness::support::pickles {
namespace {

using namespace std::string_literals;

std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string numbers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> each;
  for (const std::int64_t value : values) each.push_back(number(value));
  return tuple(each);
}

}  // namespace

std::string text(std::string_view content) {
  return "X" + little(content.size(), 4) + std::string(content);
}
std::string number(std::int64_t value) {
  return "\x8a\x08" + little(static_cast<std::uint64_t>(value), 8);
}
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
std::string tuple(const std::vector<std::string>& values) {
  std::string out = "(";
  for (const std::string& value : values) out += value;
  return out + "t";
}
std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "}(";
  for (const auto& [key, value] : items) out += text(key) + value;
  return out + "u";
}
std::string call(const std::string& callable, const std::vector<std::string>& arguments) {
  return callable + tuple(arguments) + "R";
}

std::string tensor(const View& view) {
  const std::string storage = tuple({text("storage"),
                                     global("torch", view.storage),
                                     text(view.key),
                                     text("cpu"),
                                     number(view.count)}) +
                              "Q";
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage,
               number(view.offset),
               numbers(view.shape),
               numbers(view.strides),
               "\x89",
               call(global("collections", "OrderedDict"), {})});
}

std::string program(const std::string& value) { return "\x80\x02" + value + "."; }

std::string zip(const std::vector<ZipEntry>& entries) {
  std::string out, list;
  for (const ZipEntry& entry : entries) {
    const std::uint64_t offset = entry.offset.value_or(static_cast<std::uint32_t>(out.size()));
    // Version, flags, method, time, date, CRC (which nobody reads), sizes, length of the name.
    const std::string about = little(20, 2) + little(entry.flags, 2) + little(entry.method, 2) +
                              little(0, 8) + little(entry.size.value_or(entry.bytes.size()), 4) +
                              little(entry.size.value_or(entry.bytes.size()), 4) +
                              little(entry.name.size(), 2) + little(0, 2);
    out += "PK\x03\x04" + about + entry.name + entry.bytes;
    list += "PK\x01\x02"s + little(20, 2) + about + little(0, 10) + little(offset, 4) + entry.name;
  }
  return out + list + "PK\x05\x06"s + little(0, 4) + little(entries.size(), 2) +
         little(entries.size(), 2) + little(list.size(), 4) + little(out.size(), 4) + little(0, 2);
}

std::string file(const std::string& pickle,
                 const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<ZipEntry> entries{{"archive/data.pkl", pickle}, {"archive/byteorder", "little"}};
  for (const auto& [key, bytes] : storages) entries.push_back({"archive/data/" + key, bytes});
  return zip(entries);
}

std::string legacyFile(const std::string& value, const std::vector<LegacyStorage>& storages) {
  std::string keys = "](";
  for (const auto& storage : storages) keys += text(storage.key);
  std::string out = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." +
                    program(number(1001)) + program(dict({{"little_endian", "\x88"}})) +
                    program(value) + program(keys + "e");
  for (const auto& storage : storages)
    out += little(storage.bytes.size() / storage.elementBytes, 8) + storage.bytes;
  return out;
}

void writeAsPickle(const std::filesystem::path& safetensors, const std::filesystem::path& out) {
  const auto source = weights::SafetensorsFile::open(safetensors);
  if (!source) throw std::runtime_error(api::message(source.error()));
  std::vector<std::pair<std::string, std::string>> items, storages;
  for (const auto& [name, info] : source->tensors()) {
    std::string bytes(info.end - info.begin, '\0');
    if (!source->read(info, std::as_writable_bytes(std::span(bytes))))
      throw std::runtime_error("unreadable");
    View view{std::to_string(storages.size()),
              info.dtype == weights::ScalarType::F16    ? "HalfStorage"
              : info.dtype == weights::ScalarType::BF16 ? "BFloat16Storage"
              : info.dtype == weights::ScalarType::I64  ? "LongStorage"
                                                        : "FloatStorage",
              1,
              0,
              info.shape,
              std::vector<std::int64_t>(info.shape.size())};
    for (std::size_t i = info.shape.size(); i-- > 0;) {
      view.strides[i] = view.count;
      view.count *= info.shape[i];
    }
    items.emplace_back(name, tensor(view));
    storages.emplace_back(view.key, std::move(bytes));
  }
  std::ofstream(out, std::ios::binary)
      << file(program(dict({{"epoch", number(1)}, {"state_dict", dict(items)}})), storages);
}

}  // namespace likeness::support::pickles
