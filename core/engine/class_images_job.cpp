// The class-images request as a job of its own: load, complete the set, report figures.
#include "core/base/clock.h"
#include "core/base/machine.h"
#include "core/data/class_images.h"
#include "core/engine/jobs.h"
#include "core/generate/load_model.h"

namespace likeness::engine {

using namespace api;
using base::Clock;
using base::secondsSince;

Result<base::JobResult> makeClassImages(const ClassImagesRequest& request,
                                        const std::filesystem::path& resources,
                                        base::Reporter& reporter) {
  const auto start = Clock::now();
  reporter.stage(Stage::LoadModel);
  const auto model =
      generate::loadModel(request.base, {}, {}, request.compute, resources, reporter.stop());
  if (!model) return fail(model.error());
  if (model->stopped()) return base::JobResult{true, {}, {}};
  const double loadSeconds = secondsSince(start);

  const auto generateStart = Clock::now();
  auto set = data::makeClassImages(request, model->model, model->dtype, reporter);
  if (!set) return fail(set.error());
  const double seconds = secondsSince(generateStart);
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
       {"peak_rss_mib", base::peakRssMiB()}}};
}

}  // namespace likeness::engine
