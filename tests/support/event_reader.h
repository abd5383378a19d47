// A reader of TensorBoard's event files of its own, as strict as the genuine one is.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/hash.h"

namespace likeness::support {

struct TensorBoardEvent {
  double wallTime = 0;
  std::int64_t step = 0;
  std::string fileVersion;
  std::vector<std::pair<std::string, float>> scalars;         ///< by tag
  std::vector<std::pair<std::string, std::string>> pictures;  ///< encoded, by tag
  std::vector<std::pair<std::string, std::string>> texts;     ///< by tag
};

namespace events {

template <class T>
T number(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// One field of a message: its number, and its bytes or its value.
struct ProtoField {
  int number = 0;
  std::string_view bytes;
  std::uint64_t value = 0;
};

/// Every field in order; nothing for bytes that are no message.
inline std::optional<std::vector<ProtoField>> fieldsOf(std::string_view message) {
  std::vector<ProtoField> fields;
  const auto varint = [&]() -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !message.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(message.front());
      message.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    return {};
  };
  while (!message.empty()) {
    const auto tag = varint();
    if (!tag) return {};
    ProtoField field{static_cast<int>(*tag >> 3), {}, 0};
    std::size_t size = 0;
    switch (*tag & 7) {
      case 0: {
        const auto value = varint();
        if (!value) return {};
        field.value = *value;
        break;
      }
      case 1:
        size = 8;
        break;
      case 2: {
        const auto length = varint();
        if (!length) return {};
        size = *length;
        break;
      }
      case 5:
        size = 4;
        break;
      default:
        return {};
    }
    if (size > message.size()) return {};
    field.bytes = message.substr(0, size);
    message.remove_prefix(size);
    fields.push_back(field);
  }
  return fields;
}

inline bool readValue(std::string_view message, TensorBoardEvent& event) {
  const auto value = fieldsOf(message);
  if (!value) return false;
  std::string tag;
  for (const ProtoField& field : *value) {
    if (field.number == 1) tag = field.bytes;
    if (field.number == 2) event.scalars.emplace_back(tag, number<float>(field.bytes));
    if (field.number != 4 && field.number != 8) continue;
    const auto inner = fieldsOf(field.bytes);
    if (!inner) return false;
    for (const ProtoField& part : *inner) {
      if (field.number == 4 && part.number == 4) event.pictures.emplace_back(tag, part.bytes);
      if (field.number == 8 && part.number == 8) event.texts.emplace_back(tag, part.bytes);
    }
  }
  return true;
}

}  // namespace events

/// Nothing for a file with a wrong checksum, a cut record or bytes that are no message.
inline std::optional<std::vector<TensorBoardEvent>> readEvents(std::string_view file) {
  using events::number;
  std::vector<TensorBoardEvent> all;
  const auto masked = [](std::string_view bytes) {
    return std::rotr(base::crc32c(bytes), 15) + 0xA282EAD8U;
  };
  while (!file.empty()) {
    if (file.size() < 16) return {};
    const auto length = number<std::uint64_t>(file);
    if (number<std::uint32_t>(file.substr(8)) != masked(file.substr(0, 8))) return {};
    if (length > file.size() - 16) return {};
    const std::string_view payload = file.substr(12, length);
    if (number<std::uint32_t>(file.substr(12 + length)) != masked(payload)) return {};
    file.remove_prefix(16 + length);
    const auto fields = events::fieldsOf(payload);
    if (!fields) return {};
    TensorBoardEvent& event = all.emplace_back();
    for (const events::ProtoField& field : *fields) {
      if (field.number == 1) event.wallTime = number<double>(field.bytes);
      if (field.number == 2) event.step = static_cast<std::int64_t>(field.value);
      if (field.number == 3) event.fileVersion = field.bytes;
      if (field.number != 5) continue;
      const auto summary = events::fieldsOf(field.bytes);
      if (!summary) return {};
      for (const events::ProtoField& value : *summary)
        if (!events::readValue(value.bytes, event)) return {};
    }
  }
  return all;
}

}  // namespace likeness::support
