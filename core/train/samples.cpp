// Samples through the same generator as every other picture.
#include "core/train/samples.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/api/subjects.h"
#include "core/base/file_system.h"
#include "core/generate/picture_file.h"
#include "core/workspace/checkpoint_manifest.h"
#include "core/workspace/run_folder.h"

namespace likeness::train {
namespace {

/// How a picture went, the first number of its row; its bytes follow.
constexpr float kStopped = 0, kMade = 1;
/// For a reason that every rank has, so that the first one says it.
constexpr float kRefused = 2;
/// Below 0: minus the step of the sampler at which it was no number any more.
float outcomeOf(const api::Error& error) {
  return error.code == api::ErrorCode::NonFinite ? -std::stof(std::string(error.value("step")))
                                                 : kRefused;
}

api::Image imageOf(const at::Tensor& row, const api::GenerateRequest& request) {
  auto bytes =
      std::make_shared<std::vector<std::uint8_t>>(static_cast<std::size_t>(row.numel() - 1));
  at::from_blob(bytes->data(), {row.numel() - 1}, at::TensorOptions(at::kByte))
      .copy_(row.slice(0, 1));
  return {static_cast<int>(request.width),
          static_cast<int>(request.height),
          api::PixelFormat::Rgb8,
          std::move(bytes)};
}

}  // namespace

SampleMaker::SampleMaker(nn::StableDiffusion& model,
                         const api::TrainRequest& recipe,
                         at::ScalarType compute,
                         Ranks& ranks,
                         RestingNetworks resting)
    : m_model(model),
      m_ranks(ranks),
      m_resting(std::move(resting)),
      m_recipe(recipe),
      m_generator(model, 1, compute) {
  nn::putAway(m_model, m_resting.kinds);
}

api::Result<void> SampleMaker::make(std::int64_t step, base::Reporter& reporter) {
  const auto back = nn::bringBack(m_model, m_resting.kinds, m_resting.options, reporter.stop());
  if (!back) reporter.warning(back.error());
  auto made = makeAll(step, back && *back, reporter);
  nn::putAway(m_model, m_resting.kinds);
  return made;
}

api::GenerateRequest SampleMaker::requestOf(std::int64_t step, std::int64_t index) const {
  const api::SamplePrompt sample = api::samplePrompts(m_recipe)[static_cast<std::size_t>(index)];
  api::GenerateRequest request;
  request.model = {m_recipe.runFolder.string(), std::to_string(step), {}};
  request.prompt = sample.prompt;
  request.subject = sample.subject;
  request.sampling = m_recipe.watch.sampling;
  request.seed = m_recipe.watch.sampleSeed;
  request.width = request.height = m_recipe.training.resolution;
  request.compute = m_recipe.compute;
  return generate::pictureRequest(request, 0);
}

/// Makes a picture into its row.
void SampleMaker::paint(const api::GenerateRequest& request,
                        const at::Tensor& row,
                        base::Reporter& reporter) {
  const auto latents = m_generator.latents(
      {request.prompt, "", request.sampling, {request.seed}, request.width, request.height, {}},
      {},
      reporter.stop());
  if (!latents) {
    reporter.warning(latents.error());
    row[0].fill_(outcomeOf(latents.error()));
    return;
  }
  if (!latents->defined()) return;
  const api::Image image = m_generator.decode(*latents).front();
  row[0].fill_(kMade);
  row.slice(0, 1).copy_(at::from_blob(
      const_cast<std::uint8_t*>(image.data()), {row.numel() - 1}, at::TensorOptions(at::kByte)));
}

/// In rounds of one picture for each rank, whose rows are added up to one another: so the first one
/// has them all, and all know whether to go on.
api::Result<void> SampleMaker::makeAll(std::int64_t step, bool ready, base::Reporter& reporter) {
  if (m_ranks.isFirst())
    if (auto made = base::makeFolder(m_recipe.runFolder / workspace::kSamplesFolder); !made)
      return made;
  m_generator.invalidate();
  const auto total = static_cast<std::int64_t>(api::samplePrompts(m_recipe).size());
  for (std::int64_t first = 0; first < total; first += m_ranks.size()) {
    const std::int64_t count = std::min(m_ranks.size(), total - first), own = m_ranks.rank();
    std::vector<api::GenerateRequest> requests;
    for (std::int64_t i = 0; i < count; ++i) requests.push_back(requestOf(step, first + i));
    const at::Tensor rows =
        at::zeros({count, 1 + 3 * requests[0].width * requests[0].height}, at::kFloat);
    if (own < count && ready) paint(requests[static_cast<std::size_t>(own)], rows[own], reporter);
    if (auto summed = m_ranks.beginSum(rows)(); !summed) return summed;
    for (std::int64_t i = 0; i < count; ++i) {
      const api::GenerateRequest& request = requests[static_cast<std::size_t>(i)];
      const auto outcome = rows[i][0].item<float>();
      if (outcome == kStopped) return {};
      if (!m_ranks.isFirst()) continue;
      if (outcome < 0 && i != own)
        reporter.warning({api::ErrorCode::NonFinite,
                          {{"what", "The picture"},
                           {"step", std::to_string(static_cast<std::int64_t>(-outcome))}},
                          {}});
      if (outcome != kMade) continue;
      const auto file = m_recipe.runFolder / workspace::sampleFile(step, first + i);
      const api::Image image = imageOf(rows[i], request);
      if (auto written = generate::writePicture(file, image, request); !written) return written;
      reporter.picture({api::PictureKind::Sample,
                        image,
                        file,
                        step,
                        first + i,
                        total,
                        request.prompt,
                        request.seed});
    }
  }
  return {};
}

}  // namespace likeness::train
