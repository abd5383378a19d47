// Files, pixels, noise and devices.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "core/base/file_system.h"
#include "core/base/machine.h"
#include "core/tensor/bf16_check.h"
#include "core/tensor/device.h"
#include "core/tensor/pixels.h"
#include "core/tensor/random_tensor.h"
#include "core/tensor/state_dict.h"

namespace likeness::tensor {
namespace {

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / ("likeness_tensor_" + name);
}

TEST(StateDict, EveryDtypeAndLayoutComesBackBitExact) {
  const at::Tensor values = at::arange(24, at::kFloat).view({2, 3, 2, 2}).mul(0.37).sub(3);
  StateDict tensors;
  for (const auto type : {at::kFloat,
                          at::kDouble,
                          at::kHalf,
                          at::kBFloat16,
                          at::kLong,
                          at::kInt,
                          at::kShort,
                          at::kChar,
                          at::kByte,
                          at::kBool,
                          at::kFloat8_e4m3fn})
    tensors[c10::toString(type)] = values.abs().to(type);
  tensors["channels_last"] = values.contiguous(at::MemoryFormat::ChannelsLast);
  tensors["transposed"] = values.transpose(0, 1);
  tensors["scalar"] = values.sum();
  const auto file = scratch("all.safetensors");
  ASSERT_TRUE(saveSafetensors(file, tensors, {{"format", "pt"}}));
  const auto back = loadSafetensors(file);
  ASSERT_TRUE(back) << api::message(back.error());
  ASSERT_EQ(back->size(), tensors.size());
  for (const auto& [key, tensor] : tensors) {
    const at::Tensor& read = back->at(key);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << key;
    EXPECT_TRUE(read.is_contiguous()) << key;
    EXPECT_TRUE(at::equal(read.to(at::kDouble), tensor.to(at::kDouble))) << key;
  }
}

TEST(StateDict, ConvertsFloatingPointOnly) {
  const StateDict tensors{{"a", at::full({2}, 1.5, at::kFloat)},
                          {"n", at::full({2}, 7, at::kLong)}};
  const auto file = scratch("half.safetensors");
  ASSERT_TRUE(saveSafetensors(file, tensors, {}, at::kHalf));
  EXPECT_EQ(loadSafetensors(file)->at("a").scalar_type(), at::kHalf);
  EXPECT_EQ(loadSafetensors(file)->at("n").scalar_type(), at::kLong);
  const auto wide = loadSafetensors(file, at::kFloat);
  EXPECT_TRUE(at::equal(wide->at("a"), tensors.at("a")));
}

TEST(StateDict, AStopLeavesNothing) {
  const auto file = scratch("stop.safetensors");
  ASSERT_TRUE(saveSafetensors(file, {{"a", at::full({2}, 1.5)}}, {}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(loadSafetensors(file, {}, stop.get_token())->empty());
}

/// Values in no order, of every sign, that no type of 8 bits overflows at.
at::Tensor scattered(at::IntArrayRef shape) {
  return at::arange(c10::multiply_integers(shape), at::kDouble)
      .mul(0.7391)
      .sin()
      .mul(3)
      .view(shape);
}

TEST(LoadNetwork, EveryTypeAndShapeComesAsItsFileHasIt) {
  // One dimension, a matrix, windows, a matrix as windows of one, nothing, one value; the last two
  // are cut into several pieces, of which the last is smaller.
  const std::vector<std::vector<std::int64_t>> shapes{
      {7}, {3, 5}, {4, 3, 3, 3}, {4, 6, 1, 1}, {0, 2}, {}, {1201, 401}, {163, 97, 3, 3}};
  for (const auto from :
       {at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    StateDict tensors;
    for (const auto& shape : shapes)
      tensors.emplace(c10::str(at::IntArrayRef(shape)), scattered(shape).to(from));
    const auto file = scratch("network.safetensors");
    ASSERT_TRUE(saveSafetensors(file, tensors, {}));
    auto opened = weights::SafetensorsFile::open(file);
    ASSERT_TRUE(opened) << api::message(opened.error());
    weights::StoredNetwork network{file, {file}, {}, {}};
    const auto stored = std::make_shared<const weights::SafetensorsFile>(std::move(*opened));
    for (const auto& [key, info] : stored->tensors()) network.tensors[key] = {stored, info};
    const std::string square = c10::str(at::IntArrayRef({3, 5}));
    network.tensors["transposed"] = network.tensors.at(square);
    network.tensors["transposed"].info.shape = {5, 3};
    network.tensors["transposed"].transposed = true;
    tensors["transposed"] = tensors.at(square).t();

    for (const auto to : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
      const auto loaded = loadNetwork(network, to);
      ASSERT_TRUE(loaded) << api::message(loaded.error());
      ASSERT_EQ(loaded->size(), tensors.size());
      for (const auto& [key, tensor] : tensors) {
        SCOPED_TRACE(key + " " + c10::toString(from) + " to " + c10::toString(to));
        const at::Tensor& read = loaded->at(key);
        EXPECT_EQ(read.scalar_type(), to);
        EXPECT_TRUE(at::equal(read, tensor.to(to)));
        EXPECT_TRUE(read.is_contiguous(read.dim() == 4 ? at::MemoryFormat::ChannelsLast
                                                       : at::MemoryFormat::Contiguous));
      }
    }
    std::stop_source stop;
    stop.request_stop();
    EXPECT_TRUE(loadNetwork(network, at::kFloat, stop.get_token())->empty());
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
    const auto cut = loadNetwork(network, at::kFloat);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, api::ErrorCode::FileUnreadable);
  }
}

TEST(Pixels, RoundTripIsExact) {
  auto bytes = std::make_shared<std::vector<std::uint8_t>>();
  for (int i = 0; i < 256 * 3; ++i) bytes->push_back(static_cast<std::uint8_t>(i * 7));
  const api::Image image{16, 16, api::PixelFormat::Rgb8, bytes};
  const at::Tensor tensor = toTensor(image);
  EXPECT_EQ(tensor.sizes(), (at::IntArrayRef{1, 3, 16, 16}));
  EXPECT_FLOAT_EQ(tensor[0][1][0][0].item<float>(), 7 / 127.5F - 1);
  EXPECT_TRUE(toImage(tensor) == image);
  EXPECT_TRUE(toImage(tensor.squeeze(0).contiguous()) == image);
  EXPECT_EQ(toImage(tensor.mul(100)).data()[0], 0) << "clamped";
}

TEST(Pixels, RoundsToTheNearestValue) {
  for (const double level : {0.4, 0.6, 99.4, 99.6, 254.6}) {
    const at::Tensor pixels = at::full({3, 1, 1}, level / 127.5 - 1, at::kDouble);
    EXPECT_EQ(toImage(pixels).data()[0], std::lround(level)) << level;
  }
}

TEST(RandomTensor, ValueDependsOnItsIndexAlone) {
  const base::Random random(3, base::Purpose::Noise, 5, 7);
  const at::Tensor few = normal({3, 5}, random), many = normal({100}, random);
  EXPECT_TRUE(at::equal(few.flatten(), many.narrow(0, 0, 15)));
  EXPECT_FALSE(at::equal(many, normal({100}, base::Random(3, base::Purpose::Noise, 5, 8))));
}

TEST(Devices, TheCpuIsAlwaysThere) {
  const auto devices = listDevices();
  ASSERT_FALSE(devices.empty());
  EXPECT_EQ(devices[0].id, "cpu");
  EXPECT_GT(devices[0].memoryMiB, 100);
  EXPECT_LE(devices[0].freeMiB, devices[0].memoryMiB);
  EXPECT_EQ(chooseDevice("cpu").value(), at::Device(at::kCPU));
  EXPECT_TRUE(chooseDevice("auto"));
  for (const char* missing : {"cuda:99", "tpu", ""}) {
    const auto chosen = chooseDevice(missing);
    ASSERT_FALSE(chosen) << missing;
    EXPECT_EQ(chosen.error().code, api::ErrorCode::DeviceMissing);
  }
}

TEST(Devices, DtypeFollowsTheWishAndTheMachine) {
  const auto chosen = [](api::DType dtype, const at::Device& device) {
    api::ComputeOptions compute;
    compute.dtype = dtype;
    return choosePrecision(compute, device);
  };
  EXPECT_EQ(chosen(api::DType::Fp32, at::kCPU), at::kFloat);
  EXPECT_EQ(chosen(api::DType::Bf16, at::kCPU), at::kBFloat16);
  EXPECT_EQ(chosen(api::DType::Fp16, at::Device("cuda:0")), at::kHalf);
  const auto refused = chosen(api::DType::Fp16, at::kCPU);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, api::ErrorCode::BadCombination);
  const bool fast = base::cpuHasFastBf16() && bf16SelfCheck();
  EXPECT_EQ(chosen(api::DType::Auto, at::kCPU), fast ? at::kBFloat16 : at::kFloat);
}

TEST(Devices, Tf32IsAllowedOnWishAlone) {
  api::ComputeOptions compute;
  for (const bool tf32 : {true, false}) {
    compute.tf32 = tf32;
    ASSERT_TRUE(choosePrecision(compute, at::kCPU));
    EXPECT_EQ(at::globalContext().allowTF32CuBLAS(), tf32);
    EXPECT_EQ(at::globalContext().allowTF32CuDNN(), tf32);
  }
}

TEST(Devices, ThreadsAndMemory) {
  EXPECT_EQ(setThreads(1), 1);
  EXPECT_GE(setThreads(0), 1);
  EXPECT_GT(base::availableMemoryMiB(), 0);
  EXPECT_GT(base::peakRssMiB(), 1);
}

}  // namespace
}  // namespace likeness::tensor
