// Large pictures in tiles: near the whole, and without an edge where tiles meet.
#include "core/nn/tiled_autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <gtest/gtest.h>

#include "core/base/file_system.h"
#include "core/nn/stable_diffusion.h"
#include "core/tensor/random_tensor.h"

namespace likeness::nn {
namespace {

class TiledAutoencoder : public testing::Test {
 protected:
  static const AutoencoderKL& vae() {
    static const StableDiffusion model =
        loadStableDiffusion({base::findResources() / "starter"}, {}).value();
    return *model.vae.model;
  }
  /// Latents of a smooth, coloured picture, larger than tall.
  static at::Tensor latents() {
    const at::Tensor noise = tensor::normal({1, 3, 5, 7}, base::Random(3, base::Purpose::Test));
    const at::Tensor pixels =
        at::upsample_bicubic2d(noise, {320, 448}, false).mul(0.6).clamp(-1, 1);
    return vae().encode(pixels).mean * vae().config().scalingFactor;
  }
  /// The largest mean step between neighbouring columns and rows of `x`.
  static double steepest(const at::Tensor& x) {
    const auto along = [&](std::int64_t dim) {
      return x.diff(1, dim).abs().mean(at::IntArrayRef{0, 1, 5 - dim}).max().item<double>();
    };
    return std::max(along(2), along(3));
  }
  const at::NoGradGuard noGradients;
};

TEST_F(TiledAutoencoder, DecodesWithoutASeam) {
  const at::Tensor z = latents(), whole = vae().decode(z), tiled = decodePictures(vae(), z, 0, 24);
  EXPECT_EQ(tiled.sizes(), whole.sizes());
  const at::Tensor difference = tiled - whole;
  EXPECT_LT(difference.abs().mean().item<double>(), 0.03);
  EXPECT_GT(difference.abs().max().item<double>(), 0) << "tiles were used";
  // The range is 2, so this is a step of three quarters of a grey level between neighbours. At the
  // picture's own border, which no tile shares, the tones of tile and whole are told apart more.
  EXPECT_LT(steepest(difference.narrow(2, 8, 304).narrow(3, 8, 432)), 1.5 / 255);
}

TEST_F(TiledAutoencoder, EncodesNearTheWhole) {
  const at::Tensor pixels = vae().decode(latents()).clamp(-1, 1);
  const at::Tensor whole = vae().encode(pixels).mean, tiled = encodePictures(vae(), pixels, 0, 24);
  EXPECT_EQ(tiled.sizes(), whole.sizes());
  EXPECT_LT(((tiled - whole).norm() / whole.norm()).item<double>(), 0.1);
}

TEST_F(TiledAutoencoder, OneTileIsTheAutoencoderItself) {
  const at::Tensor z = latents();
  EXPECT_TRUE(decodePictures(vae(), z, 0, 1000).allclose(vae().decode(z), 1e-5, 1e-5));
  EXPECT_TRUE(decodePictures(vae(), z).equal(vae().decode(z)));
  // Sides that no number of tiles divides.
  EXPECT_EQ(decodePictures(vae(), z.narrow(2, 0, 19).narrow(3, 0, 37), 0, 8).size(3),
            37 * vae().config().factor());
}

}  // namespace
}  // namespace likeness::nn
