// Writing a diffusers folder.
#include <cerrno>

#include "core/base/file_system.h"
#include "core/nn/stable_diffusion.h"
#include "core/weights/write_model.h"

namespace likeness::nn {
namespace {

namespace fs = std::filesystem;

/// As diffusers does by default.
constexpr std::uint64_t kShardBytes = 10'000'000'000;

std::vector<weights::TensorSource> sources(const tensor::StateDict& tensors, at::ScalarType dtype) {
  std::vector<weights::TensorSource> all;
  for (const auto& [key, value] : tensors) all.push_back(tensor::tensorSource(key, value, dtype));
  return all;
}

}  // namespace

api::Result<void> saveStableDiffusion(
    const StableDiffusion& model,
    const fs::path& out,
    at::ScalarType dtype,
    const std::map<weights::NetworkKind, tensor::StateDict>& replaced) {
  std::error_code ignored;
  const auto status = fs::symlink_status(out, ignored);
  const bool emptyFolder = fs::is_directory(status) && fs::is_empty(out, ignored);
  if (fs::exists(status) && !emptyFolder) return api::fail(base::writeError(EEXIST, out));
  const fs::path building = base::temporaryName(out);
  if (auto cleared = base::removeAll(building); !cleared) return cleared;
  using enum weights::NetworkKind;
  weights::ModelParts parts = weights::partsOf(model.files);
  const auto add = [&](weights::NetworkKind kind, const ParameterStore& store) {
    const auto other = replaced.find(kind);
    parts.networks.emplace(
        kind, sources(other == replaced.end() ? store.stateDict() : other->second, dtype));
  };
  parts.networks.clear();
  add(TextEncoder, *model.textEncoder.store);
  add(UNet, *model.unet.store);
  add(Vae, *model.vae.store);
  if (model.isXl()) add(TextEncoder2, *model.textEncoder2.store);
  api::Result<void> written;
  const auto always = [](std::uint64_t, std::uint64_t) { return true; };
  if (auto done = weights::writeModelFolder(parts, building, kShardBytes, always); !done)
    written = api::fail(done.error());
  // An empty folder gives way; removing fails when something has come into it meanwhile.
  if (written && emptyFolder)
    if (const int error = base::fileOperations().remove(out))
      written = api::fail(base::writeError(error, out));
  if (written) written = base::renameFolder(building, out);
  if (!written) (void)base::removeAll(building);
  return written;
}

}  // namespace likeness::nn
