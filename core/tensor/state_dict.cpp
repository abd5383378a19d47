// Safetensors files <-> named tensors.
#include "core/tensor/state_dict.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/weights/pickle_copy.h"

namespace likeness::tensor {
namespace {

struct TypePair {
  weights::ScalarType file;
  at::ScalarType tensor;
};
constexpr TypePair typePairs[] = {
    {weights::ScalarType::Bool, at::kBool},
    {weights::ScalarType::U8, at::kByte},
    {weights::ScalarType::I8, at::kChar},
    {weights::ScalarType::F8E5M2, at::kFloat8_e5m2},
    {weights::ScalarType::F8E4M3, at::kFloat8_e4m3fn},
    {weights::ScalarType::F8E8M0, at::kFloat8_e8m0fnu},
    {weights::ScalarType::F8E4M3FNUZ, at::kFloat8_e4m3fnuz},
    {weights::ScalarType::F8E5M2FNUZ, at::kFloat8_e5m2fnuz},
    {weights::ScalarType::I16, at::kShort},
    {weights::ScalarType::U16, at::kUInt16},
    {weights::ScalarType::F16, at::kHalf},
    {weights::ScalarType::BF16, at::kBFloat16},
    {weights::ScalarType::I32, at::kInt},
    {weights::ScalarType::U32, at::kUInt32},
    {weights::ScalarType::F32, at::kFloat},
    {weights::ScalarType::C64, at::kComplexFloat},
    {weights::ScalarType::F64, at::kDouble},
    {weights::ScalarType::I64, at::kLong},
    {weights::ScalarType::U64, at::kUInt64},
};

at::ScalarType savedType(const at::Tensor& tensor, std::optional<at::ScalarType> dtype) {
  return dtype && tensor.is_floating_point() ? *dtype : tensor.scalar_type();
}

/// An empty tensor of a file's type and shape.
api::Result<at::Tensor> emptyOf(const std::filesystem::path& file,
                                const std::string& name,
                                const weights::TensorInfo& info) {
  const auto type = tensorType(info.dtype);
  if (!type)
    return api::fail(api::ErrorCode::BadModelFile,
                     {{"file", file.string()},
                      {"reason",
                       "tensor \"" + name + "\" has the dtype " +
                           std::string(weights::name(info.dtype)) + ", which is not supported"}});
  return at::empty(info.shape, *type);
}

std::span<std::byte> bytesOf(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

}  // namespace

api::Result<StateDict> loadSafetensors(const std::filesystem::path& file,
                                       std::optional<at::ScalarType> dtype,
                                       std::stop_token stop) {
  const auto opened = weights::openWeights(file);
  if (!opened) return api::fail(opened.error());
  StateDict tensors;
  for (const auto& [name, info] : opened->tensors()) {
    if (stop.stop_requested()) return StateDict{};
    const auto tensor = emptyOf(file, name, info);
    if (!tensor) return api::fail(tensor.error());
    if (auto result = opened->read(info, bytesOf(*tensor)); !result)
      return api::fail(result.error());
    tensors.emplace(name, tensor->to(savedType(*tensor, dtype)));
  }
  return tensors;
}

api::Result<at::Tensor> loadStored(const weights::StoredTensor& stored) {
  auto tensor = emptyOf(stored.file->path(), "", stored.info);
  if (!tensor) return tensor;
  if (auto result = stored.read(bytesOf(*tensor)); !result) return api::fail(result.error());
  return tensor;
}

std::optional<at::ScalarType> tensorType(weights::ScalarType type) {
  const auto* row = std::ranges::find(typePairs, type, &TypePair::file);
  return row == std::end(typePairs) ? std::optional<at::ScalarType>() : row->tensor;
}

weights::ScalarType fileType(at::ScalarType type) {
  const auto* row = std::ranges::find(typePairs, type, &TypePair::tensor);
  TORCH_CHECK(row != std::end(typePairs), "no safetensors dtype for ", type);
  return row->file;
}

weights::TensorSource tensorSource(const std::string& name,
                                   const at::Tensor& tensor,
                                   std::optional<at::ScalarType> dtype) {
  const at::ScalarType type = savedType(tensor, dtype);
  // Converted here, not before: one tensor's worth of extra memory at most.
  const auto produce = [tensor, type](const auto& sink) {
    const at::Tensor data = tensor.detach().to(at::kCPU, type).contiguous();
    return sink(std::span(static_cast<const std::byte*>(data.const_data_ptr()), data.nbytes()));
  };
  return {name, fileType(type), tensor.sizes().vec(), produce};
}

api::Result<weights::WrittenFile> saveSafetensors(
    const std::filesystem::path& file,
    const StateDict& tensors,
    const std::map<std::string, std::string>& metadata,
    std::optional<at::ScalarType> dtype) {
  std::vector<weights::TensorSource> sources;
  for (const auto& [name, tensor] : tensors) sources.push_back(tensorSource(name, tensor, dtype));
  return weights::writeSafetensors(file, std::move(sources), metadata);
}

}  // namespace likeness::tensor
