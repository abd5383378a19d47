#include "core/engine/merge_models.h"

#include <cstdio>

#include "core/base/file_system.h"
#include "core/engine/whole_model.h"
#include "core/tensor/state_dict.h"

namespace likeness::engine {

using namespace api;
using weights::NetworkKind;

namespace {

/// A sum of a model that predicts noise and one that predicts velocity predicts neither.
Result<void> requireSamePrediction(const weights::StoredModel& a, const weights::StoredModel& b) {
  using weights::Certainty;
  if (a.prediction.type == b.prediction.type || a.prediction.certainty == Certainty::Guessed ||
      b.prediction.certainty == Certainty::Guessed)
    return {};
  const auto says = [](const weights::StoredModel& model) {
    using enum weights::PredictionType;
    const auto type = model.prediction.type;
    return model.path.string() + " predicts " +
           (type == Epsilon       ? "noise"
            : type == VPrediction ? "velocity"
                                  : "the picture itself");
  };
  return fail(
      ErrorCode::BadCombination,
      {{"reason", says(a) + " and " + says(b)}, {"fix", "Take two models of the same prediction"}});
}

/// What a single file says of itself; the titles and hashes of the first model are not its own.
std::map<std::string, std::string> metadataOf(const MergeRequest& request,
                                              const std::vector<WholeModel>& models) {
  std::string sources;
  for (const WholeModel& model : models)
    sources += (sources.empty() ? "" : ", ") + model.stored.path.filename().string();
  return {{"modelspec.title", request.out.stem().string()}, {"modelspec.merged_from", sources}};
}

}  // namespace

Result<base::JobResult> mergeModels(const MergeRequest& request,
                                    const std::filesystem::path& resources,
                                    base::Reporter& reporter) {
  std::error_code error;
  if (std::filesystem::exists(request.out, error)) return fail(base::alreadyThere(request.out));
  reporter.stage(Stage::LoadModel);
  std::vector<ModelRef> refs = {request.a, request.b};
  if (request.c) refs.push_back(*request.c);
  std::vector<WholeModel> models;
  const double x = request.ratio;
  char ratio[32];
  std::snprintf(ratio, sizeof ratio, "%.17g", x);
  std::string note = "merged " + std::string(enumName(request.method)) + " " + ratio + "\n";
  for (const ModelRef& ref : refs) {
    auto model = openWhole(ref, resources);
    if (!model) return fail(model.error());
    note += filesOf(model->stored);
    models.push_back(std::move(*model));
  }
  constexpr NetworkKind all[] = {
      NetworkKind::UNet, NetworkKind::TextEncoder, NetworkKind::TextEncoder2, NetworkKind::Vae};
  const weights::StoredModel& first = models.front().stored;
  for (std::size_t i = 1; i < models.size(); ++i)
    if (auto same = requireSameTensors(first, models[i].stored, all); !same)
      return fail(same.error());
  // A difference of two is one of the same kind.
  const bool sum = request.method == MergeMethod::Weighted;
  if (auto same = requireSamePrediction(sum ? first : models[2].stored, models[1].stored); !same)
    return fail(same.error());

  const auto make = [&](NetworkKind kind, const std::string& key) -> Result<at::Tensor> {
    const auto load = [&](std::size_t i) {
      return tensor::loadStored(models[i].stored.networks.at(kind).tensors.at(key));
    };
    auto a = load(0);
    if (!a || !a->is_floating_point() || x == 0) return a;
    auto b = load(1);
    if (!b || (sum && x == 1)) return b;
    // In place, and what was read is let go: two fp32 tensors are the most.
    a = a->to(at::kFloat);
    if (sum) return a->mul_(1 - x).add_(*b, x);
    b = b->to(at::kFloat);
    const auto c = load(2);
    if (!c) return c;
    return a->add_(b->sub_(*c), x);
  };
  return writeWhole(models.front(),
                    {request.form,
                     request.dtype,
                     request.shardMiB,
                     request.out,
                     note,
                     metadataOf(request, models)},
                    make,
                    reporter);
}

}  // namespace likeness::engine
