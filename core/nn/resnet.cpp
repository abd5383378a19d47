// Residual blocks and resampling.
#include "core/nn/resnet.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/upsample_nearest2d.h>

namespace likeness::nn {

ResnetBlock2D::ResnetBlock2D(const Weights& w,
                             std::int64_t in,
                             std::int64_t out,
                             std::int64_t timeChannels,
                             std::int64_t groups,
                             double eps)
    : m_checkpoint(w),
      m_norm1(w / "norm1", groups, in, eps),
      m_conv1(w / "conv1", in, out, 3, 1, 1),
      m_norm2(w / "norm2", groups, out, eps),
      m_conv2(w / "conv2", out, out, 3, 1, 1) {
  if (timeChannels > 0) m_timeEmbProj.emplace(w / "time_emb_proj", timeChannels, out);
  if (in != out) m_convShortcut.emplace(w / "conv_shortcut", in, out, 1);
}

at::Tensor ResnetBlock2D::operator()(const at::Tensor& input,
                                     const at::Tensor& activatedTime) const {
  return m_checkpoint(input, activatedTime, [this](const at::Tensor& x, const at::Tensor& time) {
    at::Tensor h = m_conv1(m_norm1.thenSilu(x));
    if (m_timeEmbProj) h = h + (*m_timeEmbProj)(time).unsqueeze(-1).unsqueeze(-1);
    h = m_conv2(m_norm2.thenSilu(h));
    return (m_convShortcut ? (*m_convShortcut)(x) : x) + h;
  });
}

Downsample2D::Downsample2D(const Weights& w, std::int64_t channels, bool symmetric)
    : m_symmetric(symmetric), m_conv(w / "conv", channels, channels, 3, 2, symmetric ? 1 : 0) {}

at::Tensor Downsample2D::operator()(const at::Tensor& x) const {
  return m_conv(m_symmetric ? x : at::constant_pad_nd(x, {0, 1, 0, 1}));
}

Upsample2D::Upsample2D(const Weights& w, std::int64_t channels)
    : m_conv(w / "conv", channels, channels, 3, 1, 1) {}

at::Tensor Upsample2D::operator()(const at::Tensor& x,
                                  std::int64_t height,
                                  std::int64_t width) const {
  return m_conv(at::upsample_nearest2d(x, at::IntArrayRef{height, width}));
}

}  // namespace likeness::nn
