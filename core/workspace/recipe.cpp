// Automatic values and comparison of recipes.
#include "core/workspace/recipe.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <set>

namespace likeness::workspace {
namespace {

/// Below these distances watching would cost more than a tenth of the time. Said in the options'
/// help.
constexpr std::int64_t kSampleDistance = 50, kProbeDistance = 40;

std::int64_t partOfRun(std::int64_t steps, std::int64_t parts, std::int64_t atLeast) {
  return std::max((steps + parts - 1) / parts, atLeast);
}

/// Options by dotted key, without those that may differ between two sessions of a run.
std::map<std::string, api::FieldValue> decisiveOptions(const api::TrainRequest& request) {
  const std::set<std::string> free{"training.steps",
                                   "training.passesPerPhoto",
                                   "compute.device",
                                   "compute.threads",
                                   "compute.memoryLimit",
                                   "subject.subjectName"};
  const api::Method method = request.training.method;
  const bool lora = method == api::Method::Lora, full = method == api::Method::Full;
  std::map<std::string, api::FieldValue> options;
  api::forEachSection(request, [&]<class S>(const std::string& section, const S& values) {
    if (section == "watch" || section == "checkpoints" || (section == "lora" && !lora)) return;
    for (const api::Field<S>& field : api::fields<S>()) {
      const std::string key = section + "." + std::string(field.key);
      if (!free.contains(key)) options.emplace(key, field.get(values));
    }
  });
  for (std::size_t i = 0; i < request.furtherSubjects.size(); ++i) {
    const std::string place = "furtherSubjects[" + std::to_string(i) + "].";
    const api::FurtherSubject& further = request.furtherSubjects[i];
    for (const auto& field : api::fields<api::SubjectOptions>())
      if (field.key != "subjectName")
        options.emplace(place + "subject." + std::string(field.key), field.get(further.subject));
    if (request.prior.classImages > 0)
      options.emplace(place + "classFolder", further.classFolder.string());
  }
  // Options that this method does not look at.
  const auto ignore = [&](std::initializer_list<const char*> keys) {
    for (const char* key : keys) options.erase(key);
  };
  if (!full) ignore({"training.learningRate", "training.trainTextEncoder", "training.layers"});
  if (!trainsTextEncoder(request))
    ignore({"training.textEncoderLearningRate", "training.textEncoderStop"});
  if (request.lora.kind != api::LoraKind::Lokr) ignore({"lora.lokrFactor"});
  if (request.embedding.vectors == 0)
    ignore({"embedding.initialWord", "embedding.embeddingLearningRate"});
  if (request.embedding.vectors == 0 || method == api::Method::TextualInversion)
    ignore({"embedding.embeddingPart"});
  if (!request.data.buckets) ignore({"data.bucketStep"});
  if (request.data.cropJitter == 0 && request.data.colorJitter == 0) ignore({"data.augmentations"});
  if (request.prior.classImages == 0)
    std::erase_if(options, [](const auto& option) {
      return option.first.starts_with("prior.") && option.first != "prior.classImages";
    });
  return options;
}

}  // namespace

bool trainsTextEncoder(const api::TrainRequest& request) {
  switch (request.training.method) {
    case api::Method::Full:
      return request.training.trainTextEncoder;
    case api::Method::Lora:
      return request.lora.textEncoder;
    case api::Method::TextualInversion:
      return false;
  }
  return false;
}

bool isTrainedInFull(const api::TrainRequest& recipe,
                     weights::NetworkKind network,
                     const std::string& key) {
  if (recipe.training.method != api::Method::Full) return false;
  if (weights::isText(network)) return recipe.training.trainTextEncoder;
  const auto& layers = recipe.training.layers;
  return layers.empty() || std::ranges::any_of(layers, [&](const std::string& part) {
           return key.find(part) != std::string::npos;
         });
}

api::TrainRequest completeRecipe(const api::TrainRequest& request, std::int64_t modelResolution) {
  api::TrainRequest r = request;
  r.training.steps = api::plannedSteps(request);
  if (r.training.resolution == 0) r.training.resolution = modelResolution;
  // Only where it counts: a recipe that is complete must still be a valid one.
  if (r.training.textEncoderLearningRate == 0 && trainsTextEncoder(r))
    r.training.textEncoderLearningRate = api::effectiveLearningRate(r);
  if (r.training.method == api::Method::TextualInversion) {
    if (r.embedding.vectors == 0) r.embedding.vectors = 1;
    // Pictures of the class say nothing of a word that their caption does not hold.
    r.prior.classImages = 0;
  }
  // Of several subjects each begins as its own class.
  if (r.embedding.vectors > 0 && r.embedding.initialWord.empty() && r.furtherSubjects.empty())
    r.embedding.initialWord = r.subject.classWord;
  if (r.lora.alpha == 0) r.lora.alpha = static_cast<double>(r.lora.rank);
  if (r.watch.sampleEvery == 0)
    r.watch.sampleEvery = partOfRun(r.training.steps, 10, kSampleDistance);
  if (r.watch.probeEvery == 0) r.watch.probeEvery = partOfRun(r.training.steps, 20, kProbeDistance);
  return r;
}

std::string firstDifference(const api::TrainRequest& a, const api::TrainRequest& b) {
  const auto first = decisiveOptions(a), second = decisiveOptions(b);
  for (const auto& [key, value] : first)
    if (const auto found = second.find(key); found == second.end() || found->second != value)
      return key;
  for (const auto& [key, value] : second)
    if (!first.contains(key)) return key;
  return {};
}

}  // namespace likeness::workspace
