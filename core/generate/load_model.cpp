// Resolve, load, attach.
#include "core/generate/load_model.h"

#include "core/nn/adapters.h"
#include "core/nn/embeddings.h"
#include "core/tensor/device.h"

namespace likeness::generate {

api::Result<LoadedModel> loadModel(const api::ModelRef& ref,
                                   const std::vector<api::AdapterRef>& adapters,
                                   const std::vector<std::string>& embeddings,
                                   const api::ComputeOptions& compute,
                                   const std::filesystem::path& resources,
                                   std::stop_token stop) {
  auto files = workspace::resolveModel(ref, resources);
  if (!files) return api::fail(files.error());
  const auto device = tensor::chooseDevice(compute.device);
  if (!device) return api::fail(device.error());
  tensor::setThreads(compute.threads);

  nn::LoadOptions options;
  const auto dtype = tensor::choosePrecision(compute, *device);
  if (!dtype) return api::fail(dtype.error());
  options.dtype = *dtype;
  // Autoencoders overflow in fp16.
  options.vaeDtype = *dtype == at::kHalf ? at::kFloat : *dtype;
  options.device = *device;
  auto model = nn::loadStableDiffusion(files->files, options, stop);
  if (!model) return api::fail(model.error());
  LoadedModel loaded{std::move(*files), std::move(*model), options.dtype};
  if (loaded.stopped()) return loaded;

  if (!ref.hash.empty() && !loaded.files.run && ref.hash != loaded.model.weightHash) {
    return api::fail(api::ErrorCode::ModelMismatch,
                     {{"file", loaded.files.files.path.string()},
                      {"tensors", "its weights are not those that were recorded"}});
  }
  std::vector<api::AdapterRef> all = adapters;
  if (!loaded.files.adapterFile.empty()) all.insert(all.begin(), {loaded.files.adapterFile, 1.0});
  for (const auto& [file, strength] : all) {
    if (auto attached = nn::attachAdapterFile(loaded.model, file, strength); !attached) {
      return api::fail(attached.error());
    }
  }
  for (const auto& [word, file] : loaded.files.words)
    if (auto added = nn::addWord(loaded.model, file, word); !added) return api::fail(added.error());
  if (auto added = nn::addEmbeddings(loaded.model, {embeddings.begin(), embeddings.end()}); !added)
    return api::fail(added.error());
  return loaded;
}

}  // namespace likeness::generate
