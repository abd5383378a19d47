// likeness-cli compare: a contact sheet of a run or a model, as the window's Compare page makes it.
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/picture_flags.h"
#include "app/cli/run_job.h"
#include "core/api/comparison.h"
#include "core/image/captioned_sheet.h"
#include "core/image/photo.h"
#include "core/workspace/resolve_model.h"

namespace likeness::cli {

using namespace api;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostCells = 1000;

struct CompareArguments {
  explicit CompareArguments(CLI::App& app) : flags(app, request, {"count", "grid"}) {}
  GenerateRequest request = defaults();
  PictureFlags flags;
  std::string rows, columns;
  fs::path out;

 private:
  static GenerateRequest defaults() {
    GenerateRequest request;
    request.prompt = "a photo of {subject}";
    return request;
  }
};

/// An axis with the words for its values.
struct Named {
  SheetAxis axis;
  std::vector<std::string> captions;
};

/// Of a run the step that `checkpoint` means, so that captions and pictures name it. A subject that
/// is not given is the run's, also where its adapter is put on the base.
Result<SheetWeights> weightsOf(GenerateRequest& request,
                               const std::string& checkpoint,
                               const fs::path& resources) {
  ModelRef model = request.model;
  model.checkpoint = checkpoint;
  const auto resolved = workspace::resolveModel(model, resources);
  if (!resolved) return fail(resolved.error());
  if (!resolved->run || !resolved->step) return SheetWeights{model, {}, {}};
  if (request.subject.classWord.empty()) request.subject = resolved->run->subject;
  SheetWeights weights = sheetWeights(model.path, *resolved->run, *resolved->step);
  weights.model.vae = model.vae;
  weights.model.prediction = model.prediction;
  return weights;
}

/// "guidance=2,4,7"
Result<Named> parseAxis(const char* flag,
                        const std::string& text,
                        GenerateRequest& request,
                        const fs::path& resources) {
  Named named;
  const auto equals = text.find('=');
  const std::string name = text.substr(0, equals);
  if (auto known = parseChoice(flag, name, named.axis.axis); !known) return fail(known.error());
  const char between = named.axis.axis == Axis::Prompt ? ';' : ',';
  std::string rest = equals == std::string::npos ? "" : text.substr(equals + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find(between), rest.size());
    const std::string part = rest.substr(0, end);
    rest.erase(0, end + 1);
    if (part.empty()) continue;
    if (named.axis.axis == Axis::Checkpoint) {
      auto weights = weightsOf(request, part, resources);
      if (!weights) return fail(weights.error());
      named.captions.push_back("checkpoint " + weights->model.checkpoint);
      named.axis.values.emplace_back(std::move(*weights));
    } else if (named.axis.axis == Axis::Prompt) {
      named.captions.push_back(part);
      named.axis.values.emplace_back(part);
    } else {
      double number = 0;
      if (!parseWhole(part, number))
        return fail(ErrorCode::BadUsage,
                    {{"reason",
                      std::string(flag) + " takes numbers with commas between them, not " + part}});
      named.captions.push_back(name + " " + part);
      if (named.axis.axis == Axis::Seed)
        named.axis.values.emplace_back(static_cast<std::int64_t>(number));
      else
        named.axis.values.emplace_back(number);
    }
  }
  if (named.captions.empty())
    return fail(
        ErrorCode::BadUsage,
        {{"reason", std::string(flag) + " takes an axis and its values, such as guidance=2,4,7"}});
  return named;
}

/// What the cells' jobs have left.
struct Sheet {
  std::vector<Image> pictures;
  std::vector<std::string> files, errors;  ///< of each cell; empty = none
  std::optional<Error> firstError;
  int made = 0;
  bool stopped = false;
};

Result<Sheet> makeCells(const std::vector<Result<GenerateRequest>>& cells,
                        const Named& rows,
                        const Named& columns,
                        Workspace& workspace) {
  Sheet sheet{std::vector<Image>(cells.size()),
              std::vector<std::string>(cells.size()),
              std::vector<std::string>(cells.size()),
              {}};
  const auto failed = [&](std::size_t cell, const Error& error) {
    if (!sheet.firstError) sheet.firstError = error;
    sheet.errors[cell] = message(error);
  };
  std::vector<std::size_t> numbers;
  std::vector<GenerateRequest> requests;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i]) {
      failed(i, cells[i].error());
      continue;
    }
    if (const auto errors = validate(*cells[i]); !errors.empty()) return fail(errors.front().error);
    numbers.push_back(i);
    requests.push_back(*cells[i]);
  }
  if (requests.empty()) return sheet;
  auto engine = openEngine(workspace);
  if (!engine) return fail(engine.error());
  std::size_t turn = 0;
  for (const std::size_t i : orderByWeights(requests)) {
    const std::size_t cell = numbers[i];
    std::fprintf(stderr,
                 "%zu of %zu: %s, %s\n",
                 ++turn,
                 requests.size(),
                 rows.captions[cell / columns.captions.size()].c_str(),
                 columns.captions[cell % columns.captions.size()].c_str());
    const auto result = runJob(**engine, requests[i], [&](const PictureReady& picture) {
      if (picture.kind != PictureKind::Result) return;
      sheet.pictures[cell] = picture.image;
      sheet.files[cell] = picture.file.string();
    });
    if (!result) {
      std::fprintf(stderr, "Note: %s\n", message(result.error()).c_str());
      failed(cell, result.error());
      continue;
    }
    sheet.stopped = result->stopped;
    if (sheet.stopped) break;
    ++sheet.made;
  }
  return sheet;
}

Result<CommandResult> runCompare(const CompareArguments& a, Workspace& workspace) {
  GenerateRequest request = a.request;
  if (const auto applied = a.flags.apply(request); !applied) return fail(applied.error());
  const fs::path resources = workspace.resources();
  const auto weights = weightsOf(request, request.model.checkpoint, resources);
  if (!weights) return fail(weights.error());
  const auto rows = parseAxis("--rows", a.rows, request, resources);
  if (!rows) return fail(rows.error());
  const auto columns = parseAxis("--columns", a.columns, request, resources);
  if (!columns) return fail(columns.error());
  if (rows->axis.axis == columns->axis.axis)
    return fail(ErrorCode::BadUsage,
                {{"reason", "--rows and --columns cannot stand for the same"}});
  if (rows->captions.size() * columns->captions.size() > kMostCells)
    return fail(ErrorCode::BadUsage,
                {{"reason", "a sheet has at most " + std::to_string(kMostCells) + " cells"}});
  const auto cells = sheetRequests(request, *weights, rows->axis, columns->axis);
  auto sheet = makeCells(cells, *rows, *columns, workspace);
  if (!sheet) return fail(sheet.error());
  if (sheet->made == 0 && !sheet->stopped && sheet->firstError) return fail(*sheet->firstError);

  CommandResult result;
  result.stopped = sheet->stopped;
  result.json["outcome"] = sheet->stopped ? "stopped" : "completed";
  result.json["made"] = sheet->made;
  result.json["cells"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    nlohmann::ordered_json cell = {{"row", rows->captions[i / columns->captions.size()]},
                                   {"column", columns->captions[i % columns->captions.size()]}};
    if (!sheet->files[i].empty()) cell["file"] = sheet->files[i];
    if (!sheet->errors[i].empty()) cell["error"] = sheet->errors[i];
    result.json["cells"].push_back(std::move(cell));
  }
  if (sheet->made == 0) {
    result.text = "Stopped before the first cell was made\n";
    return result;
  }
  const Image whole = image::captionedSheet(rows->captions, columns->captions, sheet->pictures);
  if (auto written = image::writePng(a.out, whole); !written) return fail(written.error());
  result.json["out"] = a.out.string();
  result.text = std::to_string(sheet->made) + " of " + std::to_string(cells.size()) +
                " cells are in " + a.out.string() + "\n";
  return result;
}

constexpr const char* kFooter =
    R"(Axes are checkpoint (latest, best or steps), guidance, prompt (with ; between them), strength (of the run's own
LoRA, else of the first --adapter) and seed. All else, also the seed, is the same in every cell; a cell that cannot be made stays empty.

Examples
  likeness-cli compare runs/bo --rows checkpoint=100,200,best --columns guidance=2,4,7 --out sheet.png
  likeness-cli compare runs/bo --rows checkpoint=latest --columns "prompt={subject} on the beach;a photo of {class}" --out sheet.png
  likeness-cli compare runs/bo-lora --rows strength=0,0.5,1 --columns guidance=4,7 --cells pictures --out sheet.png)";

}  // namespace

Command addCompare(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "compare", "Make a contact sheet: one thing changes by row, another by column");
  app->footer(kFooter);
  auto a = std::make_shared<CompareArguments>(*app);
  GenerateRequest& r = a->request;
  app->add_option("model", r.model.path, "A run, or a model as for `generate`")
      ->type_name("MODEL_OR_RUN")
      ->required();
  addModelFlags(*app, r.model);
  app->add_option("--rows", a->rows, "What the rows stand for")
      ->type_name("AXIS=VALUES")
      ->required();
  app->add_option("--columns", a->columns, "What the columns stand for")
      ->type_name("AXIS=VALUES")
      ->required();
  app->add_option("--cells", r.outFolder, "Folder for the picture of each cell as well")
      ->type_name("DIR");
  app->add_option("--out", a->out, "The sheet, a PNG")->type_name("FILE")->required();
  return {app, [a](Workspace& workspace) { return runCompare(*a, workspace); }};
}

}  // namespace likeness::cli
