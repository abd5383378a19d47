// Operations: what they make, keep and need meanwhile.
#include "core/workspace/rehearsal.h"

#include <algorithm>
#include <cmath>

#include "core/weights/trainable_tensors.h"
#include "core/workspace/recipe.h"

namespace likeness::workspace {
namespace {

/// As core/nn/functions.cpp: below these output pixels a convolution is a product over its windows,
/// and the gradient of its weight.
constexpr std::int64_t kFewPixels = 256, kFewPixelsForWeight = 1024;
/// As core/nn/fused_functions.cpp: scores of a head up to which bf16 attention keeps them, and what
/// a block of those that are made anew holds.
constexpr std::int64_t kKeptScores = 256 * 256, kBlockScores = 1 << 22;
/// oneDNN lays a convolution's weights out anew at every call; going back, also their gradient, of
/// which each thread but the first has its own.
constexpr std::int64_t kLayouts = 1, kLayoutsBack = 3;

weights::Shape shapeOf(std::int64_t out, std::int64_t in, std::int64_t kernel) {
  if (kernel == 1) return {out, in};
  return {out, in, kernel, kernel};
}

std::shared_ptr<GradientSlot> slotFor(std::int64_t bytes) {
  return std::make_shared<GradientSlot>(GradientSlot{bytes, {}});
}

}  // namespace

// ---- memory

void Pass::Ledger::note() {
  if (live + gradients <= peak) return;
  peak = live + gradients;
  gradientsAtPeak = gradients;
}

Memory Pass::take(std::int64_t bytes) {
  m_ledger->live += bytes;
  m_ledger->note();
  return {new std::int64_t(bytes), [ledger = m_ledger](const std::int64_t* gone) {
            ledger->live -= *gone;
            delete gone;
          }};
}

Ghost Pass::input(const Extent& extent, bool wantsGradient) {
  const std::int64_t bytes = extent.values() * m_options.valueBytes;
  return {extent, take(bytes), wantsGradient && m_options.records ? slotFor(bytes) : nullptr};
}

Ghost Pass::make(const Operation& operation) {
  const std::int64_t bytes = operation.out.values() * m_options.valueBytes;
  if (operation.working > 0) take(operation.working);  // and it is gone
  Ghost result{operation.out, take(bytes), {}};
  m_flops += operation.flops;
  if (!m_options.records) return result;
  Node node;
  for (const Ghost* input : operation.inputs)
    if (input->slot) node.inputs.push_back(input->slot);
  for (const Ghost* input : operation.sharing)
    if (input->slot) node.sharing.push_back(input->slot);
  if (node.inputs.empty() && node.sharing.empty() && operation.weights == 0) return result;
  result.slot = node.output = slotFor(bytes);
  node.kept = operation.keeps;
  node.weights = operation.weights;
  node.working = operation.backwardWorking;
  node.flops = operation.flopsPerInput * static_cast<double>(node.inputs.size()) +
               (operation.weights > 0 ? operation.flopsOfWeights : 0);
  m_tape.push_back(std::move(node));
  return result;
}

/// As autograd sums: in place where nobody else looks at what is there.
void Pass::deposit(GradientSlot& slot, const Memory& gradient) {
  if (!slot.gradient)
    slot.gradient = gradient;
  else if (slot.gradient.use_count() > 1 || *slot.gradient != slot.bytes)
    slot.gradient = take(slot.bytes);
}

void Pass::goBack(std::size_t until) {
  while (m_tape.size() > until) {
    const Node node = std::move(m_tape.back());
    m_tape.pop_back();
    Memory gradient = std::move(node.output->gradient);
    if (!gradient) continue;
    if (node.again) {
      node.again(gradient);
      continue;
    }
    for (const auto& input : node.sharing) deposit(*input, gradient);
    // Part of the gradient of joined tensors: laid out for itself before it is computed with.
    if (!node.inputs.empty() && *gradient != node.output->bytes)
      gradient = take(node.output->bytes);
    const Memory working = node.working > 0 ? take(node.working) : nullptr;
    m_flops += node.flops;
    for (const auto& input : node.inputs) deposit(*input, take(input->bytes));
    const std::int64_t trained = node.weights * m_options.masterBytes;
    // Computed in the type of values before it gets that of the weight.
    if (trained > 0 && m_options.masterBytes != m_options.valueBytes)
      take(node.weights * m_options.valueBytes + trained);
    m_ledger->gradients += trained;
    m_ledger->note();
    if (m_options.stepInBackward) m_ledger->gradients -= trained;
  }
}

void Pass::backward(const Ghost& y) {
  if (!y.slot) return;
  y.slot->gradient = take(y.slot->bytes);
  goBack(0);
}

Ghost Pass::block(const Ghost& x, const Ghost& other, const Block& inside) {
  if (!m_options.records || !m_options.checkpointing) return inside(x, other);
  const auto leaf = [](const Ghost& from) {
    return Ghost{from.extent, from.memory, from.slot ? slotFor(from.slot->bytes) : nullptr};
  };
  const std::size_t before = m_tape.size();
  Ghost y = inside(leaf(x), leaf(other));
  m_tape.resize(before);
  if (!y.slot) return y;
  y.slot = slotFor(y.slot->bytes);
  Node node{y.slot};
  node.again = [=, this](const Memory& gradient) {
    const Ghost first = leaf(x), second = leaf(other);
    const std::size_t start = m_tape.size();
    inside(first, second).slot->gradient = gradient;
    goBack(start);
    for (const auto& [from, to] : {std::pair(first, x), std::pair(second, other)})
      if (from.slot && from.slot->gradient) deposit(*to.slot, from.slot->gradient);
  };
  m_tape.push_back(std::move(node));
  return y;
}

// ---- layers

bool Pass::trains(const std::string& key) const {
  return m_options.recipe && isTrainedInFull(*m_options.recipe, m_network, key);
}

Ghost Pass::linear(const std::string& module, const Ghost& x, std::int64_t out, bool bias) {
  const std::int64_t in = x.extent.channels;
  const bool trained = trains(module + ".weight");
  Extent to = x.extent;
  to.channels = out;
  const double flops = 2.0 * static_cast<double>(to.values()) * static_cast<double>(in);
  const Ghost y = make({.out = to,
                        .inputs = {&x},
                        .keeps = trained ? std::vector{x.memory} : std::vector<Memory>(),
                        .weights = trained ? out * (in + bias) : 0,
                        .flops = flops,
                        .flopsPerInput = flops,
                        .flopsOfWeights = flops});
  return adapted(module, shapeOf(out, in, 1), x, y);
}

Ghost Pass::conv(const std::string& module,
                 const Ghost& x,
                 std::int64_t out,
                 std::int64_t kernel,
                 std::int64_t stride,
                 bool pads) {
  if (kernel == 1) return linear(module, x, out);
  const std::int64_t in = x.extent.channels, window = kernel * kernel * in;
  const bool trained = trains(module + ".weight");
  const auto outputs = [&](std::int64_t side) {
    return (side + (pads ? 2 : 1) - kernel) / stride + 1;
  };
  const Extent to{x.extent.rows, outputs(x.extent.height), outputs(x.extent.width), out};
  const std::int64_t pixels = to.places(), bytes = m_options.valueBytes;
  const std::int64_t windows = pixels * window * bytes, matrix = out * window * bytes;
  const bool products = pixels <= kFewPixels;
  const bool weightByProduct = pixels <= kFewPixelsForWeight;
  const double flops = 2.0 * static_cast<double>(to.values()) * static_cast<double>(window);
  std::int64_t back = products ? windows : kLayouts * matrix;
  if (trained) back = std::max(back, weightByProduct ? windows : kLayoutsBack * matrix);
  const Ghost y = make({.out = to,
                        .inputs = {&x},
                        .keeps = trained ? std::vector{x.memory} : std::vector<Memory>(),
                        .weights = trained ? out * (window + 1) : 0,
                        .working = products ? windows : kLayouts * matrix,
                        .backwardWorking = back,
                        .flops = flops,
                        .flopsPerInput = flops,
                        .flopsOfWeights = flops});
  return adapted(module, shapeOf(out, in, kernel), x, y);
}

Ghost Pass::norm(const std::string& module, const Ghost& x) {
  return make({.out = x.extent,
               .inputs = {&x},
               .keeps = {x.memory},
               .weights = trains(module + ".weight") ? 2 * x.extent.channels : 0});
}

Ghost Pass::activation(const Ghost& x, std::int64_t out, std::int64_t kept) {
  Extent to = x.extent;
  to.channels = out;
  std::vector<Memory> keeps;
  if (kept > 0) keeps.push_back(x.memory);
  for (std::int64_t i = 1; i < kept; ++i) keeps.push_back(take(to.values() * m_options.valueBytes));
  return make({.out = to, .inputs = {&x}, .keeps = std::move(keeps)});
}

Ghost Pass::attention(const Ghost& q, const Ghost& k, const Ghost& v, std::int64_t heads) {
  const std::int64_t queries = q.extent.height * q.extent.width,
                     keys = k.extent.height * k.extent.width, rows = q.extent.rows;
  const double flops = 4.0 * static_cast<double>(q.extent.values()) * static_cast<double>(keys);
  const bool byProducts = m_options.valueBytes == 2;
  const std::int64_t scores = rows * heads * queries * keys;
  const bool kept = queries * keys <= kKeptScores;
  Operation operation{.out = q.extent, .inputs = {&q, &k, &v}, .flops = flops};
  operation.flopsPerInput = flops * (byProducts && kept ? 2 : 2.5) / 3;
  if (byProducts) {  // heads apart, and what each query gives each key
    for (const Ghost* part : {&q, &k, &v})
      operation.keeps.push_back(take(part->extent.values() * m_options.valueBytes));
    const std::int64_t block = 2 * (kept ? scores : std::min(scores, kBlockScores));
    if (kept)
      operation.keeps.push_back(take(block));
    else  // and the gradients of keys and values, summed in fp32
      operation.working = block;
    operation.backwardWorking =
        kept ? block : 2 * block + 4 * (k.extent.values() + v.extent.values());
    return make(operation);
  }
  // The fused one keeps its output, too, and a number for each query.
  operation.keeps = {q.memory, k.memory, v.memory, take(rows * heads * queries * 4)};
  Ghost y = make(operation);
  if (y.slot) m_tape.back().kept.push_back(y.memory);
  return y;
}

Ghost Pass::add(const Ghost& a, const Ghost& b) {
  if (b.extent.places() != a.extent.places())
    return make({.out = a.extent, .inputs = {&b}, .sharing = {&a}});
  return make({.out = a.extent, .sharing = {&a, &b}});
}

Ghost Pass::cat(const Ghost& a, const Ghost& b) {
  Extent to = a.extent;
  to.channels += b.extent.channels;
  return make({.out = to, .sharing = {&a, &b}});
}

Ghost Pass::enlarged(const Ghost& x, std::int64_t height, std::int64_t width) {
  return make({.out = {x.extent.rows, height, width, x.extent.channels}, .inputs = {&x}});
}

Ghost Pass::embedding(const std::string& key, const Extent& extent, std::int64_t count) {
  return make({.out = extent, .weights = trains(key) ? count * extent.channels : 0});
}

// ---- adapters

Ghost Pass::adapted(const std::string& module,
                    const weights::Shape& weight,
                    const Ghost& x,
                    const Ghost& y) {
  const api::TrainRequest* const recipe = m_options.recipe;
  if (!recipe || recipe->training.method != api::Method::Lora) return y;
  const std::int64_t rank = weights::adapterRank(m_network, module, recipe->lora);
  if (rank == 0) return y;
  const weights::TensorShapes parts = weights::adapterShapes(weight, rank, recipe->lora);
  if (recipe->lora.kind == api::LoraKind::Lokr)
    return add(y, activation(kronecker(parts, weight[0], x, y.extent), weight[0], 0));
  Extent inner = y.extent;
  inner.channels = rank;
  const std::int64_t down = weights::elementCount(parts.at("lora_A.weight")),
                     up = weights::elementCount(parts.at("lora_B.weight"));
  Ghost moved;
  if (weight.size() == 2) {  // one operation
    const Memory kept = take(inner.values() * m_options.valueBytes);
    const double flops =
        2.0 * static_cast<double>(y.extent.places()) * static_cast<double>(down + up);
    moved = make({.out = y.extent,
                  .inputs = {&x},
                  .sharing = {&y},
                  .keeps = {x.memory, kept},
                  .weights = down + up,
                  .flops = flops,
                  .flopsPerInput = flops,
                  .flopsOfWeights = flops});
  } else {
    const Ghost outer = product(product(x, inner, rank, down), y.extent, y.extent.channels, up);
    moved = add(y, activation(outer, y.extent.channels, 0));
  }
  if (recipe->lora.kind != api::LoraKind::Dora) return moved;
  return decomposed(moved, weight[0], weights::elementCount(weight));
}

Ghost Pass::product(
    const Ghost& from, Extent to, std::int64_t channels, std::int64_t matrix, double uses) {
  to.channels = channels;
  const double flops = 2.0 * static_cast<double>(to.places()) * uses * static_cast<double>(matrix);
  return make({.out = to,
               .inputs = {&from},
               .keeps = {from.memory},
               .weights = matrix,
               .flops = flops,
               .flopsPerInput = flops,
               .flopsOfWeights = flops});
}

/// DoRA: times a factor for each output, whose norms need a copy of the changed weight.
Ghost Pass::decomposed(const Ghost& y, std::int64_t weights, std::int64_t matrix) {
  const std::int64_t bytes = y.extent.values() * m_options.valueBytes;
  return make({.out = y.extent,
               .inputs = {&y},
               .keeps = {y.memory},
               .weights = weights,
               .working = matrix * 4,
               .backwardWorking = 2 * bytes});
}

/// One factor after the other; between them values change places, which copies them.
Ghost Pass::kronecker(const weights::TensorShapes& parts,
                      std::int64_t out,
                      const Ghost& x,
                      const Extent& to) {
  const weights::Shape& first = parts.at("lokr_w1");
  const std::int64_t m = first[1], k = out / first[0];
  const auto countOf = [&](const char* name) { return weights::elementCount(parts.at(name)); };
  const auto parted = static_cast<double>(m);
  Ghost h =
      parts.contains("lokr_w2")
          ? product(x, to, m * k, countOf("lokr_w2"), parted)
          : product(product(x, to, m * parts.at("lokr_w2_a")[1], countOf("lokr_w2_b"), parted),
                    to,
                    m * k,
                    countOf("lokr_w2_a"),
                    parted);
  h = product(activation(h, m * k, 0), to, out, countOf("lokr_w1"), static_cast<double>(k));
  return activation(h, out, 0);
}

}  // namespace likeness::workspace
