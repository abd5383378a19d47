// Tensors from one form into the other; what is written is read again and compared.
#include "core/engine/convert_model.h"

#include "core/base/file_system.h"
#include "core/engine/whole_model.h"
#include "core/engine/write_lora.h"
#include "core/tensor/state_dict.h"

namespace likeness::engine {

using namespace api;

namespace {

/// An adapter in the other form.
Result<base::JobResult> convertLora(const ConvertRequest& request, base::Reporter& reporter) {
  const auto lora = nn::readLora(request.model.path);
  if (!lora) return fail(lora.error());
  if (reporter.stop().stop_requested()) return base::JobResult{true, {}, {}};
  const auto figures = writeLora(*lora, request.form, request.out, request.dtype, reporter);
  if (!figures) return fail(figures.error());
  return base::JobResult{false, {request.out}, *figures};
}

}  // namespace

Result<base::JobResult> convertModel(const ConvertRequest& request,
                                     const std::filesystem::path& resources,
                                     base::Reporter& reporter) {
  std::error_code error;
  if (std::filesystem::exists(request.out, error)) return fail(base::alreadyThere(request.out));
  reporter.stage(Stage::LoadModel);
  if (isLora(request.form)) return convertLora(request, reporter);
  const auto model = openWhole(request.model, resources);
  if (!model) return fail(model.error());
  return writeWhole(
      *model,
      {request.form, request.dtype, request.shardMiB, request.out, filesOf(model->stored)},
      [&](weights::NetworkKind kind, const std::string& key) {
        return tensor::loadStored(model->stored.networks.at(kind).tensors.at(key));
      },
      reporter);
}

}  // namespace likeness::engine
