// Samples through the same generator as every other picture.
#include "core/train/samples.h"

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/generate/picture_file.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/run_folder.h"

namespace likeness::train {

SampleMaker::SampleMaker(nn::StableDiffusion& model,
                         const api::TrainRequest& recipe,
                         at::ScalarType compute,
                         RestingNetworks resting)
    : m_model(model),
      m_resting(std::move(resting)),
      m_recipe(recipe),
      m_generator(model, 1, compute) {
  nn::putAway(m_model, m_resting.kinds);
}

api::Result<void> SampleMaker::make(std::int64_t step, base::Reporter& reporter) {
  const auto back = nn::bringBack(m_model, m_resting.kinds, m_resting.options, reporter.stop());
  if (!back) reporter.warning(back.error());
  auto made = back && *back ? makeAll(step, reporter) : api::Result<void>{};
  nn::putAway(m_model, m_resting.kinds);
  return made;
}

api::Result<void> SampleMaker::makeAll(std::int64_t step, base::Reporter& reporter) {
  const auto folder = m_recipe.runFolder / workspace::kSamplesFolder;
  if (auto made = base::makeFolder(folder); !made) return made;
  m_generator.invalidate();
  const auto prompts = api::samplePrompts(m_recipe);
  const auto total = static_cast<std::int64_t>(prompts.size());
  for (std::int64_t i = 0; i < total; ++i) {
    api::GenerateRequest request;
    request.model = {m_recipe.runFolder.string(), std::to_string(step), {}};
    request.prompt = prompts[static_cast<std::size_t>(i)].prompt;
    request.subject = prompts[static_cast<std::size_t>(i)].subject;
    request.sampling = m_recipe.watch.sampling;
    request.seed = m_recipe.watch.sampleSeed;
    request.width = request.height = m_recipe.training.resolution;
    request.compute = m_recipe.compute;
    request = generate::pictureRequest(request, 0);
    const auto latents = m_generator.latents(
        {request.prompt, "", request.sampling, {request.seed}, request.width, request.height, {}},
        {},
        reporter.stop());
    if (!latents) {
      reporter.warning(latents.error());
      continue;
    }
    if (!latents->defined()) return {};  // stopped
    const auto file = m_recipe.runFolder / workspace::sampleFile(step, i);
    const api::Image image = m_generator.decode(*latents).front();
    if (auto written = generate::writePicture(file, image, request); !written) return written;
    reporter.picture(
        {api::PictureKind::Sample, image, file, step, i, total, request.prompt, request.seed});
  }
  return {};
}

}  // namespace likeness::train
