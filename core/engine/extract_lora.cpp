#include "core/engine/extract_lora.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>

#include "core/base/file_system.h"
#include "core/engine/whole_model.h"
#include "core/engine/write_lora.h"
#include "core/nn/low_rank.h"
#include "core/tensor/state_dict.h"

namespace likeness::engine {

using namespace api;
using weights::NetworkKind;

namespace {

constexpr NetworkKind kNetworks[] = {
    NetworkKind::UNet, NetworkKind::TextEncoder, NetworkKind::TextEncoder2};

/// One is the other, rounded.
bool sameUpToRounding(const at::Tensor& a, const at::Tensor& b) {
  return at::equal(a, b.to(a.scalar_type())) || at::equal(b, a.to(b.scalar_type()));
}

/// The layer whose weight this is; empty for biases, norms and embeddings.
std::string layerOf(const std::string& key, const at::Tensor& weight) {
  constexpr std::string_view suffix = ".weight";
  if (!key.ends_with(suffix) || (weight.dim() != 2 && weight.dim() != 4) ||
      key.find(".embeddings.") != std::string::npos)
    return {};
  return key.substr(0, key.size() - suffix.size());
}

/// The change of a layer at `alpha` over `rank`, which all layers have, also those of a lower rank.
nn::LoraModule moduleOf(const at::Tensor& change, std::int64_t rank, double alpha, double& norm2) {
  const nn::LowRank factors = nn::lowRank(change.flatten(1), rank);
  norm2 = factors.norm2;
  const std::int64_t own = factors.down.size(0);
  const double scale = alpha / static_cast<double>(rank), each = 1 / std::sqrt(scale);
  std::vector<std::int64_t> down = change.sizes().vec(), up(down.size(), 1);
  down[0] = own, up[0] = change.size(0), up[1] = own;
  nn::LoraModule module{factors.down.mul(each).reshape(down), factors.up.mul(each).reshape(up)};
  module.alpha = scale * static_cast<double>(own);
  return module;
}

std::map<std::string, std::string> metadataOf(const ExtractRequest& request,
                                              const weights::StoredModel& base,
                                              const weights::StoredModel& tuned) {
  const std::string side = std::to_string(base.resolution());
  return {{"modelspec.title", request.out.stem().string()},
          {"modelspec.prediction_type", std::string(weights::modelSpecName(base.prediction.type))},
          {"modelspec.resolution", side + "x" + side},
          {"ss_training_comment",
           "extracted from " + tuned.path.filename().string() + " beside " +
               base.path.filename().string()}};
}

}  // namespace

Result<base::JobResult> extractLora(const ExtractRequest& request,
                                    const std::filesystem::path& resources,
                                    base::Reporter& reporter) {
  std::error_code error;
  if (std::filesystem::exists(request.out, error)) return fail(base::alreadyThere(request.out));
  reporter.stage(Stage::LoadModel);
  const auto base = openWhole(request.base, resources);
  if (!base) return fail(base.error());
  const auto tuned = openWhole(request.tuned, resources);
  if (!tuned) return fail(tuned.error());
  const weights::StoredModel &before = base->stored, &after = tuned->stored;
  if (auto same = requireSameTensors(before, after, kNetworks); !same) return fail(same.error());

  const double alpha = request.alpha > 0 ? request.alpha : static_cast<double>(request.rank);
  nn::Lora lora;
  lora.family = before.family;
  lora.metadata = metadataOf(request, before, after);
  std::uint64_t done = 0, total = 0;
  for (const NetworkKind kind : kNetworks)
    if (const auto network = before.networks.find(kind); network != before.networks.end())
      for (const auto& [key, tensor] : network->second.tensors)
        total += tensor.info.end - tensor.info.begin;
  double whole = 0, kept = 0, outside = 0;
  std::int64_t equal = 0;
  ByteProgress next(reporter, Stage::Export);
  for (const NetworkKind kind : kNetworks) {
    const auto network = before.networks.find(kind);
    if (network == before.networks.end()) continue;
    for (const auto& [key, stored] : network->second.tensors) {
      if (!next(done, total)) return base::JobResult{true, {}, {}};
      done += stored.info.end - stored.info.begin;
      auto from = tensor::loadStored(stored);
      if (!from) return fail(from.error());
      const weights::StoredTensor& other = after.networks.at(kind).tensors.at(key);
      auto to = tensor::loadStored(other);
      if (!to) return fail(to.error());
      if (sameUpToRounding(*from, *to)) {
        ++equal;
        continue;
      }
      const at::Tensor change = to->to(at::kFloat).sub_(*from);
      from = to = at::Tensor();
      const double norm = at::linalg_vector_norm(change, 2, {}, false, at::kDouble).item<double>(),
                   norm2 = norm * norm;
      if (!std::isfinite(norm2))
        return fail(ErrorCode::BadModelFile,
                    {{"file", other.file->path().string()},
                     {"reason",
                      "the difference to " + stored.file->path().string() + " in \"" + key +
                          "\" is not finite"}});
      whole += norm2;
      const std::string layer = layerOf(key, change);
      if (layer.empty()) {
        outside += norm2;
        continue;
      }
      double part = 0;
      lora.modules.emplace(weights::AdapterTarget{kind, layer},
                           moduleOf(change, request.rank, alpha, part));
      kept += part;
    }
  }
  if (lora.modules.empty())
    return fail(
        ErrorCode::BadCombination,
        {{"reason",
          whole > 0 ? "The two models differ in biases, norms and embeddings alone, which a "
                      "LoRA does not hold"
                    : "The two models have the same UNet and the same text encoders"},
         {"fix", "Name the model that was trained, and the one that it was trained from"}});
  const double extractSeconds = next.seconds();
  auto figures = writeLora(lora, request.form, request.out, request.dtype, reporter);
  if (!figures) return fail(figures.error());
  const Figures own = {{"rank", request.rank},
                       {"alpha", alpha},
                       {"kept", kept / whole},
                       {"outside", outside / whole},
                       {"equal", equal},
                       {"extract_s", extractSeconds}};
  figures->insert(figures->begin(), own.begin(), own.end());
  return base::JobResult{false, {request.out}, std::move(*figures)};
}

}  // namespace likeness::engine
