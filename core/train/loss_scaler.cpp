#include "core/train/loss_scaler.h"

#include <ATen/ops/tensor.h>

namespace likeness::train {
namespace {

constexpr const char* kLossScale = "loss_scale";

}  // namespace

bool LossScaler::leavesOut(bool finite) {
  if (!m_on || (!finite && m_scale <= 1)) return false;
  if (!finite) {
    m_scale /= 2;
    m_good = 0;
  } else if (++m_good == m_interval) {
    m_scale *= 2;
    m_good = 0;
  }
  return !finite;
}

void LossScaler::save(tensor::StateDict& state) const {
  if (m_on)
    state.emplace(
        kLossScale,
        at::tensor(std::vector<double>{m_scale, static_cast<double>(m_good)}, at::kDouble));
}

bool LossScaler::load(tensor::StateDict& state) {
  if (!m_on) return true;
  const auto found = state.find(kLossScale);
  if (found == state.end() || found->second.numel() != 2 ||
      found->second.scalar_type() != at::kDouble)
    return false;
  m_scale = found->second[0].item<double>();
  m_good = static_cast<std::int64_t>(found->second[1].item<double>());
  state.erase(found);
  return m_scale >= 1 && m_scale <= 0x1p100 && m_good >= 0 && m_good < m_interval;
}

}  // namespace likeness::train
