// Pictures <-> tensors.
#include "core/tensor/pixels.h"

#include <ATen/ops/empty.h>

#include <cstring>

namespace likeness::tensor {

at::Tensor toTensor(const api::Image& image) {
  TORCH_CHECK(image.format == api::PixelFormat::Rgb8 && !image.empty(),
              "an Rgb8 picture is needed");
  at::Tensor bytes = at::empty({1, image.height, image.width, 3}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), image.data(), bytes.nbytes());
  // torchvision's ToTensor and Normalize(0.5, 0.5), in the same order of operations.
  return bytes.permute({0, 3, 1, 2}).to(at::kFloat).contiguous().div_(255).sub_(0.5).div_(0.5);
}

api::Image toImage(const at::Tensor& pixels) {
  const at::Tensor chw = pixels.dim() == 4 ? pixels.squeeze(0) : pixels;
  TORCH_CHECK(chw.dim() == 3 && chw.size(0) == 3, "pixels must be [3, H, W] or [1, 3, H, W]");
  const at::Tensor bytes = chw.detach()
                               .to(at::kCPU, at::kFloat)
                               .div(2)
                               .add_(0.5)
                               .clamp_(0, 1)
                               .mul_(255)
                               .round_()
                               .to(at::kByte)
                               .permute({1, 2, 0})
                               .contiguous();
  const auto* begin = bytes.const_data_ptr<std::uint8_t>();
  return {static_cast<int>(chw.size(2)),
          static_cast<int>(chw.size(1)),
          api::PixelFormat::Rgb8,
          std::make_shared<const std::vector<std::uint8_t>>(begin, begin + bytes.numel())};
}

}  // namespace likeness::tensor
