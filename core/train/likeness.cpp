#include "core/train/likeness.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>

#include <numeric>

namespace likeness::train {

using api::Series;

api::Result<LikenessJudge> LikenessJudge::open(const api::TrainRequest& recipe,
                                               const std::vector<data::TrainingPicture>& photos,
                                               at::Device device) {
  LikenessJudge judge;
  for (const auto& [folder, series] : {std::pair{recipe.watch.dinoModel, Series::DinoLikeness},
                                       std::pair{recipe.watch.clipModel, Series::ClipLikeness}}) {
    if (folder.empty()) continue;
    auto tower = nn::VisionTower::open(folder, device);
    if (!tower) return api::fail(tower.error());
    if (tower->isClip() != (series == Series::ClipLikeness))
      return api::fail(
          api::ErrorCode::UnsupportedModel,
          {{"file", folder.string()},
           {"reason", tower->isClip() ? "it is a CLIP, not a DINO" : "it is no CLIP"}});
    judge.m_towers.push_back({std::move(*tower), series, {}});
  }
  if (judge.m_towers.empty()) return judge;
  const auto side = static_cast<int>(recipe.training.resolution);
  const std::size_t subjects = recipe.furtherSubjects.size() + 1;
  for (Tower& tower : judge.m_towers) tower.photos.resize(subjects);
  for (const data::TrainingPicture& photo : photos) {
    auto read = data::readPicture(photo, {side, side}, 8);
    if (!read) return api::fail(read.error());
    for (Tower& tower : judge.m_towers) {
      at::Tensor& all = tower.photos[photo.subject];
      const at::Tensor point = tower.network.embed(read->image);
      all = all.defined() ? at::cat({all, point}) : point;
    }
  }
  return judge;
}

void LikenessJudge::look(const api::Image& sample, const std::string& prompt, std::size_t subject) {
  for (const Tower& tower : m_towers) {
    const at::Tensor point = tower.network.embed(sample);
    m_seen[tower.series].push_back(tower.photos[subject].matmul(point[0]).mean().item<double>());
    if (const at::Tensor words = tower.network.embed(prompt); words.defined())
      m_seen[Series::ClipPrompt].push_back((words * point).sum().item<double>());
  }
}

std::vector<api::MetricSample> LikenessJudge::take(std::int64_t step) {
  std::vector<api::MetricSample> means;
  for (const auto& [series, values] : m_seen)
    means.push_back(
        {step,
         series,
         std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size())});
  m_seen.clear();
  return means;
}

}  // namespace likeness::train
