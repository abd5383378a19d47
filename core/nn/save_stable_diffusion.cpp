// Writing a diffusers folder.
#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/base/file_system.h"
#include "core/nn/stable_diffusion.h"

namespace likeness::nn {
namespace {

namespace fs = std::filesystem;

api::Result<void> copyFile(const fs::path& from, const fs::path& to) {
  auto content = base::readFile(from);
  if (!content) return api::fail(content.error());
  return base::writeFile(to, *content);
}

/// Regular files directly in `from`, as far as `wanted` says.
template <class Wanted>
api::Result<void> copyFiles(const fs::path& from, const fs::path& to, const Wanted& wanted) {
  if (auto made = base::makeFolder(to); !made) return made;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(from, error)) {
    if (!entry.is_regular_file(error) || !wanted(entry.path())) continue;
    if (auto copied = copyFile(entry.path(), to / entry.path().filename()); !copied) return copied;
  }
  return {};
}

bool anyFile(const fs::path&) { return true; }

/// A model carries its recipe, card and licence with it.
bool isDocument(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == "likeness.yaml" || file.extension() == ".md" || name.starts_with("LICENSE");
}

bool isConfig(const fs::path& file) { return file.extension() == ".json"; }

api::Result<nlohmann::json> readJson(const fs::path& file) {
  auto content = base::readFile(file, 1 << 20);
  if (!content) return api::fail(content.error());
  auto json = nlohmann::json::parse(*content, nullptr, false);
  if (!json.is_object())
    return api::fail(api::ErrorCode::BadModelFile,
                     {{"file", file.string()}, {"reason", "it is not a JSON object"}});
  return json;
}

/// model_index.json without the parts that are not written (safety checker, image encoder).
api::Result<void> writeIndex(const fs::path& from, const fs::path& to) {
  auto json = readJson(from);
  if (!json) return api::fail(json.error());
  for (auto& [key, value] : json->items()) {
    const bool written = key == "unet" || key == "vae" || key == "text_encoder" ||
                         key == "tokenizer" || key == "scheduler";
    if (value.is_array() && !written) value = {nullptr, nullptr};
  }
  (*json)["requires_safety_checker"] = false;
  return base::writeFile(to, json->dump(2) + "\n");
}

/// transformers loads in the dtype that the config names, so it must name the one in the file.
api::Result<void> writeTextConfig(const fs::path& from, const fs::path& to, at::ScalarType dtype) {
  auto json = readJson(from);
  if (!json) return api::fail(json.error());
  const char* name = dtype == at::kHalf       ? "float16"
                     : dtype == at::kBFloat16 ? "bfloat16"
                                              : "float32";
  for (const char* key : {"dtype", "torch_dtype"})
    if (json->contains(key)) (*json)[key] = name;
  return base::writeFile(to, json->dump(2) + "\n");
}

api::Result<void> writeParts(const StableDiffusion& model,
                             const fs::path& out,
                             at::ScalarType dtype,
                             const tensor::StateDict& unet,
                             const tensor::StateDict& textEncoder) {
  const fs::path& in = model.folder;
  const auto config = [](const fs::path& folder) { return folder / "config.json"; };
  if (auto done = copyFiles(in, out, isDocument); !done) return done;
  if (auto done = copyFiles(in / "tokenizer", out / "tokenizer", anyFile); !done) return done;
  if (auto done = copyFiles(in / "scheduler", out / "scheduler", isConfig); !done) return done;
  if (auto done = writeIndex(in / "model_index.json", out / "model_index.json"); !done) return done;
  for (const char* part : {"unet", "vae", "text_encoder"})
    if (auto done = base::makeFolder(out / part); !done) return done;
  for (const char* part : {"unet", "vae"})
    if (auto done = copyFile(config(in / part), config(out / part)); !done) return done;
  if (auto done = writeTextConfig(config(in / "text_encoder"), config(out / "text_encoder"), dtype);
      !done)
    return done;
  const tensor::StateDict vae = model.vae.store->stateDict();
  const std::string diffusersName = "diffusion_pytorch_model.safetensors";
  const std::pair<fs::path, const tensor::StateDict*> files[] = {
      {out / "unet" / diffusersName, &unet},
      {out / "text_encoder" / "model.safetensors", &textEncoder},
      {out / "vae" / diffusersName, &vae}};
  for (const auto& [file, tensors] : files)
    if (auto done = tensor::saveSafetensors(file, *tensors, {{"format", "pt"}}, dtype); !done)
      return api::fail(done.error());
  return {};
}

}  // namespace

api::Result<void> saveStableDiffusion(const StableDiffusion& model,
                                      const fs::path& out,
                                      at::ScalarType dtype,
                                      const tensor::StateDict* replaceUnet,
                                      const tensor::StateDict* replaceTextEncoder) {
  std::error_code ignored;
  const auto status = fs::symlink_status(out, ignored);
  const bool emptyFolder = fs::is_directory(status) && fs::is_empty(out, ignored);
  if (fs::exists(status) && !emptyFolder) return api::fail(base::writeError(EEXIST, out));
  const fs::path building = base::temporaryName(out);
  if (auto cleared = base::removeAll(building); !cleared) return cleared;
  auto written =
      writeParts(model,
                 building,
                 dtype,
                 replaceUnet ? *replaceUnet : model.unet.store->stateDict(),
                 replaceTextEncoder ? *replaceTextEncoder : model.textEncoder.store->stateDict());
  // An empty folder gives way; removing fails when something has come into it meanwhile.
  if (written && emptyFolder)
    if (const int error = base::fileOperations().remove(out))
      written = api::fail(base::writeError(error, out));
  if (written) written = base::renameFolder(building, out);
  if (!written) (void)base::removeAll(building);
  return written;
}

}  // namespace likeness::nn
