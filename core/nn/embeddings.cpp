#include "core/nn/embeddings.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

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

/// In the encoder's token table's type and device.
at::Tensor asRows(const at::Tensor& vectors, const Network<ClipTextModel>& encoder) {
  return (vectors.dim() == 1 ? vectors.unsqueeze(0) : vectors)
      .to(encoder.store->device(), encoder.store->dtype());
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
  const std::int64_t before = learned.count();
  for (const std::string& word : embedding->words) {
    if (std::ranges::any_of(learned.words, [&](const auto& known) { return known.word == word; }))
      return bad("its word \"" + word + "\" is that of another embedding, too; rename the file");
    learned.words.push_back({word, before, embedding->count});
  }
  const auto tensors = tensor::loadSafetensors(embedding->file.path());
  if (!tensors) return api::fail(tensors.error());
  learned.first.push_back(asRows(tensors->at(embedding->first), model.textEncoder));
  if (model.isXl())
    learned.second.push_back(asRows(tensors->at(embedding->second), model.textEncoder2));
  return {};
}

}  // namespace embeddings

api::Result<void> addEmbeddings(StableDiffusion& model,
                                const std::vector<std::filesystem::path>& files) {
  for (const auto& file : files)
    if (auto added = embeddings::add(model, file); !added) return added;
  return {};
}

tensor::StateDict learnWord(StableDiffusion& model,
                            const std::string& word,
                            std::int64_t vectors,
                            const std::string& initialWord) {
  const auto begin = [&](const Network<ClipTextModel>& encoder,
                         const text::ClipTokenizer& tokenizer) {
    const auto tokens = tokenizer.encode(initialWord);
    std::vector<std::int64_t> ids;
    for (std::size_t i = 0; i < static_cast<std::size_t>(vectors); ++i)
      ids.push_back(tokens.empty() ? tokenizer.endId() : tokens[i % tokens.size()]);
    const at::Tensor table =
        encoder.store->parameters().at("text_model.embeddings.token_embedding.weight").detach();
    return at::index_select(table, 0, at::tensor(ids).to(table.device()))
        .to(at::kFloat)
        .requires_grad_(true);
  };
  LearnedWords& learned = model.learned;
  learned.words.push_back({word, learned.count(), vectors});
  const at::Tensor& first = learned.first.emplace_back(begin(model.textEncoder, model.tokenizer));
  if (!model.isXl()) return {{word, first}};
  const at::Tensor& second =
      learned.second.emplace_back(begin(model.textEncoder2, model.tokenizer2));
  return {{"clip_l", first}, {"clip_g", second}};
}

api::Result<void> addWord(StableDiffusion& model,
                          const std::filesystem::path& file,
                          const std::string& word) {
  const auto tensors = tensor::loadSafetensors(file);
  if (!tensors) return api::fail(tensors.error());
  const auto vectors = [&](const std::string& key, const Network<ClipTextModel>& encoder) {
    const auto found = tensors->find(key);
    const bool fit = found != tensors->end() && found->second.dim() == 2 &&
                     found->second.size(1) == encoder.model->config().hiddenSize;
    return fit ? found->second : at::Tensor();
  };
  const at::Tensor first = vectors(model.isXl() ? "clip_l" : word, model.textEncoder),
                   second = model.isXl() ? vectors("clip_g", model.textEncoder2) : first;
  if (!first.defined() || !second.defined() || first.size(0) != second.size(0))
    return api::fail(api::ErrorCode::BadAdapter,
                     {{"file", file.string()},
                      {"reason", "it holds no vectors of \"" + word + "\" for this model"}});
  model.learned.words.push_back({word, model.learned.count(), first.size(0)});
  model.learned.first.push_back(embeddings::asRows(first, model.textEncoder));
  if (model.isXl()) model.learned.second.push_back(embeddings::asRows(second, model.textEncoder2));
  return {};
}

}  // namespace likeness::nn
