// likeness-cli inspect: says what a file or folder is, from headers alone and without the engine.
#include <fstream>

#include "app/cli/command.h"
#include "app/cli/flags.h"
#include "core/api/subjects.h"
#include "core/config/config.h"

namespace likeness::cli {

using namespace api;
namespace fs = std::filesystem;

namespace {

/// "Label:   value" lines in one column.
class Report {
 public:
  void line(const std::string& label, const std::string& value) {
    if (!value.empty())
      m_text +=
          label + ":" + std::string(label.size() < 14 ? 15 - label.size() : 1, ' ') + value + "\n";
  }
  std::string text() && { return std::move(m_text); }

 private:
  std::string m_text;
};

/// As the lines of a model's parts have it.
std::string millions(std::int64_t parameters) {
  char text[32];
  std::snprintf(text,
                sizeof text,
                parameters < 1'000'000 ? "%.3f M" : "%.1f M",
                static_cast<double>(parameters) / 1e6);
  return text;
}

std::string sizeText(std::uint64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  char text[32];
  std::snprintf(text,
                sizeof text,
                mebibytes < 1      ? "%.3f MiB"
                : mebibytes < 1024 ? "%.1f MiB"
                                   : "%.2f GiB",
                mebibytes < 1024 ? mebibytes : mebibytes / 1024);
  return text;
}

CommandResult describeModel(const ModelReport& model, const fs::path& path) {
  const std::string prediction(
      model.prediction == PredictionChoice::Auto ? std::string_view() : enumName(model.prediction));
  CommandResult result;
  result.json = {{"path", path.string()},
                 {"type", enumName(model.type)},
                 {"kind", model.kind},
                 {"family", model.family},
                 {"prediction", prediction},
                 {"predictionGuessed", model.predictionGuessed},
                 {"resolution", model.resolution},
                 {"parameters", model.parameters},
                 {"dtype", model.dtype},
                 {"bytes", model.bytes},
                 {"details", nlohmann::ordered_json::object()},
                 {"problems", model.problems}};
  Report report;
  report.line("Kind", model.kind);
  report.line("Family", model.family);
  report.line("Prediction",
              prediction + (model.predictionGuessed ? " (a guess: the file does not say)" : ""));
  if (model.resolution > 0) report.line("Resolution", std::to_string(model.resolution) + " px");
  if (model.parameters > 0) report.line("Parameters", millions(model.parameters));
  report.line("Numbers", model.dtype);
  if (model.bytes > 0) report.line("Size", sizeText(model.bytes));
  for (const auto& [label, value] : model.details) {
    report.line(label, value);
    result.json["details"][label] = value;
  }
  for (const auto& problem : model.problems) report.line("Problem", problem);
  result.text = std::move(report).text();
  return result;
}

CommandResult describeProject(const Project& project, Workspace& workspace) {
  CommandResult result;
  const TrainRequest& recipe = project.recipe;
  Report report;
  report.line("Kind", "project");
  report.line(recipe.furtherSubjects.empty() ? "Subject" : "Subjects", subjectWords(recipe));
  report.line("Base model", recipe.base.path);
  report.line("Autoencoder", recipe.base.vae.string());
  if (recipe.base.prediction != PredictionChoice::Auto)
    report.line("Prediction", std::string(enumName(recipe.base.prediction)));
  std::size_t photos = recipe.photos.size();
  for (const FurtherSubject& further : recipe.furtherSubjects) photos += further.photos.size();
  report.line("Photos", std::to_string(photos));
  report.line("Method", std::string(enumName(recipe.training.method)));
  report.line("Steps", std::to_string(plannedSteps(recipe)));
  result.json = {{"path", project.folder.string()},
                 {"kind", "project"},
                 {"token", recipe.subject.token},
                 {"class", recipe.subject.classWord},
                 {"base", recipe.base.path},
                 {"photos", recipe.photos.size()},
                 {"furtherSubjects", nlohmann::ordered_json::array()},
                 {"runs", nlohmann::ordered_json::array()}};
  for (const FurtherSubject& further : recipe.furtherSubjects)
    result.json["furtherSubjects"].push_back({{"token", further.subject.token},
                                              {"class", further.subject.classWord},
                                              {"photos", further.photos.size()}});
  for (const RunSummary& run : workspace.runs(project)) {
    const std::int64_t reached = run.checkpoints.empty() ? 0 : run.checkpoints.back();
    report.line("Run " + run.name,
                std::to_string(reached) + " of " + std::to_string(run.steps) + " steps" +
                    (run.finished ? ", finished" : ""));
    result.json["runs"].push_back({{"name", run.name},
                                   {"steps", run.steps},
                                   {"checkpoints", run.checkpoints},
                                   {"finished", run.finished}});
  }
  result.text = std::move(report).text();
  return result;
}

CommandResult describePicture(const GenerateRequest& request, const fs::path& file) {
  CommandResult result;
  result.json = nlohmann::ordered_json::parse(config::toJson(request));
  result.json["path"] = file.string();
  result.json["kind"] = "picture";
  Report report;
  report.line("Kind", "picture made by Likeness");
  report.line("Model", request.model.path);
  report.line("Prompt", renderPrompt(request.prompt, request.subject));
  report.line("Negative", request.negativePrompt);
  if (!request.promptTemplate.empty()) report.line("Template", request.promptTemplate);
  if (!request.negativeTemplate.empty()) report.line("Negative template", request.negativeTemplate);
  for (const auto& row : fields<SamplingOptions>())
    report.line(std::string(row.label), toText(row.get(request.sampling)));
  report.line("Seed", std::to_string(request.seed));
  if (request.width > 0)
    report.line("Size", std::to_string(request.width) + "x" + std::to_string(request.height));
  result.text = std::move(report).text();
  return result;
}

bool isPng(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[8] = {};
  return file.read(magic, sizeof magic) &&
         std::string_view(magic, sizeof magic) == std::string_view("\x89PNG\r\n\x1a\n", 8);
}

Result<CommandResult> runInspect(const fs::path& path, Workspace& workspace) {
  std::error_code error;
  if (!fs::exists(path, error) && path != "starter")
    return fail(ErrorCode::FileNotFound, {{"file", path.string()}});
  if (fs::exists(path / "project.yaml", error)) {
    const auto project = workspace.openProject(path);
    if (!project) return fail(project.error());
    return describeProject(*project, workspace);
  }
  if (fs::is_regular_file(path, error) && isPng(path)) {
    const auto request = workspace.readRequest(path);
    if (!request) return fail(request.error());
    return describePicture(*request, path);
  }
  const auto model = workspace.inspect(path);
  if (!model) return fail(model.error());
  return describeModel(*model, path);
}

}  // namespace

Command addInspect(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("inspect", "Say what a model, run, adapter, project or picture is");
  app->footer(
      "Reads headers only, so it answers at once whatever the size; a .ckpt is copied "
      "first.\n\nExamples\n  likeness-cli "
      "inspect runs/bo\n  likeness-cli inspect "
      "bo.safetensors --json\n  likeness-cli inspect pictures/0001.png");
  auto path = std::make_shared<fs::path>();
  app->add_option("path", *path, "File or folder")->type_name("PATH")->required();
  return {app, [path](Workspace& workspace) { return runInspect(*path, workspace); }};
}

}  // namespace likeness::cli
