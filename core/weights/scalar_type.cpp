// Names and sizes of the format's scalar types.
#include <array>

#include "core/weights/safetensors.h"

namespace likeness::weights {
namespace {

struct ScalarTypeRow {
  std::string_view name;
  std::size_t bits;
};
// Indexed by ScalarType.
constexpr std::array<ScalarTypeRow, 22> rows{{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};

}  // namespace

std::string_view name(ScalarType type) { return rows[static_cast<std::size_t>(type)].name; }

std::size_t bits(ScalarType type) { return rows[static_cast<std::size_t>(type)].bits; }

std::optional<ScalarType> scalarType(std::string_view name) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i].name == name) return static_cast<ScalarType>(i);
  return {};
}

}  // namespace likeness::weights
