// likeness-cli convert: a model or an adapter in another form or number format.
#include "app/cli/command.h"
#include "app/cli/flags.h"
#include "app/cli/run_job.h"

namespace likeness::cli {

using namespace api;

namespace {

struct ConvertArguments {
  ConvertRequest request;
  std::string form = std::string(enumName(ModelForm::SingleFile));
  std::string dtype = "as-stored";
};

constexpr const char* kFooter =
    R"(single-file is what model sites, AUTOMATIC1111 and ComfyUI use; diffusers is a folder that Python programs open. The
result is compared with the source before it counts as done. After an interruption the same command goes on where it stopped.
kohya-lora and peft-lora write a LoRA, LoCon or DoRA of any dialect: the first for AUTOMATIC1111, Forge and ComfyUI, the second for diffusers.

Examples
  likeness-cli convert model.safetensors --form diffusers --out model
  likeness-cli convert old.ckpt --out new.safetensors
  likeness-cli convert model --form single-file --dtype fp16 --out small.safetensors
  likeness-cli convert pytorch_lora_weights.safetensors --form kohya-lora --out lora.safetensors)";

Result<CommandResult> runConvert(const ConvertArguments& a, Workspace& workspace) {
  ConvertRequest request = a.request;
  if (const auto form = parseChoice("--form", a.form, request.form); !form)
    return fail(form.error());
  if (const auto dtype = parseStoredType(a.dtype, request.dtype); !dtype)
    return fail(dtype.error());
  auto result = runJob(request, workspace);
  if (!result) return result;
  result->text = result->stopped ? "Stopped. The same command goes on from what is in " +
                                       request.out.string() + ".partial.\n"
                                 : "Converted to " + request.out.string() +
                                       (isLora(request.form)
                                            ? ". Opened again, it does the same to the weights.\n"
                                            : ". Opened again, every tensor is the source's.\n");
  return result;
}

}  // namespace

Command addConvert(CLI::App& root) {
  CLI::App* app =
      root.add_subcommand("convert", "Write a model or a LoRA in another form or number format");
  app->footer(kFooter);
  auto a = std::make_shared<ConvertArguments>();
  app->add_option(
         "model", a->request.model.path, "Folder, .safetensors or .ckpt file, or run; a LoRA file")
      ->type_name("MODEL")
      ->required();
  addModelFlags(*app, a->request.model);
  app->add_option("--form", a->form, "What to write")
      ->type_name("diffusers|single-file|kohya-lora|peft-lora")
      ->capture_default_str();
  addOutputFlags(*app, a->dtype, a->request.shardMiB, a->request.out);
  return {app, [a](Workspace& workspace) { return runConvert(*a, workspace); }};
}

}  // namespace likeness::cli
