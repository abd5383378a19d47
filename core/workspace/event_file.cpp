// The few messages by hand: every field is a tag byte (number << 3 | wire type) and its value.
#include "core/workspace/event_file.h"

#include <array>
#include <bit>
#include <fstream>

#include "core/base/hash.h"
#include "core/text/unicode.h"

namespace likeness::workspace {
namespace {

enum WireType { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

template <class T>
void appendLittleEndian(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * i & 0xFF);
}

void appendVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void appendTag(std::string& out, int field, WireType type) {
  out += static_cast<char>(field << 3 | type);
}
void addInteger(std::string& out, int field, std::int64_t value) {
  appendTag(out, field, Varint);
  appendVarint(out, static_cast<std::uint64_t>(value));
}
void addBytes(std::string& out, int field, std::string_view bytes) {
  appendTag(out, field, Bytes);
  appendVarint(out, bytes.size());
  out += bytes;
}
void addText(std::string& out, int field, std::string_view text) {
  addBytes(out, field, text::encodeUtf8(text::decodeUtf8(text)));
}

/// The checksum as TFRecords store it, so that a checksum of data with checksums inside is none of
/// them (tensorflow/core/lib/hash/crc32c.h).
std::uint32_t maskedCrc(std::string_view bytes) {
  return std::rotr(base::crc32c(bytes), 15) + 0xA282EAD8U;
}

/// length, its checksum, bytes, their checksum.
std::string record(std::string_view bytes) {
  std::string out;
  appendLittleEndian<std::uint64_t>(out, bytes.size());
  appendLittleEndian(out, maskedCrc(out));
  out += bytes;
  appendLittleEndian(out, maskedCrc(bytes));
  return out;
}

/// Event{wall_time = 1, step = 2, file_version = 3 | summary = 5}. The step comes even when it is
/// 0: bytesUntilStep() looks for it at its place.
std::string event(double wallTime, std::int64_t step, int field, std::string_view content) {
  std::string out;
  appendTag(out, 1, Fixed64);
  appendLittleEndian(out, std::bit_cast<std::uint64_t>(wallTime));
  addInteger(out, 2, step);
  addBytes(out, field, content);
  return record(out);
}

/// Summary{repeated Value value = 1}, Value{tag = 1, content...}
void addValue(std::string& summary, std::string_view tag, std::string_view content) {
  std::string value;
  addText(value, 1, tag);
  value += content;
  addBytes(summary, 1, value);
}

constexpr int kFileVersion = 3, kSummary = 5;
/// Header of a record, then an event's tag, wall time, tag and at most ten bytes of its step.
constexpr std::size_t kRecordHeader = 12, kRecordFooter = 4, kStepAt = 10, kStepEnd = kStepAt + 10;

}  // namespace

std::string_view tagOf(api::Series series) {
  constexpr std::array<std::string_view, 16> kTags{"loss/subject",
                                                   "loss/class",
                                                   "probe/subject",
                                                   "probe/class",
                                                   "learning_rate",
                                                   "grad_norm",
                                                   "step_seconds",
                                                   "memory_mib",
                                                   "loss_band/1",
                                                   "loss_band/2",
                                                   "loss_band/3",
                                                   "loss_band/4",
                                                   "class_drift",
                                                   "likeness/dino",
                                                   "likeness/clip",
                                                   "likeness/prompt"};
  return kTags[static_cast<std::size_t>(series)];
}

std::string eventFileStart(double wallTime) {
  return event(wallTime, 0, kFileVersion, "brain.Event:2");
}

std::string scalarEvent(double wallTime,
                        std::int64_t step,
                        const std::vector<api::MetricSample>& samples) {
  std::string summary;
  for (const api::MetricSample& sample : samples) {
    std::string value;
    appendTag(value, 2, Fixed32);  // simple_value
    appendLittleEndian(value, std::bit_cast<std::uint32_t>(static_cast<float>(sample.value)));
    addValue(summary, tagOf(sample.series), value);
  }
  return event(wallTime, step, kSummary, summary);
}

std::string pictureEvent(double wallTime,
                         std::int64_t step,
                         std::string_view tag,
                         int width,
                         int height,
                         std::string_view png) {
  std::string picture;  // Image{height, width, colorspace, encoded_image_string}
  addInteger(picture, 1, height);
  addInteger(picture, 2, width);
  addInteger(picture, 3, 3);
  addBytes(picture, 4, png);
  std::string value, summary;
  addBytes(value, 4, picture);
  addValue(summary, tag, value);
  return event(wallTime, step, kSummary, summary);
}

std::string textEvent(double wallTime,
                      std::int64_t step,
                      std::string_view tag,
                      std::string_view markdown) {
  // What torch.utils.tensorboard's add_text writes: a tensor of one string for the plugin "text".
  std::string tensor, plugin, metadata, dimension, shape, value, summary;
  addInteger(tensor, 1, 7);  // DT_STRING
  addInteger(dimension, 1, 1);
  addBytes(shape, 2, dimension);
  addBytes(tensor, 2, shape);
  addText(tensor, 8, markdown);
  addBytes(plugin, 1, "text");
  addBytes(metadata, 1, plugin);
  addBytes(value, 9, metadata);
  addBytes(value, 8, tensor);
  addValue(summary, tag, value);
  return event(wallTime, step, kSummary, summary);
}

std::uint64_t bytesUntilStep(const std::filesystem::path& file, std::int64_t lastStep) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return 0;
  const auto size = static_cast<std::uint64_t>(in.tellg());
  std::uint64_t end = 0;
  while (size - end > kRecordHeader + kRecordFooter) {
    std::array<unsigned char, kRecordHeader + kStepEnd> bytes{};
    in.seekg(static_cast<std::streamoff>(end));
    in.read(reinterpret_cast<char*>(bytes.data()), bytes.size());
    in.clear();
    std::uint64_t length = 0, step = 0;
    for (std::size_t i = 0; i < sizeof length; ++i) length |= std::uint64_t{bytes[i]} << 8 * i;
    if (length > size - end - kRecordHeader - kRecordFooter) break;
    for (std::size_t i = 0; i < kStepEnd - kStepAt; ++i) {
      const std::uint64_t byte = bytes[kRecordHeader + kStepAt + i];
      step |= (byte & 0x7F) << 7 * i;
      if (byte < 0x80) break;
    }
    if (static_cast<std::int64_t>(step) > lastStep) break;
    end += kRecordHeader + length + kRecordFooter;
  }
  return end;
}

}  // namespace likeness::workspace
