// LoRA, LoHa, LoKr and DoRA as changes of a weight.
#include "core/nn/weight_change.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/kron.h>
#include <ATen/ops/mm.h>

#include <array>

namespace likeness::nn {
namespace weight_change {

using Part = weights::AdapterPart;

/// sum over p and q of left[p, o] core[p, q, window] right[q, i] -> [o, i, window]
at::Tensor aroundCore(const at::Tensor& core, const at::Tensor& left, const at::Tensor& right) {
  return at::einsum("pqw,po,qi->oiw", {core.flatten(2), left, right});
}

/// left right, or the same around a core; [out, in * window] or [out, in, window].
at::Tensor product(const AdapterParts& parts, Part core, Part left, Part right) {
  const at::Tensor a = parts.at(left).flatten(1), b = parts.at(right).flatten(1);
  const auto found = parts.find(core);
  return found == parts.end() ? a.mm(b) : aroundCore(found->second, a, b);
}

}  // namespace weight_change

at::Tensor weightChange(weights::AdapterKind kind,
                        const AdapterParts& parts,
                        at::IntArrayRef weight) {
  using namespace weight_change;
  switch (kind) {
    case weights::AdapterKind::Lora: {
      const at::Tensor up = parts.at(Part::Up).flatten(1), down = parts.at(Part::Down).flatten(1);
      const auto core = parts.find(Part::Mid);
      return (core == parts.end() ? up.mm(down) : aroundCore(core->second, up.t(), down))
          .reshape(weight);
    }
    case weights::AdapterKind::Loha:
      return product(parts, Part::HadaT1, Part::HadaW1A, Part::HadaW1B)
          .mul(product(parts, Part::HadaT2, Part::HadaW2A, Part::HadaW2B))
          .reshape(weight);
    case weights::AdapterKind::Lokr:
      break;
  }
  const auto whole = [&](Part one) { return parts.find(one); };
  const auto w1 = whole(Part::LokrW1), w2 = whole(Part::LokrW2);
  const at::Tensor first =
      w1 != parts.end() ? w1->second : parts.at(Part::LokrW1A).mm(parts.at(Part::LokrW1B));
  const at::Tensor second =
      w2 != parts.end() ? w2->second : product(parts, Part::LokrT2, Part::LokrW2A, Part::LokrW2B);
  const std::int64_t rows = weight[0] / first.size(0), columns = weight[1] / first.size(1);
  return at::kron(first.unsqueeze(2), second.reshape({rows, columns, -1})).reshape(weight);
}

at::Tensor decomposedChange(const at::Tensor& weight,
                            const at::Tensor& change,
                            const at::Tensor& magnitude,
                            bool ofColumns) {
  const at::Tensor sum = weight + change;
  std::vector<std::int64_t> others, one(static_cast<std::size_t>(sum.dim()), 1);
  for (std::int64_t i = 0; i < sum.dim(); ++i)
    if (i != (ofColumns ? 1 : 0)) others.push_back(i);
  one[ofColumns ? 1 : 0] = -1;
  // A row of zeros has no direction; it stays zero.
  const at::Tensor norm = sum.norm(2, others, /*keepdim=*/true).clamp_min(1e-30);
  return sum.mul(magnitude.reshape(one).div(norm)).sub(weight);
}

}  // namespace likeness::nn
