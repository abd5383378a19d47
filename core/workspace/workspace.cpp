// api::Workspace from the parts of this folder.
#include "core/workspace/workspace.h"

#include "core/config/config.h"
#include "core/image/photo.h"
#include "core/text/prompt.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/inspect.h"
#include "core/workspace/metrics_file.h"
#include "core/workspace/photo_checker.h"
#include "core/workspace/photo_folder.h"
#include "core/workspace/plan_training.h"
#include "core/workspace/project_store.h"
#include "core/workspace/resolve_model.h"

namespace likeness::workspace {
namespace fs = std::filesystem;
using namespace api;

namespace {

/// The recipes of models that bring none.
constexpr std::string_view kPreset = "presets/stable-diffusion-1.yaml",
                           kXlPreset = "presets/stable-diffusion-xl.yaml";
constexpr std::string_view kModelRecipe = "likeness.yaml";

class FolderWorkspace : public Workspace {
 public:
  explicit FolderWorkspace(fs::path resources) : m_resources(std::move(resources)) {}

  Result<Project> createProject(const fs::path& folder) override {
    auto recipe = recommendedRecipe({});
    if (!recipe) return fail(recipe.error());
    return workspace::createProject(folder, *recipe);
  }
  Result<Project> openProject(const fs::path& folder) override {
    return workspace::openProject(folder);
  }
  Result<void> saveProject(const Project& project) override {
    return workspace::saveProject(project);
  }
  Result<std::unique_ptr<ProjectLock>> lockProject(const fs::path& folder) override {
    return workspace::lockProject(folder);
  }
  Result<fs::path> importPhoto(const Project& project, const fs::path& file) override {
    return workspace::importPhoto(project, file);
  }
  PhotoDrop expandDrop(const std::vector<fs::path>& dropped) override {
    return workspace::expandDrop(dropped);
  }
  std::unique_ptr<Subscription> checkPhotos(std::vector<fs::path> files,
                                            std::function<void(PhotoReport)> sink) override {
    return workspace::checkPhotos(std::move(files), std::move(sink));
  }

  std::vector<RunSummary> runs(const Project& project) override { return listRuns(project.folder); }
  Result<fs::path> nextRunFolder(const Project& project) override {
    return workspace::nextRunFolder(project.folder);
  }
  std::vector<MetricSample> runMetrics(const fs::path& runFolder) override {
    return readMetrics(runFolder / kMetricsFile);
  }

  Result<ModelReport> inspect(const ModelRef& model) override {
    return workspace::inspect(model, m_resources);
  }

  Result<TrainRequest> recommendedRecipe(const ModelRef& base) override {
    const auto model = resolveModel(base, m_resources);
    if (!model) return fail(model.error());
    const fs::path own = model->files.path / kModelRecipe;
    std::error_code error;
    const auto preset = [&] {
      const auto stored = weights::openModel(model->files);
      const bool xl = stored && stored->family == weights::Family::StableDiffusionXl;
      return m_resources / (xl ? kXlPreset : kPreset);
    };
    TrainRequest recipe;
    if (auto read = config::applyYamlFile(recipe, fs::exists(own, error) ? own : preset()); !read)
      return fail(read.error());
    recipe.base = base;
    return recipe;
  }

  Result<TrainingPlan> planTraining(const TrainRequest& request) override {
    return workspace::planTraining(request, m_resources);
  }

  Result<TokenCheck> checkToken(const ModelRef& base,
                                const std::string& token,
                                const std::string& prompt) override {
    const auto model = resolveModel(base, m_resources);
    if (!model) return fail(model.error());
    const auto files = weights::openTokenizer(model->files);
    if (!files) return fail(files.error());
    const auto tokenizer = text::ClipTokenizer::load(files->folder, files->pad);
    if (!tokenizer) return fail(tokenizer.error());
    TokenCheck check;
    for (const std::int64_t id : tokenizer->encode(token))
      check.pieces.push_back(tokenizer->piece(id));
    constexpr auto syntax = PromptSyntax::A1111;
    const auto tokens =
        text::tokenizePrompt(*tokenizer, text::promptOfPicture(prompt, syntax, 1), syntax);
    check.promptTokens = tokens.used;
    check.limit = tokens.limit;
    return check;
  }

  std::string toYaml(const TrainRequest& request) override { return config::toYaml(request); }
  Result<TrainRequest> fromYaml(const std::string& text,
                                const TrainRequest& defaults,
                                const std::string& fileName) override {
    TrainRequest request = defaults;
    if (auto read = config::applyYaml(request, text, fileName); !read) return fail(read.error());
    return request;
  }

  Result<Image> readImage(const fs::path& file, int maxSide) override {
    auto decoded = image::readPhoto(file);
    if (!decoded) return fail(decoded.error());
    return maxSide > 0 ? image::thumbnail(decoded->image, maxSide) : std::move(decoded->image);
  }

  Result<GenerateRequest> readRequest(const fs::path& png) override {
    const auto chunks = image::readPngText(png);
    if (!chunks) return fail(chunks.error());
    for (const auto& [key, value] : *chunks)
      if (key == "likeness") return config::generateRequestFromJson(value, png.string());
    return fail(ErrorCode::FileUnreadable,
                {{"file", png.string()}, {"reason", "it carries no request of Likeness"}});
  }

  fs::path resources() const override { return m_resources; }

 private:
  fs::path m_resources;
};

}  // namespace

std::unique_ptr<Workspace> makeWorkspace(fs::path resources) {
  return std::make_unique<FolderWorkspace>(std::move(resources));
}

}  // namespace likeness::workspace
