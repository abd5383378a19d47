// What can be done without tensors: projects, photos, runs, model inspection. Implemented by
// core/workspace.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/api/engine.h"
#include "core/api/image.h"
#include "core/api/requests.h"

namespace likeness::api {

/// project.yaml as a value. Paths inside the project folder are stored relative to it.
struct Project {
  std::filesystem::path folder;  ///< NAME.likeness
  TrainRequest recipe;           ///< photos, subject, base and every option; runFolder stays empty
  bool operator==(const Project&) const = default;
};

/// Held while a project is open for writing; a second program gets ProjectInUse.
class ProjectLock {
 public:
  virtual ~ProjectLock() = default;
};

enum class FindingKind { Duplicate, Blurry, Small, BlackBars, Dark, Animated, AlphaFlattened };
/// Something about a photo that a person should look at.
struct PhotoFinding {
  FindingKind kind = FindingKind::Blurry;
  std::string text;               ///< English sentence: "Nearly the same as 02.jpg"
  std::filesystem::path related;  ///< the other photo of a duplicate
  bool operator==(const PhotoFinding&) const = default;
};
/// A photo read and checked; `error` set when it cannot be used.
struct PhotoReport {
  std::filesystem::path file;
  int width = 0, height = 0;  ///< upright pixels
  std::string contentHash;    ///< SHA-256 of the file, hex
  Image thumbnail;            ///< longer side at most 256, upright, sRGB
  /// What a text file beside the photo says of it, alternatives as lines; used where the photo has
  /// no caption of its own.
  std::string caption;
  std::vector<PhotoFinding> findings;
  std::optional<Error> error;
};

/// What a drop holds. `note` is one English sentence on what was understood besides plain photos:
/// repeats, captions, masks; empty when there are none.
struct PhotoDrop {
  std::vector<Photo> photos;
  std::string token, classWord;  ///< as the name of a folder says (kohya's `10_sks dog`), or empty
  std::string note;
};

struct RunSummary {
  std::filesystem::path folder;
  std::string name;  ///< "0001"
  TrainRequest request;
  std::vector<std::int64_t> checkpoints;  ///< steps, ascending; only valid ones
  std::int64_t steps = 0;                 ///< planned
  bool finished = false;
  std::optional<std::int64_t> best;  ///< step with the best balance of the probes
};

/// What a file or folder can be used as; `ModelReport::kind` says it more closely, in words.
enum class ModelType {
  Folder,       ///< a whole model in diffusers' form
  SingleFile,   ///< a whole model
  Run,          ///< of Likeness: its base model with what was learned
  Adapter,      ///< LoRA and its relatives: added to a model
  Embedding,    ///< a word for prompts
  Autoencoder,  ///< can stand in for a model's own
  Part,         ///< another network alone
  Unknown
};
template <>
struct EnumNames<ModelType> {
  static constexpr std::array<std::string_view, 8> names{
      "folder", "single-file", "run", "adapter", "embedding", "autoencoder", "part", "unknown"};
};
/// Whether training can start from it.
constexpr bool isWholeModel(ModelType type) { return type <= ModelType::Run; }

/// What a model file or folder is, from headers alone; a pickle file is copied first.
struct ModelReport {
  ModelType type = ModelType::Unknown;
  std::string kind;    ///< "diffusers folder", "run", "LoRA (kohya)", "pickle file"
  std::string family;  ///< "Stable Diffusion 1.x layout"
  PredictionChoice prediction = PredictionChoice::Auto;  ///< Auto = it has none
  bool predictionGuessed = false;                        ///< the file does not say it
  std::int64_t resolution = 0;
  std::int64_t parameters = 0;
  std::string dtype;
  std::uint64_t bytes = 0;
  std::vector<std::pair<std::string, std::string>> details;  ///< parts, metadata, licence
  std::vector<std::string> problems;  ///< missing, extra or misshaped tensors
};

struct TokenCheck {
  std::vector<std::string> pieces;  ///< one = a single token
  /// Of a whole prompt in A1111's syntax, without start and end; of alternatives those that the
  /// picture of seed 1 takes. A chunk that BREAK or a comma ended counts full.
  std::int64_t promptTokens = 0;
  std::int64_t limit = 75;  ///< what the prompt's chunks hold
};

/// What a training is going to take, predicted before it begins.
struct TrainingPlan {
  std::int64_t steps = 0;
  double passesPerPhoto = 0;  ///< that these steps come to
  std::int64_t trainedParameters = 0;
  /// MiB of the process at its fullest moment, never fewer than it will be.
  struct Memory {
    std::int64_t weights = 0;      ///< of all networks, in every type they are held in
    std::int64_t gradients = 0;    ///< of what is trained
    std::int64_t optimizer = 0;    ///< its state, and averaged weights
    std::int64_t activations = 0;  ///< what passes through the networks
    std::int64_t other = 0;        ///< the program and its libraries
    std::int64_t total() const { return weights + gradients + optimizer + activations + other; }
  } memory;
  std::int64_t availableMiB = 0;  ///< or the limit that was set; 0 = not known (a GPU's)
  /// Bytes that the run adds.
  struct Disk {
    std::uint64_t checkpoints = 0;  ///< those kept, the best one, and the one being written
    std::uint64_t pictures = 0;     ///< class pictures that are still to be made, and samples
    std::uint64_t caches = 0;       ///< latents
    std::uint64_t total() const { return checkpoints + pictures + caches; }
  } disk;
  std::uint64_t freeBytes = 0;
  std::int64_t classImages = 0;  ///< still to be made
  double seconds = 0;  ///< about: all that is to be computed, by the speed of this machine
  /// NotEnoughMemory, naming the smallest change that would fit, or DiskFull; nothing when it fits.
  std::optional<Error> obstacle;
};

/// Blocking unless said otherwise; call from any thread. Never loads the engine module.
class Workspace {
 public:
  virtual ~Workspace() = default;

  virtual Result<Project> createProject(const std::filesystem::path& folder) = 0;
  virtual Result<Project> openProject(const std::filesystem::path& folder) = 0;
  virtual Result<void> saveProject(const Project& project) = 0;
  virtual Result<std::unique_ptr<ProjectLock>> lockProject(const std::filesystem::path& folder) = 0;
  /// Copies a photo into photos/ (never modified afterwards), with its caption and mask when they
  /// lie beside it, and returns the new path.
  virtual Result<std::filesystem::path> importPhoto(const Project& project,
                                                    const std::filesystem::path& file) = 0;
  /// Photos of a drop: folders are searched one level deep for pictures, and those in them that are
  /// named as kohya's trainer wants it, `N_name`, too; their photos have N repeats. Other files are
  /// kept to be reported. Nothing is read.
  virtual PhotoDrop expandDrop(const std::vector<std::filesystem::path>& dropped) = 0;

  /// Reads and checks photos on a preparation thread, one report each, in order; duplicates are
  /// found among all of them. Destroying the subscription cancels.
  virtual std::unique_ptr<Subscription> checkPhotos(std::vector<std::filesystem::path> files,
                                                    std::function<void(PhotoReport)> sink) = 0;

  virtual std::vector<RunSummary> runs(const Project& project) = 0;
  virtual Result<std::filesystem::path> nextRunFolder(const Project& project) = 0;
  virtual std::vector<MetricSample> runMetrics(const std::filesystem::path& runFolder) = 0;

  /// With the autoencoder and the prediction that the reference chooses.
  virtual Result<ModelReport> inspect(const ModelRef& model) = 0;
  Result<ModelReport> inspect(const std::filesystem::path& path) {
    return inspect(ModelRef{path.string()});
  }
  /// The recipe that suits a model: its likeness.yaml, else its family's preset, over the defaults.
  virtual Result<TrainRequest> recommendedRecipe(const ModelRef& base) = 0;
  /// What this request, which validate() accepts, is going to take: from the model's headers and
  /// the folders it names; nothing is written. The CPU's dtype is taken for right (the engine
  /// checks it once). Errors: those of opening a model.
  virtual Result<TrainingPlan> planTraining(const TrainRequest& request) = 0;
  /// How the model's tokenizer cuts a word, and how long a prompt is.
  virtual Result<TokenCheck> checkToken(const ModelRef& base,
                                        const std::string& token,
                                        const std::string& prompt) = 0;

  /// Complete request as YAML, and back; unknown keys are errors naming the nearest known one.
  virtual std::string toYaml(const TrainRequest& request) = 0;
  virtual Result<TrainRequest> fromYaml(const std::string& text,
                                        const TrainRequest& defaults,
                                        const std::string& fileName) = 0;

  virtual Result<Image> readImage(const std::filesystem::path& file, int maxSide) = 0;
  /// The request a PNG of ours carries.
  virtual Result<GenerateRequest> readRequest(const std::filesystem::path& png) = 0;
  virtual std::filesystem::path resources() const = 0;
};

}  // namespace likeness::api
