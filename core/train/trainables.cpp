// From a recipe to leaves that want gradients.
#include "core/train/trainables.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "core/api/subjects.h"
#include "core/nn/adapters.h"
#include "core/nn/embeddings.h"
#include "core/weights/trainable_tensors.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/recipe.h"

namespace likeness::train {

using api::Method;
using weights::NetworkKind;

namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

struct Steps {
  std::int64_t from = 0, until = kForever;
};

/// Where every network of a model is.
struct Part {
  NetworkKind network;
  nn::ParameterStore* store;
  std::function<bool(const std::string&)> isUsed;  ///< whether anything depends on the parameter
};
std::vector<Part> partsOf(nn::StableDiffusion& model) {
  std::vector<Part> parts{{NetworkKind::UNet, model.unet.store.get(), {}}};
  for (const auto& [network, encoder] : {std::pair(NetworkKind::TextEncoder, &model.textEncoder),
                                         std::pair(NetworkKind::TextEncoder2, &model.textEncoder2)})
    if (encoder->model)
      parts.push_back({network,
                       encoder->store.get(),
                       [isXl = model.isXl(), clip = encoder->model](const std::string& key) {
                         return !isXl || clip->isReadByXl(key);
                       }});
  return parts;
}

/// How many characters have to be put in, left out or exchanged.
std::size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t before = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j)
      before = std::exchange(row[j + 1],
                             std::min({row[j] + 1, row[j + 1] + 1, before + (a[i] != b[j])}));
  }
  return row.back();
}

/// The three parts of keys, of as many words as the one that was asked for, that are nearest to it.
std::string nearNames(const std::string& asked, const weights::TensorShapes& tensors) {
  const auto words = std::ranges::count(asked, '.') + 1;
  std::set<std::pair<std::size_t, std::string>> near;
  for (const auto& [key, shape] : tensors)
    for (std::size_t begin = 0; begin < key.size();) {
      std::size_t end = begin;
      for (std::ptrdiff_t i = 0; i < words && end != std::string::npos; ++i)
        end = key.find('.', end + (i > 0));
      const std::string part = key.substr(begin, end - begin);
      if (std::ranges::count(part, '.') + 1 == words) near.emplace(editDistance(asked, part), part);
      const std::size_t next = key.find('.', begin);
      begin = next == std::string::npos ? key.size() : next + 1;
    }
  std::string text;
  std::size_t count = 0;
  for (const auto& [distance, name] : near)
    if (count++ < 3) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Trainables markTrainable(nn::StableDiffusion& model, const api::TrainRequest& recipe) {
  const api::TrainingOptions& training = recipe.training;
  const auto partOfRun = [&](double part) {
    return static_cast<std::int64_t>(std::llround(part * static_cast<double>(training.steps)));
  };
  Trainables marked;
  const auto mark = [&](const std::string& key,
                        const at::Tensor& tensor,
                        double rate,
                        Steps steps) {
    marked.parameters.push_back({key, tensor.requires_grad_(true), rate, steps.from, steps.until});
  };
  const bool wordAlone = training.method == Method::TextualInversion;
  const std::int64_t wordUntil = wordAlone                      ? kForever
                                 : recipe.embedding.vectors > 0 ? partOfRun(recipe.embedding.part)
                                                                : 0;
  const Steps ofUnet{wordUntil, kForever},
      ofText{wordUntil,
             training.textEncoderStop < 1 ? partOfRun(training.textEncoderStop) : kForever};
  marked.textUntil = wordUntil;
  const bool adapts = training.method == Method::Lora;
  for (const Part& part : partsOf(model)) {
    const std::string name(weights::folderName(part.network));
    const bool isText = weights::isText(part.network);
    const Steps steps = isText ? ofText : ofUnet;
    const double rate = isText   ? training.textEncoderLearningRate
                        : adapts ? recipe.lora.learningRate
                                 : training.learningRate;
    const std::size_t before = marked.parameters.size();
    if (adapts) {
      for (const auto& [key, leaf] : nn::attachLora(*part.store,
                                                    recipe.lora,
                                                    static_cast<std::uint64_t>(training.seed),
                                                    part.network,
                                                    part.isUsed)) {
        mark("adapter." + name + "." + key, leaf, rate, steps);
        marked.weights["adapter"].emplace(name + "." + key, leaf);
      }
    } else {
      for (const auto& [key, tensor] : part.store->parameters())
        if (workspace::isTrainedInFull(recipe, part.network, key) &&
            (!part.isUsed || part.isUsed(key)))
          mark(name + "." + key, tensor, rate, steps);
      if (marked.parameters.size() > before) marked.weights[name] = part.store->parameters();
    }
    if (isText && marked.parameters.size() > before)
      marked.textUntil = std::max(marked.textUntil, steps.until);
  }
  if (adapts)
    marked.metadata =
        nn::peftMetadata(nn::loraOf(marked.weights["adapter"], nn::adapterScale(recipe.lora)));
  if (wordUntil == 0) return marked;
  const auto subjects = api::subjectsOf(recipe);
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    const api::SubjectOptions& words = subjects[i].subject;
    const std::string& initial = recipe.embedding.initialWord;
    const std::string part = workspace::wordPart(i);
    auto& leaves = marked.weights[part];
    leaves = nn::learnWord(
        model, words.token, recipe.embedding.vectors, initial.empty() ? words.classWord : initial);
    for (const auto& [key, leaf] : leaves)
      mark(part + "." + key, leaf, recipe.embedding.learningRate, {0, wordUntil});
  }
  return marked;
}

api::Result<void> checkLayerNames(const api::TrainRequest& recipe,
                                  const nn::UNet2DConditionConfig& unet) {
  const bool adapts = recipe.training.method == Method::Lora;
  const weights::TensorShapes tensors = weights::networkTensors(unet);
  for (const std::string& asked : adapts ? recipe.lora.targets : recipe.training.layers) {
    api::TrainRequest one = recipe;
    one.training.layers = one.lora.targets = {asked};
    one.lora.convRank = 0;
    const bool known = std::ranges::any_of(tensors, [&](const auto& tensor) {
      const std::string& key = tensor.first;
      constexpr std::string_view weight = ".weight";
      return adapts ? key.ends_with(weight) && tensor.second.size() > 1 &&
                          weights::adapterRank(NetworkKind::UNet,
                                               key.substr(0, key.size() - weight.size()),
                                               one.lora) > 0
                    : workspace::isTrainedInFull(one, NetworkKind::UNet, key);
    });
    if (!known)
      return api::fail(api::ErrorCode::BadCombination,
                       {{"reason", "This model has no layer \"" + asked + "\""},
                        {"fix", "Near are " + nearNames(asked, tensors)}});
  }
  return {};
}

}  // namespace likeness::train
