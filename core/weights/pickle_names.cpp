// Tables.
#include "core/weights/pickle_names.h"

#include <algorithm>

namespace likeness::weights::pickle {

Function function(std::string_view global) {
  constexpr std::pair<std::string_view, Function> rows[] = {
      {"collections.OrderedDict", Function::Dictionary},
      {"collections.defaultdict", Function::Dictionary},
      {"torch.Size", Function::Size},
      {"torch._utils._rebuild_tensor", Function::TensorV1},
      {"torch._utils._rebuild_tensor_v2", Function::TensorV2},
      {"torch._utils._rebuild_tensor_v3", Function::TensorV3},
      {"torch._utils._rebuild_parameter", Function::Parameter},
      {"torch._utils._rebuild_parameter_with_state", Function::Parameter},
      {"torch._tensor._rebuild_from_type_v2", Function::TensorWithState}};
  for (const auto& [name, value] : rows)
    if (name == global) return value;
  return Function::None;
}

bool isHarmless(std::string_view module, std::string_view name) {
  constexpr std::string_view plainTypes[] = {"set",
                                             "frozenset",
                                             "list",
                                             "dict",
                                             "tuple",
                                             "int",
                                             "float",
                                             "complex",
                                             "bool",
                                             "str",
                                             "bytes",
                                             "bytearray",
                                             "object",
                                             "slice",
                                             "range",
                                             "long",
                                             "unicode"};
  if (module == "builtins" || module == "__builtin__")
    return std::ranges::find(plainTypes, name) != std::end(plainTypes);
  constexpr std::pair<std::string_view, std::string_view> single[] = {
      {"_codecs", "encode"},
      {"copyreg", "_reconstructor"},
      {"copy_reg", "_reconstructor"},
      {"argparse", "Namespace"}};
  if (std::ranges::find(single, std::pair(module, name)) != std::end(single)) return true;
  constexpr std::string_view packages[] = {"torch",
                                           "numpy",
                                           "pytorch_lightning",
                                           "lightning",
                                           "lightning_fabric",
                                           "lightning_utilities",
                                           "omegaconf",
                                           "collections",
                                           "datetime",
                                           "pathlib",
                                           "typing",
                                           "enum",
                                           "torchvision",
                                           "transformers",
                                           "diffusers",
                                           "accelerate",
                                           "peft",
                                           "ldm",
                                           "sgm",
                                           "taming",
                                           "open_clip",
                                           "k_diffusion",
                                           "bitsandbytes",
                                           "deepspeed",
                                           "easydict",
                                           "__main__"};
  return std::ranges::find(packages, module.substr(0, module.find('.'))) != std::end(packages);
}

std::optional<Storage> storageClass(std::string_view global) {
  for (const std::string_view place : {"torch.cuda.", "torch.storage.", "torch."})
    if (global.starts_with(place)) {
      global.remove_prefix(place.size());
      break;
    }
  constexpr std::pair<std::string_view, ScalarType> rows[] = {
      {"FloatStorage", ScalarType::F32},
      {"HalfStorage", ScalarType::F16},
      {"BFloat16Storage", ScalarType::BF16},
      {"DoubleStorage", ScalarType::F64},
      {"LongStorage", ScalarType::I64},
      {"IntStorage", ScalarType::I32},
      {"ShortStorage", ScalarType::I16},
      {"CharStorage", ScalarType::I8},
      {"ByteStorage", ScalarType::U8},
      {"BoolStorage", ScalarType::Bool},
      {"ComplexFloatStorage", ScalarType::C64}};
  for (const auto& [name, type] : rows)
    if (name == global) return Storage{{}, type, 0};
  if (global == "UntypedStorage") return Storage{};
  return {};
}

std::optional<ScalarType> torchType(std::string_view global) {
  constexpr std::pair<std::string_view, ScalarType> rows[] = {
      {"torch.float8_e4m3fn", ScalarType::F8E4M3},
      {"torch.float8_e5m2", ScalarType::F8E5M2},
      {"torch.float8_e4m3fnuz", ScalarType::F8E4M3FNUZ},
      {"torch.float8_e5m2fnuz", ScalarType::F8E5M2FNUZ},
      {"torch.float8_e8m0fnu", ScalarType::F8E8M0},
      {"torch.uint16", ScalarType::U16},
      {"torch.uint32", ScalarType::U32},
      {"torch.uint64", ScalarType::U64}};
  for (const auto& [name, type] : rows)
    if (name == global) return type;
  return {};
}

}  // namespace likeness::weights::pickle
