// The weight path and the store behind it.
#include "core/nn/weights.h"

#include <ATen/ops/zeros.h>

#include "core/weights/stored_network.h"

namespace likeness::nn {

ParameterStore::ParameterStore(tensor::StateDict source,
                               at::ScalarType dtype,
                               at::Device device,
                               std::string file)
    : m_source(std::move(source)), m_dtype(dtype), m_device(device), m_file(std::move(file)) {}

at::Tensor ParameterStore::take(const std::string& key, at::IntArrayRef shape) {
  TORCH_CHECK(!m_parameters.contains(key), "parameter ", key, " is taken twice");
  const auto found = m_source.find(key);
  if (found == m_source.end()) {
    m_problems.push_back("missing " + key);
  } else if (found->second.sizes() != shape) {
    m_problems.push_back("misshaped " + key + " " + c10::str(found->second.sizes()) +
                         " instead of " + c10::str(shape));
  }
  if (found == m_source.end() || found->second.sizes() != shape) {
    if (found != m_source.end()) m_source.erase(found);
    // Without memory behind it: a hostile config must not allocate.
    return at::zeros({}, m_dtype).expand(shape);
  }
  // Convolution weights stay in channels-last order, the layout their kernels compute in.
  const auto layout =
      shape.size() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  const at::Tensor parameter = found->second.to(m_device, m_dtype).contiguous(layout);
  m_source.erase(found);
  return m_parameters[key] = parameter;
}

std::shared_ptr<AdapterSlot> ParameterStore::takeSlot(const std::string& moduleKey) {
  return m_slots[moduleKey] = std::make_shared<AdapterSlot>();
}

bool ParameterStore::has(const std::string& key) const { return m_source.contains(key); }

api::Result<void> ParameterStore::finish() const {
  std::vector<std::string> problems = m_problems;
  for (const auto& [key, tensor] : m_source) problems.push_back("unknown " + key);
  if (problems.empty()) return {};
  return api::fail(weights::mismatch(m_file, problems));
}

const std::map<std::string, at::Tensor>& ParameterStore::parameters() const { return m_parameters; }

const std::map<std::string, std::shared_ptr<AdapterSlot>>& ParameterStore::slots() const {
  return m_slots;
}

tensor::StateDict ParameterStore::stateDict() const {
  tensor::StateDict tensors;
  for (const auto& [key, parameter] : m_parameters) tensors.emplace(key, parameter.detach());
  return tensors;
}

std::int64_t ParameterStore::parameterCount() const {
  std::int64_t count = 0;
  for (const auto& [key, parameter] : m_parameters) count += parameter.numel();
  return count;
}

Weights Weights::operator/(std::string_view name) const {
  return Weights(*m_store,
                 m_prefix.empty() ? std::string(name) : m_prefix + "." + std::string(name));
}
Weights Weights::operator/(std::int64_t index) const { return *this / std::to_string(index); }

at::Tensor Weights::tensor(std::string_view name, at::IntArrayRef shape) const {
  return m_store->take((*this / name).m_prefix, shape);
}
bool Weights::has(std::string_view name) const { return m_store->has((*this / name).m_prefix); }

std::shared_ptr<AdapterSlot> Weights::slot() const { return m_store->takeSlot(m_prefix); }

}  // namespace likeness::nn
