#include "core/nn/encode_text.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

namespace likeness::nn {
namespace encode_text {

std::size_t lengthOf(const Network<ClipTextModel>& encoder) {
  return static_cast<std::size_t>(encoder.model->config().maxPositionEmbeddings);
}

at::Tensor idsFor(const Network<ClipTextModel>& encoder,
                  const text::ClipTokenizer& tokenizer,
                  const std::vector<std::string>& prompts,
                  const LearnedWords& learned) {
  const std::size_t length = lengthOf(encoder);
  at::Tensor ids = at::empty(
      {static_cast<std::int64_t>(prompts.size()), static_cast<std::int64_t>(length)}, at::kLong);
  auto* row = ids.mutable_data_ptr<std::int64_t>();
  for (const std::string& prompt : prompts)
    row = std::ranges::copy(text::tokenizePrompt(
                                tokenizer, prompt, api::PromptSyntax::Plain, length, learned.words)
                                .chunks.front()
                                .ids,
                            row)
              .out;
  return ids.to(encoder.store->device());
}

/// [1, tokens, D] times the weights of the tokens, brought back to its mean.
at::Tensor weighted(const at::Tensor& states, const text::PromptChunk& chunk) {
  if (!chunk.isWeighted()) return states;
  const at::Tensor before = states.to(at::kFloat);
  const at::Tensor after = before * at::tensor(chunk.weights).unsqueeze(1).to(states.device());
  return (after * (before.mean() / after.mean())).to(states.scalar_type());
}

using Read = ClipTextModel::XlOutput;

Read read(const StableDiffusion& model,
          const Network<ClipTextModel>& encoder,
          const text::ClipTokenizer& tokenizer,
          const at::Tensor& ids,
          const EncodeOptions& options) {
  const auto& [dtype, clipSkip] = options;
  const bool isFirst = &encoder == &model.textEncoder;
  const auto& words = isFirst ? model.learned.first : model.learned.second;
  const at::Tensor learned = words.empty()       ? at::Tensor()
                             : words.size() == 1 ? words.front()
                                                 : at::cat(words);
  if (!model.isXl()) return {encoder.model->forward(ids, dtype, clipSkip, learned), {}};
  return encoder.model->forwardXl(ids, tokenizer.endId(), dtype, clipSkip, learned);
}

/// What `readBy` makes with each encoder and its tokenizer, side by side.
template <class ReadBy>
Conditioning joinEncoders(const StableDiffusion& model, ReadBy readBy) {
  const Read first = readBy(model.textEncoder, model.tokenizer);
  if (!model.isXl()) return first.states;
  const Read second = readBy(model.textEncoder2, model.tokenizer2);
  return {at::cat({first.states, second.states}, 2), second.pooled};
}

}  // namespace encode_text

TokenIds tokenIds(const StableDiffusion& model, const std::vector<std::string>& prompts) {
  TokenIds ids{encode_text::idsFor(model.textEncoder, model.tokenizer, prompts, model.learned), {}};
  if (model.isXl())
    ids.second = encode_text::idsFor(model.textEncoder2, model.tokenizer2, prompts, model.learned);
  return ids;
}

Conditioning encodeText(const StableDiffusion& model,
                        const TokenIds& ids,
                        const EncodeOptions& options) {
  return encode_text::joinEncoders(model, [&](const auto& encoder, const auto& tokenizer) {
    const bool isFirst = &encoder == &model.textEncoder;
    return encode_text::read(model, encoder, tokenizer, isFirst ? ids.first : ids.second, options);
  });
}

text::PromptTokens promptTokens(const StableDiffusion& model,
                                std::string_view prompt,
                                api::PromptSyntax syntax) {
  return text::tokenizePrompt(model.tokenizer,
                              prompt,
                              syntax,
                              encode_text::lengthOf(model.textEncoder),
                              model.learned.words);
}

Conditioning encodePrompt(const StableDiffusion& model,
                          std::string_view prompt,
                          api::PromptSyntax syntax,
                          const EncodeOptions& options,
                          std::int64_t chunks) {
  using namespace encode_text;
  return joinEncoders(model, [&](const auto& encoder, const auto& tokenizer) {
    const std::size_t length = lengthOf(encoder);
    auto tokens =
        text::tokenizePrompt(tokenizer, prompt, syntax, length, model.learned.words).chunks;
    const auto empty = text::tokenizePrompt(tokenizer, {}, syntax, length).chunks.front();
    tokens.resize(std::max(tokens.size(), static_cast<std::size_t>(chunks)), empty);
    std::vector<at::Tensor> parts;
    at::Tensor pooled;
    for (const text::PromptChunk& chunk : tokens) {
      const at::Tensor ids = at::tensor(chunk.ids).unsqueeze(0).to(encoder.store->device());
      const Read part = read(model, encoder, tokenizer, ids, options);
      if (parts.empty()) pooled = part.pooled;
      parts.push_back(weighted(part.states, chunk));
    }
    return Read{at::cat(parts, 1), pooled};
  });
}

}  // namespace likeness::nn
