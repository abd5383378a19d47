// Reads and checks --initial-latents.
#include "core/generate/initial_latents.h"

#include <ATen/ops/isfinite.h>

#include "core/tensor/state_dict.h"

namespace likeness::generate {
namespace {

std::string text(at::IntArrayRef shape) {
  std::string out;
  for (const std::int64_t size : shape) out += (out.empty() ? "" : ", ") + std::to_string(size);
  return "[" + out + "]";
}

}  // namespace

api::Result<at::Tensor> readInitialLatents(const std::filesystem::path& file,
                                           at::IntArrayRef shape) {
  const auto bad = [&](std::string reason) {
    return api::fail(api::ErrorCode::FileUnreadable,
                     {{"file", file.string()}, {"reason", std::move(reason)}});
  };
  const auto tensors = tensor::loadSafetensors(file, at::kFloat);
  if (!tensors) return api::fail(tensors.error());
  const auto found = tensors->find("latents");
  if (found == tensors->end()) return bad("it holds no tensor called \"latents\"");
  const at::Tensor& latents = found->second;
  if (!latents.is_floating_point())
    return bad("its tensor \"latents\" does not hold floating-point numbers");
  if (latents.sizes() != shape) {
    return bad("its tensor \"latents\" has the shape " + text(latents.sizes()) +
               ", but this request needs [pictures, channels, height, width] = " + text(shape));
  }
  if (!at::isfinite(latents).all().item<bool>())
    return bad("its tensor \"latents\" holds NaN or infinity");
  return latents;
}

}  // namespace likeness::generate
