// Named tensors and their files.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

#include "core/api/result.h"
#include "core/weights/stored_network.h"

namespace likeness::tensor {

/// Tensors by state-dict key, in key order.
using StateDict = std::map<std::string, at::Tensor>;

/// Reads every tensor of a file (.safetensors, or a pickle by its safe copy) with pread straight
/// into its final memory; `dtype` converts
/// floating-point tensors on the way (one tensor's worth of extra memory at most). CPU, contiguous.
/// A stop request, looked at once per tensor, returns an empty dictionary. Errors: FileNotFound,
/// FileUnreadable, BadModelFile.
api::Result<StateDict> loadSafetensors(const std::filesystem::path& file,
                                       std::optional<at::ScalarType> dtype = {},
                                       std::stop_token stop = {});
/// The type in a file of tensors of a type; throws for one that no file can hold.
weights::ScalarType fileType(at::ScalarType type);
/// The type of tensors of a type in a file; empty for one that no tensor has.
std::optional<at::ScalarType> tensorType(weights::ScalarType type);
/// One tensor of a network in the type it is stored in. Errors: FileUnreadable, BadModelFile.
api::Result<at::Tensor> loadStored(const weights::StoredTensor& tensor);
/// A network's tensors by diffusers' key, whatever their files hold, 4 dimensions channels-last; by
/// all threads, nothing allocated beside them; stop and errors as loadSafetensors.
api::Result<StateDict> loadNetwork(const weights::StoredNetwork& network,
                                   at::ScalarType dtype,
                                   std::stop_token stop = {});
/// Writes atomically, converting floating-point tensors to `dtype` one at a time. Any device and
/// memory layout. Errors: FileUnwritable, DiskFull.
api::Result<weights::WrittenFile> saveSafetensors(
    const std::filesystem::path& file,
    const StateDict& tensors,
    const std::map<std::string, std::string>& metadata,
    std::optional<at::ScalarType> dtype = {});
/// A tensor as the writer takes it; bytes are converted when asked for.
weights::TensorSource tensorSource(const std::string& name,
                                   const at::Tensor& tensor,
                                   std::optional<at::ScalarType> dtype = {});

}  // namespace likeness::tensor
