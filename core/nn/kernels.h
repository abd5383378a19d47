// Loops that LibTorch has no fused operator for, on plain memory: group norm with SiLU, GEGLU,
// softmax of attention, and windows of convolutions, forward and backward. Each is compiled for
// AVX-512, AVX2 and the baseline, and the loader picks one. Arithmetic is fp32 (fp64 for double).
#pragma once

#include <cstdint>

namespace likeness::nn::kernels {

/// bfloat16 as its bits: the upper half of a float.
struct Bf16 {
  std::uint16_t bits;
};

/// One picture of a channels-last batch, and the channels [first, first + count) of whole groups in
/// it.
struct GroupNormShape {
  std::int64_t pixels, channels;  ///< of the picture
  std::int64_t first, count;      ///< channels worked on
  std::int64_t groupSize;         ///< channels of a group
  double eps;
  bool silu;  ///< y = silu(norm(x)), else y = norm(x)
};

/// x, y [pixels, channels]; mean, rstd [channels / groupSize] of this picture, written; weight,
/// bias [channels]. `Real` is double for T = double, else float.
template <class T, class Real>
void groupNormForward(const GroupNormShape& shape,
                      const T* x,
                      const Real* weight,
                      const Real* bias,
                      T* y,
                      Real* mean,
                      Real* rstd);
/// dx like x; dWeight, dBias [channels] of this picture, written.
template <class T, class Real>
void groupNormBackward(const GroupNormShape& shape,
                       const T* dy,
                       const T* x,
                       const Real* weight,
                       const Real* bias,
                       const Real* mean,
                       const Real* rstd,
                       T* dx,
                       Real* dWeight,
                       Real* dBias);

/// Rows [a, g] of 2 x size -> a * gelu(g), gelu exact (erf).
template <class T>
void gegluForward(std::int64_t rows, std::int64_t size, const T* x, T* y);
template <class T>
void gegluBackward(std::int64_t rows, std::int64_t size, const T* dy, const T* x, T* dx);

/// Scores of attention, in place: row r of x [rows, size] becomes softmax(scale * row). With
/// `causalRows` L > 0, row r sees only its first r % L + 1 values; the rest become 0.
void softmaxForward(
    std::int64_t rows, std::int64_t size, float scale, std::int64_t causalRows, Bf16* x);
/// dx of the same from p = softmax(...), in place of dp: scale * p * (dp - sum(dp * p)).
void softmaxBackward(std::int64_t rows, std::int64_t size, float scale, const Bf16* p, Bf16* dp);

/// The windows of a square convolution over a channels-last batch. Every output pixel has one row:
/// [kernel, kernel, channels], 0 where it reaches over the border.
struct WindowShape {
  std::int64_t height, width, channels;  ///< of a picture
  std::int64_t outHeight, outWidth;      ///< of its output
  std::int64_t kernel, stride, padding;
};

/// x [N, height, width, channels] -> the rows [first, last) of [N outHeight outWidth, kernel kernel
/// channels]; `rows` is row 0.
template <class T>
void windowsForward(
    const WindowShape& shape, std::int64_t first, std::int64_t last, const T* x, T* rows);
/// The gradient of the pixels [first, last) of x from that of the rows: each pixel sums its places
/// in the windows, in one fixed order.
template <class T>
void windowsBackward(
    const WindowShape& shape, std::int64_t first, std::int64_t last, const T* rows, T* dx);

}  // namespace likeness::nn::kernels
