// The class-images request as a job of its own: load, complete the set, report figures.
#include <chrono>

#include "core/data/class_images.h"
#include "core/engine/jobs.h"
#include "core/nn/adapters.h"
#include "core/tensor/device.h"
#include "core/workspace/resolve_model.h"

namespace likeness::engine {

using namespace api;
using Clock = std::chrono::steady_clock;

Result<base::JobResult> makeClassImages(const ClassImagesRequest& request,
                                        const std::filesystem::path& resources,
                                        base::Reporter& reporter) {
  const auto start = Clock::now();
  reporter.stage(Stage::LoadModel);
  const auto device = tensor::chooseDevice(request.compute.device);
  if (!device) return fail(device.error());
  tensor::setThreads(request.compute.threads);
  const auto resolved = workspace::resolveModel(request.base, resources);
  if (!resolved) return fail(resolved.error());
  nn::LoadOptions options;
  options.device = *device;
  options.unetFile = resolved->unetFile;
  options.textEncoderFile = resolved->textEncoderFile;
  auto model = nn::loadStableDiffusion(resolved->folder, options, reporter.stop());
  if (!model) return fail(model.error());
  if (reporter.stop().stop_requested()) return base::JobResult{true, {}, {}};
  if (!resolved->adapterFile.empty())
    if (const auto attached = nn::attachAdapterFile(*model, resolved->adapterFile, 1); !attached)
      return fail(attached.error());
  const double loadSeconds = std::chrono::duration<double>(Clock::now() - start).count();

  const auto dtype =
      tensor::chooseDType(request.compute.dtype, *device, model->unet.store->parameterCount());
  const auto generateStart = Clock::now();
  auto set = data::makeClassImages(request, *model, dtype, reporter);
  if (!set) return fail(set.error());
  const double seconds = std::chrono::duration<double>(Clock::now() - generateStart).count();
  std::vector<std::string> names;
  for (const auto& file : set->files) names.push_back(file.string());
  return base::JobResult{
      set->cancelled,
      set->files,
      {{"load_s", loadSeconds},
       {"generate_s", seconds},
       {"per_image_s", set->made > 0 ? seconds / static_cast<double>(set->made) : 0.0},
       {"made", set->made},
       {"folder", set->folder.string()},
       {"files", std::move(names)},
       {"peak_rss_mib", tensor::peakRssMiB()}}};
}

}  // namespace likeness::engine
