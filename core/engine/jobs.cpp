#include "core/engine/jobs.h"

#include "core/engine/bench.h"
#include "core/engine/convert_model.h"
#include "core/engine/export_run.h"
#include "core/engine/extract_lora.h"
#include "core/engine/merge_models.h"
#include "core/generate/generate.h"
#include "core/train/train.h"

namespace likeness::engine {

using namespace api;

Result<base::JobResult> runJob(const Request& request,
                               const std::filesystem::path& resources,
                               base::Reporter& reporter) {
  struct Visitor {
    const std::filesystem::path& resources;
    base::Reporter& reporter;
    Result<base::JobResult> operator()(const TrainRequest& r) const {
      return train::train(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const GenerateRequest& r) const {
      return generate::generate(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const ClassImagesRequest& r) const {
      return makeClassImages(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const ExportRequest& r) const {
      return exportRun(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const ConvertRequest& r) const {
      return convertModel(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const MergeRequest& r) const {
      return mergeModels(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const ExtractRequest& r) const {
      return extractLora(r, resources, reporter);
    }
    Result<base::JobResult> operator()(const BenchRequest& r) const {
      return bench(r, resources, reporter);
    }
  };
  return std::visit(Visitor{resources, reporter}, request);
}

}  // namespace likeness::engine
