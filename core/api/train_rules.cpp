// What makes a training complete and consistent.
#include <algorithm>

#include "core/api/rules.h"
#include "core/api/subjects.h"

namespace likeness::api {
namespace {

using namespace rules;

void checkSubject(Errors& errors, const SubjectOptions& subject, const std::string& prefix) {
  checkClassWord(errors, subject, prefix);
  if (blank(subject.token))
    missing(errors, prefix + "token", "The identifier", "Use a rare short word such as sks");
  else if (subject.token.find_first_of(" \t\r\n{}") != std::string::npos)
    outOfRange(errors,
               prefix + "token",
               "Identifier",
               "\"" + subject.token + "\"",
               "a single word without spaces or braces");
  if (blank(subject.subjectPrompt))
    missing(errors,
            prefix + "subjectPrompt",
            "The photo caption",
            "Write for example: a photo of {subject}");
}

void checkPhotos(Errors& errors, const std::vector<Photo>& photos, const std::string& prefix) {
  if (std::ranges::all_of(photos, &Photo::excluded))
    errors.push_back({prefix + "photos", Error{ErrorCode::NoPhotos, {}, {}}});
  for (std::size_t i = 0; i < photos.size(); ++i) {
    const std::string path = prefix + "photos[" + std::to_string(i) + "]";
    if (photos[i].file.empty())
      missing(errors, path + ".file", "The photo's file", "Name the file or remove the entry");
    if (photos[i].repeats < 1 || photos[i].repeats > 1000)
      outOfRange(errors,
                 path + ".repeats",
                 "Repeats of a photo",
                 std::to_string(photos[i].repeats),
                 "between 1 and 1000");
    if (!photos[i].crop) continue;
    const CropRect& c = *photos[i].crop;
    constexpr double kSlack = 1e-6;
    const bool inside = c.x >= 0 && c.y >= 0 && c.width > 0 && c.height > 0 &&
                        c.x + c.width <= 1 + kSlack && c.y + c.height <= 1 + kSlack;
    if (!inside)
      outOfRange(errors,
                 path + ".crop",
                 "Crop",
                 "[" + number(c.x) + ", " + number(c.y) + ", " + number(c.width) + ", " +
                     number(c.height) + "]",
                 "x, y, width and height as fractions inside the picture");
  }
}

/// CLIP's tokenizer reads capitals as small letters.
std::string asRead(std::string token) {
  std::ranges::transform(token, token.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return token;
}

void checkSubjects(Errors& errors, const TrainRequest& r) {
  const std::vector<FurtherSubject> all = subjectsOf(r);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string place =
        i == 0 ? std::string() : "furtherSubjects[" + std::to_string(i - 1) + "].";
    const SubjectOptions& subject = all[i].subject;
    checkPhotos(errors, all[i].photos, place);
    checkSubject(errors, subject, place + "subject.");
    if (r.prior.classImages > 0) checkClassPrompt(errors, subject, place + "subject.");
    const auto before = all.begin() + static_cast<std::ptrdiff_t>(i);
    if (!blank(subject.token) && std::any_of(all.begin(), before, [&](const auto& other) {
          return asRead(other.subject.token) == asRead(subject.token);
        }))
      contradiction(errors,
                    place + "subject.token",
                    "Two subjects have the identifier \"" + subject.token +
                        "\", so that the model could not tell them apart",
                    "Give each subject a rare short word of its own");
  }
}

void checkTextEncoder(Errors& errors, const TrainRequest& r) {
  const TrainingOptions& t = r.training;
  const bool lora = t.method == Method::Lora;
  const bool trained = lora ? r.lora.textEncoder : t.method == Method::Full && t.trainTextEncoder;
  const std::string turnOn =
      t.method == Method::TextualInversion
          ? "choose another method"
          : std::string("turn ") + (lora ? "loraTextEncoder" : "trainTextEncoder") + " on";
  if (t.textEncoderLearningRate > 0 && !trained)
    contradiction(errors,
                  "training.textEncoderLearningRate",
                  "The text encoder has a learning rate but is not trained",
                  "Set textEncoderLearningRate to 0, or " + turnOn);
  if (t.textEncoderStop < 1 && !trained)
    contradiction(errors,
                  "training.textEncoderStop",
                  "The text encoder is to stop but is not trained",
                  "Set textEncoderStop to 1, or " + turnOn);
}

/// A word that is learned before the weights are.
void checkWord(Errors& errors, const TrainRequest& r) {
  if (r.embedding.vectors == 0 || r.training.method == Method::TextualInversion) return;
  if (!(r.embedding.part > 0 && r.embedding.part < 1))
    outOfRange(errors,
               "embedding.embeddingPart",
               "Word before weights",
               number(r.embedding.part),
               "more than 0 and less than 1, so that both the word and the weights are learned");
  if (!(r.embedding.learningRate > 0))
    outOfRange(errors,
               "embedding.embeddingLearningRate",
               "How strongly the word is learned",
               number(r.embedding.learningRate),
               "greater than 0");
  if (r.training.textEncoderStop <= r.embedding.part)
    contradiction(errors,
                  "training.textEncoderStop",
                  "The text encoder stops before the new word is learned and its turn comes",
                  "Set textEncoderStop above embeddingPart, or turn the text encoder off");
}

/// Options that only one method looks at, or that exclude each other.
void checkMethod(Errors& errors, const TrainRequest& r) {
  const TrainingOptions& t = r.training;
  if (!t.layers.empty() && t.method != Method::Full)
    contradiction(errors,
                  "training.layers",
                  "Trained layers are chosen for the full method alone",
                  "Choose an adapter's layers with targets, or the full method");
  if (r.memory.bf16Weights && t.method != Method::Full)
    contradiction(errors,
                  "memory.bf16Weights",
                  "Only the full method keeps trained weights that could be halved",
                  "Turn it off; frozen weights are halved already where bf16 is fast");
  if (!r.memory.stepInBackward) return;
  if (r.compute.dtype == DType::Fp16)
    contradiction(errors,
                  "memory.stepInBackward",
                  "In fp16 all gradients are looked at before anything is changed",
                  "Compute in bf16 or fp32, or turn stepInBackward off");
  if (t.gradientAccumulation > 1)
    contradiction(errors,
                  "memory.stepInBackward",
                  "Weights are updated before the gradients of several batches could be gathered",
                  "Set gradientAccumulation to 1, or turn stepInBackward off");
  if (t.maxGradNorm > 0)
    contradiction(errors,
                  "memory.stepInBackward",
                  "The gradient limit needs all gradients at once",
                  "Set maxGradNorm to 0, or turn stepInBackward off");
}

/// Kinds that cannot do what another option asks for.
void checkOptimizer(Errors& errors, const TrainRequest& r) {
  const OptimizerOptions& o = r.optimizer;
  const bool prodigy = o.kind == OptimizerKind::Prodigy;
  const bool scheduleFree = o.kind == OptimizerKind::ScheduleFree;
  if (prodigy && effectiveLearningRate(r) < 0.01)
    contradiction(errors,
                  "optimizer.optimizerKind",
                  "Prodigy finds the learning rate itself and takes the given one as a factor, so "
                  "that it would learn next to nothing",
                  "Set the learning rate to 1");
  if (prodigy && r.memory.stepInBackward)
    contradiction(errors,
                  "memory.stepInBackward",
                  "Prodigy's rate depends on all gradients at once",
                  "Turn it off, or choose another optimizer");
  if (r.memory.bf16Weights && (prodigy || scheduleFree))
    contradiction(errors,
                  "memory.bf16Weights",
                  std::string(enumName(o.kind)) + " needs weights in full precision",
                  "Turn it off, or choose adamw, adamw8bit, adafactor or lion");
  if (r.memory.bf16Weights && o.ema > 0)
    contradiction(errors,
                  "optimizer.ema",
                  "An average of bf16 weights would not follow them",
                  "Set ema to 0, or turn bf16Weights off");
  if (scheduleFree && o.ema > 0)
    contradiction(errors,
                  "optimizer.ema",
                  "schedule-free shows an average of its own",
                  "Set ema to 0, or choose another optimizer");
  if (scheduleFree && o.beta1 == 0)
    outOfRange(errors, "optimizer.beta1", "Beta 1", "0", "greater than 0 for schedule-free");
}

void checkLoss(Errors& errors, const TrainRequest& r) {
  const LossOptions& loss = r.loss;
  if (loss.timestepMin >= loss.timestepMax)
    outOfRange(errors,
               "loss.timestepMin",
               "Lowest noise level",
               std::to_string(loss.timestepMin),
               "less than timestepMax, which is " + std::to_string(loss.timestepMax));
  const bool learnsWord = r.training.method == Method::TextualInversion || r.embedding.vectors > 0;
  if (loss.captionDropout > 0 && learnsWord)
    contradiction(errors,
                  "loss.captionDropout",
                  "A new word learns nothing from pictures without words",
                  "Set captionDropout to 0, or learn no new word");
}

}  // namespace

std::vector<FieldError> validate(const TrainRequest& r) {
  Errors errors = sectionRanges(r);
  checkModel(errors, r.base, "base", "The base model");
  checkCheckpoint(errors, r.base.checkpoint, "base.checkpoint");
  checkSubjects(errors, r);
  checkMultipleOf8(errors, r.training.resolution, "training.resolution", "Resolution");
  checkMultipleOf8(errors, r.data.bucketStep, "data.bucketStep", "Sides of the shapes");
  checkTextEncoder(errors, r);
  checkMethod(errors, r);
  checkOptimizer(errors, r);
  checkWord(errors, r);
  checkLoss(errors, r);
  if (!(effectiveLearningRate(r) > 0))
    outOfRange(errors,
               r.training.method == Method::Full   ? "training.learningRate"
               : r.training.method == Method::Lora ? "lora.loraLearningRate"
                                                   : "embedding.embeddingLearningRate",
               "Learning rate",
               number(effectiveLearningRate(r)),
               "greater than 0");
  if (r.training.method == Method::Lora && r.lora.targets.empty())
    missing(errors, "lora.targets", "Adapted layers", "Name at least one layer, such as to_q");
  if (r.prior.classImages > 0) checkSampling(errors, r.prior.sampling, "prior.class");
  checkSampling(errors, r.watch.sampling, "watch.sample");
  checkDevice(errors, r.compute);
  if (r.runFolder.empty())
    missing(errors, "runFolder", "The run's folder", "Choose where the run is kept");
  return errors;
}

}  // namespace likeness::api
