// likeness-cli generate and class-images: words in, pictures out.
#include "app/cli/command.h"
#include "app/cli/picture_flags.h"
#include "app/cli/run_job.h"
#include "core/text/prompt.h"

namespace likeness::cli {

using namespace api;
namespace fs = std::filesystem;

namespace {

tl::unexpected<Error> usage(std::string reason) {
  return fail(ErrorCode::BadUsage, {{"reason", std::move(reason)}});
}

struct GenerateArguments {
  explicit GenerateArguments(CLI::App& app) : flags(app, request) {}
  GenerateRequest request;
  PictureFlags flags;
  fs::path prompts;
};

Result<CommandResult> runGenerate(const GenerateArguments& a, Workspace& workspace) {
  GenerateRequest request = a.request;
  if (const auto applied = a.flags.apply(request); !applied) return fail(applied.error());
  if (request.prompt.empty() == a.prompts.empty())
    return usage("Either --prompt or --prompts says what to draw");
  if (!a.prompts.empty()) {
    auto prompts = text::readPromptFile(a.prompts);
    if (!prompts) return fail(prompts.error());
    request.prompts = std::move(*prompts);
  }
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->text =
      std::string(result->stopped ? "Stopped; what was finished is in " : "Pictures are in ") +
      request.outFolder.string() + " (" + figure(*result, "per_image_s") +
      " s each, model loaded in " + figure(*result, "load_s") + " s); " +
      (request.prompts.size() > 1 ? "longest prompt " : "prompt ") +
      figure(*result, "prompt_tokens") + "/" + figure(*result, "prompt_limit") + " tokens\n";
  return result;
}

constexpr const char* kGenerateFooter = R"(Examples
  likeness-cli generate --model runs/bo --prompt "a photo of {subject} on the beach" --count 4 --out pictures
  likeness-cli generate --model runs/bo --prompt "a photo of sks dog" --guidance 5 --seed 7 --out pictures
  likeness-cli generate --model ~/models/sd15 --adapter bo-lora.safetensors:0.8 --prompt "sks dog" --out pictures
  likeness-cli generate --prompt "a red car" --sampler dpmpp_2m --steps 20 --karras --grid --out pictures
  likeness-cli generate --prompt "a {red|blue} car, (snow:1.3), [people]" --count 8 --out pictures
  likeness-cli generate --prompts scenes.txt --count 2 --grid --out pictures
In prompts (word) weighs 1.1, (word:1.3) 1.3 and [word] 1/1.1 of the rest; {a|b} is one of the two, by the seed of the picture;
BREAK begins a new chunk of 75 tokens, as does every 75th token; \( \) \[ \] are the characters. --prompt-syntax plain reads none of this.
Picture i has seed + i. Every PNG carries its complete request; `likeness-cli inspect PICTURE.png` shows it.)";

struct ClassImageArguments {
  explicit ClassImageArguments(CLI::App& app) : flags(app) {}
  Flags flags;
  ClassImagesRequest request;
};

Result<CommandResult> runClassImages(const ClassImageArguments& a, Workspace& workspace) {
  ClassImagesRequest request = a.request;
  for (const auto& applied : {a.flags.apply("subject", request.subject),
                              a.flags.apply("sampling", request.prior.sampling),
                              a.flags.apply("compute", request.compute)})
    if (!applied) return fail(applied.error());
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->text = (result->stopped ? "Stopped; " : "") + figure(*result, "made") +
                 " new class pictures are in " + figure(*result, "folder") + "\n";
  return result;
}

constexpr const char* kClassImagesFooter =
    R"(Pictures are kept under a key of model, words and settings, so a second call completes what a first one began.

Example
  likeness-cli class-images --class dog --count 100 --out class-images)";

}  // namespace

Command addGenerate(CLI::App& root) {
  CLI::App* app = root.add_subcommand("generate", "Make pictures from words with a model or a run");
  app->footer(kGenerateFooter);
  auto a = std::make_shared<GenerateArguments>(*app);
  GenerateRequest& r = a->request;
  app->add_option("--model",
                  r.model.path,
                  "starter (built in), a Stable Diffusion folder in diffusers' form, a "
                  ".safetensors or .ckpt checkpoint, or a run")
      ->type_name("MODEL_OR_RUN")
      ->default_str(r.model.path);
  addModelFlags(*app, r.model);
  app->add_option("--out", r.outFolder, "Folder for the pictures")->type_name("DIR")->required();
  app->add_option("--prompts",
                  a->prompts,
                  "In place of --prompt: a text file with a prompt on each line, for --count "
                  "pictures each; lines that begin with # are skipped")
      ->type_name("FILE");
  return {app, [a](Workspace& workspace) { return runGenerate(*a, workspace); }};
}

Command addClassImages(CLI::App& root) {
  CLI::App* app = root.add_subcommand(
      "class-images", "Make the class pictures that training uses to keep the class as it was");
  app->footer(kClassImagesFooter);
  auto a = std::make_shared<ClassImageArguments>(*app);
  ClassImagesRequest& r = a->request;
  app->add_option("--base", r.base.path, "The model that makes them")
      ->type_name("MODEL")
      ->default_str(r.base.path);
  app->add_option("--count", r.prior.classImages, "How many there shall be")
      ->type_name("N")
      ->capture_default_str();
  app->add_option("--resolution",
                  r.resolution,
                  "Side in pixels, a multiple of 8; 0 = what the model was made for")
      ->type_name("PX")
      ->capture_default_str();
  app->add_option("--negative", r.prior.negativePrompt, "What they should not show")
      ->type_name("TEXT");
  app->add_option("--seed", r.seed, "Seed of the first picture")
      ->type_name("N")
      ->capture_default_str();
  app->add_option("--out", r.outFolder, "Folder that holds them, one folder per key")
      ->type_name("DIR")
      ->required();
  a->flags.add("subject", r.subject, {"subjectName", "token", "subjectPrompt"});
  a->flags.add("sampling", r.prior.sampling);
  a->flags.add("compute", r.compute);
  return {app, [a](Workspace& workspace) { return runClassImages(*a, workspace); }};
}

}  // namespace likeness::cli
