// The JSON header of a safetensors file: parsed by events, so that a hostile one never becomes a
// tree in memory.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/weights/safetensors.h"

namespace likeness::weights {
namespace {

constexpr std::size_t maxTensors = 100'000;
constexpr std::size_t maxDimensions = 32;
constexpr std::size_t maxNameBytes = 4096;

/// Accepts {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {string: string}} and
/// nothing else.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  Header header;
  std::string problem;

  bool start_object(std::size_t) override {
    switch (m_place) {
      case Place::Start:
        m_place = Place::Root;
        return true;
      case Place::RootValue:
        m_place = m_key == "__metadata__" ? Place::Metadata : Place::Tensor;
        m_fields.clear();
        m_tensor = {};
        return true;
      default:
        return refuse("an object stands where none belongs");
    }
  }

  bool key(std::string& text) override {
    if (text.size() > maxNameBytes) return refuse("a name is longer than 4096 bytes");
    if (m_place == Place::Root) {
      if (header.tensors.contains(text) || !m_rootKeys.insert(text).second)
        return refuse("\"" + text + "\" stands twice in the header");
      if (m_rootKeys.size() > maxTensors + 1) return refuse("it lists more than 100000 tensors");
      m_key = text;
      m_place = Place::RootValue;
    } else if (m_place == Place::Metadata) {
      if (header.metadata.contains(text)) return refuse("metadata \"" + text + "\" stands twice");
      m_field = text;
      m_place = Place::MetadataValue;
    } else {
      if (text != "dtype" && text != "shape" && text != "data_offsets")
        return refuse("tensor \"" + m_key + "\" has the unknown field \"" + text + "\"");
      if (!m_fields.insert(text).second)
        return refuse("tensor \"" + m_key + "\" has \"" + text + "\" twice");
      m_field = text;
      m_place = Place::TensorValue;
    }
    return true;
  }

  bool string(std::string& text) override {
    if (m_place == Place::MetadataValue) {
      header.metadata[m_field] = text;
      m_place = Place::Metadata;
      return true;
    }
    if (m_place != Place::TensorValue || m_field != "dtype")
      return refuse("a text stands where none belongs");
    const auto type = scalarType(text);
    if (!type) return refuse("tensor \"" + m_key + "\" has the unknown dtype \"" + text + "\"");
    m_tensor.dtype = *type;
    m_place = Place::Tensor;
    return true;
  }

  bool start_array(std::size_t) override {
    if (m_place != Place::TensorValue || m_field == "dtype")
      return refuse("a list stands where none belongs");
    m_numbers.clear();
    m_place = Place::List;
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (m_place != Place::List) return refuse("a number stands where none belongs");
    if (m_numbers.size() == maxDimensions)
      return refuse("tensor \"" + m_key + "\" has more than 32 dimensions");
    m_numbers.push_back(value);
    return true;
  }

  bool end_array() override {
    if (m_field == "shape") {
      for (const std::uint64_t size : m_numbers) {
        if (size > static_cast<std::uint64_t>(INT64_MAX))
          return refuse("the shape of tensor \"" + m_key + "\" is too large");
        m_tensor.shape.push_back(static_cast<std::int64_t>(size));
      }
    } else {
      if (m_numbers.size() != 2)
        return refuse("data_offsets of tensor \"" + m_key + "\" are not two numbers");
      m_tensor.begin = m_numbers[0];
      m_tensor.end = m_numbers[1];
    }
    m_place = Place::Tensor;
    return true;
  }

  bool end_object() override {
    if (m_place == Place::Tensor) {
      if (m_fields.size() != 3) return refuse("tensor \"" + m_key + "\" lacks a field");
      header.tensors.emplace(m_key, std::move(m_tensor));
    }
    m_place = m_place == Place::Root ? Place::End : Place::Root;
    return true;
  }

  bool null() override { return refuse("null stands where none belongs"); }
  bool boolean(bool) override { return refuse("true or false stands where none belongs"); }
  bool number_integer(std::int64_t) override { return refuse("a number is negative"); }
  bool number_float(double, const std::string&) override {
    return refuse("a number is not whole or too large");
  }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }
  bool parse_error(std::size_t position,
                   const std::string&,
                   const nlohmann::json::exception&) override {
    return refuse("the header is not valid JSON (byte " + std::to_string(position) + ")");
  }

 private:
  enum class Place {
    Start,
    Root,
    RootValue,
    Metadata,
    MetadataValue,
    Tensor,
    TensorValue,
    List,
    End
  };

  bool refuse(std::string reason) {
    if (problem.empty()) problem = std::move(reason);
    return false;
  }

  Place m_place = Place::Start;
  std::string m_key, m_field;
  std::set<std::string> m_rootKeys, m_fields;
  TensorInfo m_tensor;
  std::vector<std::uint64_t> m_numbers;
};

/// Bytes that dtype and shape ask for; empty when they overflow or end within a byte.
std::optional<std::uint64_t> byteSize(const TensorInfo& tensor) {
  std::uint64_t count = bits(tensor.dtype);
  for (const std::int64_t size : tensor.shape)
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count)) return {};
  if (count % 8 != 0) return {};
  return count / 8;
}

}  // namespace

tl::expected<Header, std::string> parseHeader(std::string_view json, std::uint64_t dataBytes) {
  const auto refuse = [](std::string reason) {
    return tl::unexpected<std::string>(std::move(reason));
  };
  if (json.starts_with("\xEF\xBB\xBF")) return refuse("the header begins with a byte order mark");
  HeaderReader reader;
  if (!nlohmann::json::sax_parse(json, &reader))
    return refuse(reader.problem.empty() ? "the header is not valid" : reader.problem);

  std::vector<const std::pair<const std::string, TensorInfo>*> order;
  for (const auto& entry : reader.header.tensors) order.push_back(&entry);
  std::ranges::sort(order, {}, [](const auto* entry) {
    return std::pair(entry->second.begin, entry->second.end);
  });
  std::uint64_t covered = 0;
  for (const auto* entry : order) {
    const auto& [key, tensor] = *entry;
    if (tensor.begin != covered || tensor.end < tensor.begin)
      return refuse("the data of tensor \"" + key + "\" overlaps, leaves a gap or runs backwards");
    const auto size = byteSize(tensor);
    if (!size) return refuse("the shape of tensor \"" + key + "\" is too large");
    if (*size != tensor.end - tensor.begin)
      return refuse("tensor \"" + key + "\" has another size than its shape says");
    covered = tensor.end;
  }
  if (covered < dataBytes) return refuse("it holds bytes that belong to no tensor");
  if (covered > dataBytes) return refuse("it ends before its tensors do");
  return std::move(reader.header);
}

std::uint64_t byteSize(const TensorSource& tensor) {
  return byteSize(TensorInfo{tensor.dtype, tensor.shape, 0, 0}).value();
}

std::string layOutHeader(std::vector<TensorSource>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::ranges::sort(tensors, [](const TensorSource& a, const TensorSource& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  const auto quoted = [](std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string json = "{";
  const auto add = [&json](const std::string& piece) {
    if (json.size() > 1) json += ',';
    json += piece;
  };
  if (!metadata.empty()) {
    std::string pairs;
    for (const auto& [key, value] : metadata)
      pairs += (pairs.empty() ? "" : ",") + quoted(key) + ":" + quoted(value);
    add("\"__metadata__\":{" + pairs + "}");
  }
  std::uint64_t offset = 0;
  for (const TensorSource& tensor : tensors) {
    const std::uint64_t begin = offset;
    offset += byteSize(tensor);
    add(quoted(tensor.name) + ":{\"dtype\":\"" + std::string(name(tensor.dtype)) +
        "\",\"shape\":" + nlohmann::json(tensor.shape).dump() + ",\"data_offsets\":[" +
        std::to_string(begin) + "," + std::to_string(offset) + "]}");
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i)
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(json.size()) >> (8 * i) & 0xFF);
  return bytes + json;
}

}  // namespace likeness::weights
