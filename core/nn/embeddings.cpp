#include "core/nn/embeddings.h"

#include <ATen/ops/cat.h>

#include <algorithm>

#include "core/weights/embedding_file.h"

namespace likeness::nn {
namespace embeddings {

std::string_view modelOfWidth(std::int64_t width) {
  return width == 768    ? "Stable Diffusion 1.x"
         : width == 1024 ? "Stable Diffusion 2.x"
         : width == 1280 ? "Stable Diffusion XL"
                         : "another model";
}

/// Behind the rows that are there, in the encoder's token table's type and device.
void append(at::Tensor& rows, const at::Tensor& more, const Network<ClipTextModel>& encoder) {
  const at::Tensor added = (more.dim() == 1 ? more.unsqueeze(0) : more)
                               .to(encoder.store->device(), encoder.store->dtype());
  rows = rows.defined() ? at::cat({rows, added}) : added;
}

api::Result<void> add(StableDiffusion& model, const std::filesystem::path& path) {
  const auto embedding = weights::openEmbedding(path);
  if (!embedding) return api::fail(embedding.error());
  const auto bad = [&](std::string reason) {
    return api::fail(api::ErrorCode::BadAdapter,
                     {{"file", path.string()}, {"reason", std::move(reason)}});
  };
  const std::int64_t width = model.textEncoder.model->config().hiddenSize,
                     second = model.isXl() ? model.textEncoder2.model->config().hiddenSize : 0;
  if (embedding->width != width || embedding->secondWidth != second)
    return bad("it is an embedding for " +
               (embedding->secondWidth ? "Stable Diffusion XL"
                                       : std::string(modelOfWidth(embedding->width))) +
               ", and the model is of another family");
  LearnedWords& learned = model.learned;
  for (const std::string& word : embedding->words) {
    if (std::ranges::any_of(learned.words, [&](const auto& known) { return known.word == word; }))
      return bad("its word \"" + word + "\" is that of another embedding, too; rename the file");
    learned.words.push_back({word, learned.count(), embedding->count});
  }
  const auto tensors = tensor::loadSafetensors(embedding->file.path());
  if (!tensors) return api::fail(tensors.error());
  append(learned.first, tensors->at(embedding->first), model.textEncoder);
  if (model.isXl()) append(learned.second, tensors->at(embedding->second), model.textEncoder2);
  return {};
}

}  // namespace embeddings

api::Result<void> addEmbeddings(StableDiffusion& model,
                                const std::vector<std::filesystem::path>& files) {
  for (const auto& file : files)
    if (auto added = embeddings::add(model, file); !added) return added;
  return {};
}

}  // namespace likeness::nn
