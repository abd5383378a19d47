// likeness-cli merge and extract: models out of models, and a LoRA out of two.
#include <cstdio>

#include "app/cli/command.h"
#include "app/cli/flags.h"
#include "app/cli/run_job.h"

namespace likeness::cli {

using namespace api;

namespace {

struct MergeArguments {
  MergeRequest request;
  std::string third;
  std::string method = std::string(enumName(MergeMethod::Weighted));
  std::string form = std::string(enumName(ModelForm::SingleFile));
  std::string dtype = "as-stored";
};

constexpr const char* kMergeFooter =
    R"(weighted is (1 - ratio) A + ratio B. add-difference is A + ratio (B - C): what B learned, C being the model that B was
trained from, on top of A. Every tensor is computed in fp32, the autoencoder too. The result is compared before it counts as done;
after an interruption the same command goes on where it stopped.

Examples
  likeness-cli merge a.safetensors b.safetensors --ratio 0.3 --out merged.safetensors
  likeness-cli merge other runs/bo starter --method add-difference --ratio 1 --form diffusers --out bo-on-other)";

Result<CommandResult> runMerge(const MergeArguments& a, Workspace& workspace) {
  MergeRequest request = a.request;
  if (!a.third.empty()) request.c = ModelRef{a.third};
  for (const auto& parsed : {parseChoice("--method", a.method, request.method),
                             parseChoice("--form", a.form, request.form),
                             parseStoredType(a.dtype, request.dtype)})
    if (!parsed) return fail(parsed.error());
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->text = result->stopped ? "Stopped. The same command goes on from what is in " +
                                       request.out.string() + ".partial.\n"
                                 : "Merged into " + request.out.string() +
                                       ". Opened again, every tensor is the sum.\n";
  return result;
}

struct ExtractArguments {
  ExtractRequest request;
  std::string form = std::string(enumName(ModelForm::KohyaLora));
  std::string dtype = std::string(enumName(FileDType::Fp16));
};

constexpr const char* kExtractFooter =
    R"(TUNED is a model that was trained from BASE, a run of the full method for example. Every layer of the UNet and of the text encoders
that differs gets the nearest change of this rank; a higher rank keeps more of the difference and makes a larger file.

Examples
  likeness-cli extract starter runs/bo --rank 32 --out bo.safetensors
  likeness-cli extract sd15.safetensors tuned.safetensors --rank 64 --form peft-lora --out lora.safetensors)";

std::string percent(const CommandResult& result, const char* figure) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * result.json.value(figure, 0.0));
  return text;
}

Result<CommandResult> runExtract(const ExtractArguments& a, Workspace& workspace) {
  ExtractRequest request = a.request;
  for (const auto& parsed : {parseChoice("--form", a.form, request.form),
                             parseChoice("--dtype", a.dtype, request.dtype)})
    if (!parsed) return fail(parsed.error());
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->text = result->stopped
                     ? "Stopped; nothing was written.\n"
                     : "Extracted to " + request.out.string() + ": " + figure(*result, "modules") +
                           " layers, " + percent(*result, "kept") +
                           " of the difference (squared Frobenius norm). " +
                           percent(*result, "outside") +
                           " is in biases, norms and embeddings, which a LoRA does not hold.\n";
  return result;
}

}  // namespace

Command addMerge(CLI::App& root) {
  CLI::App* app = root.add_subcommand("merge", "Make one model of two or three");
  app->footer(kMergeFooter);
  auto a = std::make_shared<MergeArguments>();
  app->add_option(
         "a", a->request.a.path, "Folder, .safetensors file or run; names and configs are its")
      ->type_name("A")
      ->required();
  app->add_option("b", a->request.b.path, "The model that is mixed in")->type_name("B")->required();
  app->add_option("c", a->third, "For add-difference: what B was trained from")->type_name("C");
  addModelFlags(*app, a->request.a);
  app->add_option("--method", a->method, "How to merge")
      ->type_name("weighted|add-difference")
      ->capture_default_str();
  app->add_option("--ratio", a->request.ratio, "How much of B, or of the difference; 0 = A alone")
      ->type_name("X")
      ->capture_default_str();
  app->add_option("--form", a->form, "What to write")
      ->type_name("diffusers|single-file")
      ->capture_default_str();
  addOutputFlags(*app, a->dtype, a->request.shardMiB, a->request.out);
  return {app, [a](Workspace& workspace) { return runMerge(*a, workspace); }};
}

Command addExtract(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("extract", "Write what a model learned beside its base as a LoRA");
  app->footer(kExtractFooter);
  auto a = std::make_shared<ExtractArguments>();
  app->add_option("base", a->request.base.path, "The model that was trained from")
      ->type_name("BASE")
      ->required();
  app->add_option("tuned", a->request.tuned.path, "The model that was trained, or a run")
      ->type_name("TUNED")
      ->required();
  app->add_option("--checkpoint",
                  a->request.tuned.checkpoint,
                  "Of a run: latest, best (by the probes) or a step number")
      ->type_name("latest|best|N")
      ->capture_default_str();
  app->add_option("--rank", a->request.rank, "Largest rank of a layer's change")
      ->type_name("R")
      ->capture_default_str();
  app->add_option("--alpha", a->request.alpha, "Alpha in the file; 0 = the rank")
      ->type_name("A")
      ->capture_default_str();
  app->add_option("--form", a->form, "Whose names the file has")
      ->type_name("kohya-lora|peft-lora")
      ->capture_default_str();
  app->add_option("--dtype", a->dtype, "Number format of the weights in the file")
      ->type_name("fp16|bf16|fp32")
      ->capture_default_str();
  app->add_option("--out", a->request.out, ".safetensors file to write; must not exist")
      ->type_name("FILE")
      ->required();
  return {app, [a](Workspace& workspace) { return runExtract(*a, workspace); }};
}

}  // namespace likeness::cli
