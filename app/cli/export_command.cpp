// likeness-cli export, devices and bench.
#include <sys/resource.h>

#include "app/cli/command.h"
#include "app/cli/flags.h"
#include "app/cli/run_job.h"

namespace likeness::cli {

using namespace api;

namespace {

struct ExportArguments {
  explicit ExportArguments(CLI::App& app) : flags(app) {}
  Flags flags;
  ExportRequest request;
  std::string format = std::string(enumName(ExportFormat::Diffusers));
  std::string dtype = std::string(enumName(FileDType::Fp16));
};

Result<CommandResult> runExport(const ExportArguments& a, Workspace& workspace) {
  ExportRequest request = a.request;
  for (const auto& applied : {parseChoice("--format", a.format, request.format),
                              parseChoice("--dtype", a.dtype, request.dtype),
                              a.flags.apply("compute", request.compute)})
    if (!applied) return fail(applied.error());
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->text = result->stopped ? "Stopped; nothing was written.\n"
                                 : "Exported to " + request.out.string() +
                                       ". Opened again, it renders the same picture up to " +
                                       figure(*result, "max_difference") + " of 255.\n";
  return result;
}

constexpr const char* kExportFooter =
    R"(diffusers writes a whole model as a folder (a LoRA run is merged into its base); kohya-lora and peft-lora write the
adapter of a LoRA run as one file, for AUTOMATIC1111, Forge and ComfyUI or for diffusers. What was written is opened again and renders a
picture before the export counts as done.

Examples
  likeness-cli export runs/bo --format diffusers --dtype fp16 --out bo-model
  likeness-cli export runs/bo-lora --format kohya-lora --dtype fp16 --out bo.safetensors)";

Result<CommandResult> runDevices(Workspace& workspace) {
  auto engine = openEngine(workspace);
  if (!engine) return fail(engine.error());
  CommandResult result;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  result.json["engine_rss_mib"] = usage.ru_maxrss / 1024;  // loaded and idle
  result.json["devices"] = nlohmann::ordered_json::array();
  for (const Device& device : (*engine)->devices()) {
    result.json["devices"].push_back({{"id", device.id},
                                      {"name", device.name},
                                      {"memory_mib", device.memoryMiB},
                                      {"free_mib", device.freeMiB},
                                      {"bf16", device.bf16},
                                      {"note", device.note}});
    result.text += device.id + "  " + device.name + "\n    " + std::to_string(device.freeMiB) +
                   " of " + std::to_string(device.memoryMiB) + " MiB free, bf16 " +
                   (device.bf16 ? "fast" : "not fast") +
                   (device.note.empty() ? "" : ", " + device.note) + "\n";
  }
  return result;
}

struct BenchArguments {
  explicit BenchArguments(CLI::App& app) : flags(app) {}
  Flags flags;
  BenchRequest request;
};

Result<CommandResult> runBench(const BenchArguments& a, Workspace& workspace) {
  BenchRequest request = a.request;
  if (const auto applied = a.flags.apply("compute", request.compute); !applied)
    return fail(applied.error());
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->json.erase("artifacts");
  result->text = result->json.dump(2) + "\n";
  return result;
}

}  // namespace

Command addExport(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("export", "Write a run's model in the form that other tools read");
  app->footer(kExportFooter);
  auto a = std::make_shared<ExportArguments>(*app);
  app->add_option("run", a->request.runFolder, "Folder of the run")
      ->type_name("RUN_DIR")
      ->required();
  app->add_option(
         "--checkpoint", a->request.checkpoint, "latest, best (by the probes) or a step number")
      ->type_name("latest|best|N")
      ->capture_default_str();
  app->add_option("--format", a->format, "What to write")
      ->type_name("diffusers|kohya-lora|peft-lora")
      ->capture_default_str();
  app->add_option("--dtype", a->dtype, "Number format of the weights in the file")
      ->type_name("fp16|bf16|fp32")
      ->capture_default_str();
  app->add_option(
         "--out", a->request.out, "Folder (diffusers) or file (a LoRA) to write; must not exist")
      ->type_name("PATH")
      ->required();
  a->flags.add("compute", a->request.compute, {"dtype"});
  return {app, [a](Workspace& workspace) { return runExport(*a, workspace); }};
}

Command addDevices(CLI::App& root) {
  CLI::App* app = root.add_subcommand("devices", "Show what this machine can compute on");
  return {app, runDevices};
}

Command addBench(CLI::App& root) {
  CLI::App* app = root.add_subcommand("bench", "Measure training and generation on this machine");
  app->footer(
      "Prints medians over the repeats as JSON. tests/bench/compare.py sets them beside other "
      "programs.");
  auto a = std::make_shared<BenchArguments>(*app);
  app->add_option("--model", a->request.model.path, "The model to measure with")
      ->type_name("MODEL")
      ->default_str("starter");
  app->add_option("--repeats", a->request.repeats, "Measurements per figure")
      ->type_name("N")
      ->capture_default_str();
  a->flags.add("compute", a->request.compute);
  return {app, [a](Workspace& workspace) { return runBench(*a, workspace); }};
}

}  // namespace likeness::cli
