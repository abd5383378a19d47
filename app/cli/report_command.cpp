// likeness-cli report and options: pages about a run and about every option.
#include "app/cli/command.h"
#include "core/config/config.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/report.h"

namespace likeness::cli {

using namespace api;
namespace fs = std::filesystem;

namespace {

Result<CommandResult> runReport(const fs::path& run) {
  if (std::error_code error; !fs::exists(run / workspace::kRunFile, error))
    return fail(ErrorCode::BadUsage, {{"reason", run.string() + " holds no run"}});
  if (const auto written = workspace::writeReport(run); !written) return fail(written.error());
  CommandResult result;
  const std::string file = (run / workspace::kReportFile).string();
  result.json["report"] = file;
  result.text = file + "\n";
  return result;
}

}  // namespace

Command addReport(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("report", "Write a run's curves, samples and options as a page");
  app->footer(
      "Writes report.html into the run's folder, as training does at its checkpoints: one file "
      "that "
      "every browser shows, with nothing to load.\n\nExample\n  likeness-cli report runs/bo");
  auto run = std::make_shared<fs::path>();
  app->add_option("run", *run, "Folder of the run")->type_name("RUN_DIR")->required();
  return {app, [run](Workspace&) { return runReport(*run); }};
}

Command addOptions(CLI::App& root) {
  CLI::App* app = root.add_subcommand("options", "Explain every option of training, as Markdown");
  return {app, [](Workspace&) -> Result<CommandResult> {
            CommandResult result;
            result.text = config::optionsPage();
            result.json["options"] = result.text;
            return result;
          }};
}

}  // namespace likeness::cli
