#include "core/train/gradient_exchange.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <numeric>
#include <string_view>

namespace likeness::train {
namespace {

/// More would only take memory: a network that is slower than the backward pass stays so.
constexpr std::size_t kUnderWay = 4;

/// The backward pass comes along these parts of keys in this order, in each from the last key to
/// the first. Only speed depends on it.
constexpr std::string_view kPassed[] = {".conv_out.",
                                        ".conv_norm_out.",
                                        ".up_blocks.",
                                        ".mid_block.",
                                        ".down_blocks.",
                                        "unet.",
                                        "text_encoder"};

std::vector<std::size_t> passedOrder(const std::vector<Trainable>& parameters) {
  const auto place = [&](std::size_t i) {
    return std::ranges::find_if(kPassed, [&](std::string_view part) {
      return parameters[i].key.find(part) != std::string::npos;
    });
  };
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  std::ranges::stable_sort(order, {}, place);
  return order;
}

}  // namespace

GradientExchange::GradientExchange(const Optimizer& optimizer, Ranks& ranks)
    : m_parameters(optimizer.parameters()),
      m_order(passedOrder(m_parameters)),
      m_ranks(ranks),
      m_bucketOf(m_parameters.size()),
      m_hooks(m_parameters, [this](std::size_t parameter) { ready(parameter); }) {}

void GradientExchange::begin(std::int64_t step) {
  m_buckets.clear();
  m_present.assign(m_parameters.size(), 0);
  m_sent = m_arrived = 0;
  m_isLast = false;
  m_result = {};
  const std::int64_t most = m_ranks.bucketBytes() / static_cast<std::int64_t>(sizeof(float));
  for (const std::size_t i : m_order) {
    if (!m_parameters[i].isTrained(step)) continue;
    const std::int64_t numbers = m_parameters[i].value.numel();
    if (m_buckets.empty() || m_buckets.back().numbers + numbers > most) m_buckets.emplace_back();
    m_bucketOf[i] = m_buckets.size() - 1;
    m_buckets.back().parameters.push_back(i);
    m_buckets.back().numbers += numbers;
  }
}

void GradientExchange::beginPass(bool isLast) {
  m_isLast = isLast;
  m_isReady.assign(m_parameters.size(), false);
  for (Bucket& bucket : m_buckets) bucket.missing = bucket.parameters.size();
}

void GradientExchange::ready(std::size_t parameter) {
  if (!m_isLast) return;
  TORCH_CHECK(
      !m_isReady[parameter], "the gradient of ", m_parameters[parameter].key, " came in two parts");
  m_isReady[parameter] = true;
  --m_buckets[m_bucketOf[parameter]].missing;
  while (m_sent < m_buckets.size() && m_buckets[m_sent].missing == 0) send();
}

void GradientExchange::send() {
  const at::NoGradGuard noGradients;
  Bucket& bucket = m_buckets[m_sent++];
  if (!m_result) return;
  bucket.flat = at::empty(
      {bucket.numbers}, m_parameters[bucket.parameters.front()].value.options().dtype(at::kFloat));
  std::int64_t offset = 0;
  for (const std::size_t i : bucket.parameters) {
    const at::Tensor& gradient = m_parameters[i].value.grad();
    const at::Tensor part = partOf(bucket, i, offset);
    m_present[i] = gradient.defined() ? 1 : 0;
    if (gradient.defined())
      part.copy_(gradient);
    else
      part.zero_();
  }
  bucket.wait = m_ranks.beginSum(bucket.flat);
  if (m_sent - m_arrived > kUnderWay) arrive();
}

void GradientExchange::arrive() {
  const at::NoGradGuard noGradients;
  Bucket& bucket = m_buckets[m_arrived++];
  if (!m_result || !bucket.wait) return;
  m_result = bucket.wait();
  if (!m_result) return;
  std::int64_t offset = 0;
  for (const std::size_t i : bucket.parameters) {
    const at::Tensor& value = m_parameters[i].value;
    const at::Tensor sum = value.grad().defined() ? value.grad() : at::empty_like(value.detach());
    sum.copy_(partOf(bucket, i, offset));
    bucket.sums.push_back(sum);
  }
  bucket.flat.reset();
}

/// The numbers of a parameter, from `offset`, which goes on to the next one's.
at::Tensor GradientExchange::partOf(const Bucket& bucket,
                                    std::size_t parameter,
                                    std::int64_t& offset) const {
  const at::Tensor& value = m_parameters[parameter].value;
  const at::Tensor part = bucket.flat.narrow(0, offset, value.numel()).view(value.sizes());
  offset += value.numel();
  return part;
}

void GradientExchange::keepWhatWasSent() {
  while (m_arrived < m_sent) arrive();
}

api::Result<void> GradientExchange::end() {
  m_isLast = false;
  while (m_sent < m_buckets.size()) send();
  // In this order: it is noticed here when a rank is lost, before anything waits on a GPU.
  if (m_result) m_result = m_ranks.sum(m_present);
  keepWhatWasSent();
  if (m_result)
    for (const Bucket& bucket : m_buckets)
      for (std::size_t k = 0; k < bucket.parameters.size(); ++k) {
        const std::size_t i = bucket.parameters[k];
        m_parameters[i].value.mutable_grad() = m_present[i] > 0 ? bucket.sums[k] : at::Tensor();
      }
  m_buckets.clear();
  return m_result;
}

}  // namespace likeness::train
