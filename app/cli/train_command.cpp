// likeness-cli train: photos or a project in, a run folder out.
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/flags.h"
#include "app/cli/local_ranks.h"
#include "app/cli/run_job.h"
#include "app/cli/training_plan.h"
#include "core/base/placement.h"
#include "core/config/config.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/fork_run.h"
#include "core/workspace/report.h"
#include "core/workspace/run_folder.h"

namespace likeness::cli {

using namespace api;
namespace fs = std::filesystem;

namespace {

struct TrainArguments {
  explicit TrainArguments(CLI::App& app) : flags(app) {}
  Flags flags;
  fs::path project, base, config, out, fork;
  ModelRef modelFlags;  ///< vae and prediction alone
  std::vector<fs::path> photos;
  std::vector<std::string> also;
  bool resume = false, printConfig = false, plan = false;
  std::int64_t devices = 1;
  base::Placement placement;
};

/// Where a run of a project goes, and the lock that keeps other programs away meanwhile.
struct ProjectPlace {
  std::unique_ptr<ProjectLock> lock;
  fs::path runFolder;
};

Result<ProjectPlace> placeInProject(const TrainArguments& a,
                                    const Project& project,
                                    Workspace& workspace) {
  ProjectPlace place;
  const bool first = a.placement.rank == 0;
  if (first && !a.plan) {
    auto lock = workspace.lockProject(project.folder);
    if (!lock) return fail(lock.error());
    place.lock = std::move(*lock);
  }
  if (!a.out.empty()) {
    place.runFolder = a.out;
    return place;
  }
  const auto runs = workspace.runs(project);
  if (a.resume && !runs.empty()) {
    place.runFolder = runs.back().folder;
    return place;
  }
  if (!first || a.plan) {  // the first rank says where, in the training job
    place.runFolder = project.folder;
    return place;
  }
  auto next = workspace.nextRunFolder(project);
  if (!next) return fail(next.error());
  place.runFolder = *next;
  return place;
}

/// The flags that were given, over what a configuration says.
void applyModelFlags(const TrainArguments& a, ModelRef& base) {
  if (!a.base.empty()) base = ModelRef{a.base.string(), "latest", ""};
  if (!a.modelFlags.vae.empty()) base.vae = a.modelFlags.vae;
  if (a.modelFlags.prediction != PredictionChoice::Auto) base.prediction = a.modelFlags.prediction;
}

/// The base model: it decides the recipe below everything else, so it is looked for before anything
/// is laid over.
Result<ModelRef> baseModel(const TrainArguments& a) {
  ModelRef base;
  if (!a.config.empty()) {
    TrainRequest scratch;
    if (const auto read = config::applyYamlFile(scratch, a.config); !read)
      return fail(read.error());
    base = scratch.base;
  }
  applyModelFlags(a, base);
  return base;
}

/// The photos of the command line, and the words that their folders are named by.
Result<void> applyPhotos(const TrainArguments& a, TrainRequest& request, Workspace& workspace) {
  for (const auto& path : a.photos)
    if (std::error_code error; !fs::exists(path, error))
      return fail(ErrorCode::FileNotFound, {{"file", path.string()}});
  PhotoDrop drop = workspace.expandDrop(a.photos);
  if (drop.photos.empty())
    return fail(ErrorCode::NoPhotos, {{"folder", a.photos.front().string()}});
  if (!drop.note.empty()) std::fprintf(stderr, "%s\n", drop.note.c_str());
  request.photos = std::move(drop.photos);
  if (request.subject.classWord.empty() && !drop.classWord.empty()) {
    request.subject.token = drop.token;
    request.subject.classWord = drop.classWord;
  }
  return {};
}

/// "FOLDER:TOKEN:CLASS", where the folder's name may hold colons; captions as those of the first.
Result<FurtherSubject> parseAlso(const std::string& text,
                                 const SubjectOptions& first,
                                 Workspace& workspace) {
  const auto ofClass = text.rfind(':');
  const auto ofToken = ofClass == std::string::npos || ofClass == 0 ? std::string::npos
                                                                    : text.rfind(':', ofClass - 1);
  if (ofToken == std::string::npos)
    return fail(ErrorCode::BadUsage,
                {{"reason",
                  "--also takes FOLDER:TOKEN:CLASS, such as my-cat:zwx:cat, not '" + text + "'"}});
  const fs::path folder = text.substr(0, ofToken);
  if (std::error_code error; !fs::exists(folder, error))
    return fail(ErrorCode::FileNotFound, {{"file", folder.string()}});
  PhotoDrop drop = workspace.expandDrop({folder});
  if (drop.photos.empty()) return fail(ErrorCode::NoPhotos, {{"folder", folder.string()}});
  if (!drop.note.empty()) std::fprintf(stderr, "%s\n", drop.note.c_str());
  FurtherSubject further{first, std::move(drop.photos)};
  further.subject.name.clear();
  further.subject.token = text.substr(ofToken + 1, ofClass - ofToken - 1);
  further.subject.classWord = text.substr(ofClass + 1);
  return further;
}

Result<void> applyFlags(const TrainArguments& a, TrainRequest& request, Workspace& workspace) {
  applyModelFlags(a, request.base);
  // Before the flags, which may name the subject otherwise.
  if (!a.photos.empty())
    if (auto applied = applyPhotos(a, request, workspace); !applied) return applied;
  Result<void> applied;
  forEachSection(request, [&](std::string_view section, auto& options) {
    if (applied) applied = a.flags.apply(section, options);
  });
  if (!applied || a.also.empty()) return applied;
  request.furtherSubjects.clear();
  for (const std::string& text : a.also) {
    auto further = parseAlso(text, request.subject, workspace);
    if (!further) return fail(further.error());
    request.furtherSubjects.push_back(std::move(*further));
  }
  return {};
}

/// struct defaults < the model's recipe < project or run < --config < flags.
Result<TrainRequest> buildRequest(const TrainArguments& a,
                                  Workspace& workspace,
                                  ProjectPlace& place) {
  TrainRequest request;
  const auto continues = [&](const fs::path& run) {
    std::error_code error;
    return a.resume && !run.empty() && fs::exists(run / workspace::kRunFile, error);
  };
  if (!a.project.empty()) {
    auto project = workspace.openProject(a.project);
    if (!project) return fail(project.error());
    request = std::move(project->recipe);
    if (!a.printConfig) {
      auto placed = placeInProject(a, *project, workspace);
      if (!placed) return fail(placed.error());
      place = std::move(*placed);
      request.runFolder = place.runFolder;
      request.classImageFolder = project->folder / "class-images";
      request.cacheFolder = project->folder / "cache";
    }
  } else if (!continues(a.out) && a.fork.empty()) {
    const auto base = baseModel(a);
    if (!base) return fail(base.error());
    auto recipe = workspace.recommendedRecipe(*base);
    if (!recipe) return fail(recipe.error());
    request = std::move(*recipe);
    request.base = *base;
    request.runFolder = a.out;
  }
  if (const fs::path folder = a.project.empty() ? a.out : place.runFolder; continues(folder)) {
    auto run = workspace::readRunRequest(folder);
    if (!run) return fail(run.error());
    request = std::move(*run);
  }
  if (!a.fork.empty()) {
    auto run = workspace::readRunRequest(a.fork);
    if (!run) return fail(run.error());
    request = std::move(*run);
    request.runFolder = place.runFolder;
  }
  if (!a.config.empty())
    if (const auto read = config::applyYamlFile(request, a.config); !read)
      return fail(read.error());
  if (const auto applied = applyFlags(a, request, workspace); !applied)
    return fail(applied.error());
  if (!a.out.empty()) request.runFolder = a.out;
  request.resume = a.resume || !a.fork.empty();
  return request;
}

std::string summary(const CommandResult& result, const TrainRequest& request) {
  const std::string run = request.runFolder.string();
  if (std::error_code error; !fs::exists(request.runFolder / workspace::kRunFile, error))
    return "Stopped before the run began; give the same command again to start it.\n";
  if (result.stopped)
    return "Stopped after step " + figure(result, "steps") + "; everything is kept in " + run +
           ".\nContinue with: likeness-cli train --out " + run + " --resume\n";
  if (!result.json.contains("step_s_median"))
    return "Nothing was left to do: the run " + run + " has its " + figure(result, "steps") +
           " steps.\nTo train it further: likeness-cli train --out " + run +
           " --resume --steps N\n";
  const std::string advice =
      result.json.contains("advice") ? figure(result, "advice") + "\n" : std::string();
  return "Trained " + figure(result, "steps") + " steps in " + figure(result, "total_s") + " s (" +
         figure(result, "step_s_median") + " s a step). The run is " + run + "\n" + advice +
         "Its report: " + (request.runFolder / workspace::kReportFile).string() +
         "\nTry it: likeness-cli generate --model " + run + " --prompt \"a photo of " +
         request.subject.token + " " + request.subject.classWord + "\" --out pictures\n";
}

Result<CommandResult> runTrain(TrainArguments& a, Workspace& workspace) {
  const auto placement = base::placement();
  if (!placement) return fail(placement.error());
  a.placement = *placement;
  if (a.devices > 1 && !a.printConfig && !a.plan) {
    if (placement->size == 1) {
      const auto code = runLocalRanks(a.devices);
      if (!code) return fail(code.error());
      CommandResult result;
      result.exitCode = *code;
      return result;
    }
    if (placement->size != a.devices)
      return fail(ErrorCode::BadUsage,
                  {{"reason",
                    "--devices is " + std::to_string(a.devices) + ", but a launcher has started " +
                        std::to_string(placement->size) + " processes; leave it out"}});
  }
  if (placement->rank > 0) {  // one speaks for all
    for (std::FILE* stream : {stdout, stderr})
      if (!std::freopen("/dev/null", "w", stream)) std::fclose(stream);
  }
  ProjectPlace place;
  auto request = buildRequest(a, workspace, place);
  if (!request) return fail(request.error());
  if (a.plan && request->runFolder.empty()) request->runFolder = ".";  // only its disk counts
  if (a.printConfig) {
    CommandResult result;
    result.text = config::toYaml(*request, true);
    result.json["config"] = result.text;
    return result;
  }
  if (request->photos.empty() && a.project.empty())
    return fail(ErrorCode::BadUsage,
                {{"reason",
                  a.resume && !a.out.empty()
                      ? a.out.string() + " holds no run to continue, and a new one needs --photos"
                      : "--photos is required: photos, or folders of them"}});
  if (request->runFolder.empty())
    return fail(ErrorCode::BadUsage, {{"reason", "--out is required: the folder of the run"}});
  if (a.plan) {
    if (const auto errors = validate(*request); !errors.empty()) return fail(errors.front().error);
    const auto plan = workspace.planTraining(*request);
    if (!plan) return fail(plan.error());
    return planResult(*plan);
  }
  if (const auto errors = validate(*request); !a.fork.empty() && !errors.empty())
    return fail(errors.front().error);  // before anything is copied
  if (!a.fork.empty() && placement->rank == 0)
    if (const auto forked = workspace::forkRun(a.fork, *request); !forked)
      return fail(forked.error());
  auto result = runJob(*request, workspace);
  if (!result) return result;
  result->json["run"] = request->runFolder.string();
  result->text = summary(*result, *request);
  return result;
}

constexpr const char* kFooter =
    R"(Options are taken from, the later winning: built-in defaults, the recipe that suits the base model,
the project or --config, the command line. --print-config shows the outcome as YAML and ends, --plan what it will take.

Examples
  likeness-cli train --photos my-dog/ --class dog --out runs/bo
  likeness-cli train --photos my-dog/ --class dog --method lora --rank 8 --steps 300 --out runs/bo-lora
  likeness-cli train --out runs/bo --resume               continue after Ctrl-C, a crash or a power cut
  likeness-cli train --fork runs/bo --learning-rate 1e-6 --steps 900 --out runs/bo-slow     go on under other options
  likeness-cli train bo.likeness --passes-per-photo 60    a project of the window
  likeness-cli train --photos my-dog/ --class dog --batch-size 2 --devices 2 --out runs/bo
  likeness-cli train --photos my-dog/ --token sks --class dog --also my-cat/:zwx:cat --out runs/both
  likeness-cli train --photos my-dog/ --class dog --print-config > bo.yaml
  likeness-cli train --photos my-dog/ --class dog --base sd15 --checkpointing --plan     how long, how much memory
Ctrl-C stops after the step under way and keeps a checkpoint.)";

}  // namespace

Command addTrain(CLI::App& root) {
  CLI::App* app = root.add_subcommand("train", "Learn a subject from a few photos");
  app->footer(kFooter);
  auto a = std::make_shared<TrainArguments>(*app);
  app->add_option("project",
                  a->project,
                  "A project folder, NAME.likeness; its photos and options are the start")
      ->type_name("PROJECT");
  app->add_option("--base",
                  a->base,
                  "The model to start from: starter (built in), a Stable Diffusion folder in "
                  "diffusers' form, or a .safetensors or .ckpt checkpoint")
      ->type_name("MODEL")
      ->default_str("starter");
  addModelFlags(*app, a->modelFlags);
  app->add_option("--photos", a->photos, "Photos or folders of photos, one or more")
      ->type_name("DIR")
      ->expected(1, CLI::detail::expected_max_vector_size)  // DIR/*.jpg is many
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_option("--also",
                  a->also,
                  "A further subject to learn in the same run: a folder of its photos, its "
                  "identifier and its class; may be repeated")
      ->type_name("FOLDER:TOKEN:CLASS")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app->add_option("--out", a->out, "Folder of the run; receives checkpoints, samples and metrics")
      ->type_name("RUN_DIR");
  app->add_option("--config", a->config, "YAML file with options, as --print-config writes it")
      ->type_name("FILE.yaml");
  app->add_flag("--resume",
                a->resume,
                "Continue the run in --out (or the project's last one); begins when there is none");
  app->add_option("--fork",
                  a->fork,
                  "Begin the run in --out with the weights, optimizer and step of this run's last "
                  "checkpoint; options that are not given are its own")
      ->type_name("RUN_DIR");
  app->add_option("--devices",
                  a->devices,
                  "Train on so many GPUs of this computer, or in so many processes that divide its "
                  "cores; each takes its part of --batch-size times --gradient-accumulation photos")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1024}));
  app->add_flag("--print-config", a->printConfig, "Print every option as YAML and end");
  app->add_flag("--plan",
                a->plan,
                "Print what it will take (steps, time, memory, disk) and end; exit code 4 when it "
                "does not fit");
  TrainRequest defaults;
  forEachSection(defaults, [&](std::string_view section, const auto& options) {
    a->flags.add(section, options);
  });
  return {app, [a](Workspace& workspace) { return runTrain(*a, workspace); }};
}

}  // namespace likeness::cli
