// What the user's vision models say of samples: the measures of Ruiz et al. 2023, section 4.1.
#pragma once

#include <map>
#include <vector>

#include "core/api/events.h"
#include "core/data/photo_set.h"
#include "core/nn/vision_tower.h"

namespace likeness::train {

/// Compares pictures with the photos as they are trained. Compute thread only; holds the networks
/// and one point for each photo.
class LikenessJudge {
 public:
  /// Without models in WatchOptions it judges nothing. Errors: those of VisionTower::open, of
  /// data::readPicture; UnsupportedModel when `clipModel` has no CLIP, or `dinoModel` one.
  static api::Result<LikenessJudge> open(const api::TrainRequest& recipe,
                                         const std::vector<data::TrainingPicture>& photos,
                                         at::Device device);
  /// Takes a sample that shows a subject (api::subjectsOf) into the means, beside the photos of
  /// that one. `prompt` is its prompt without the token.
  void look(const api::Image& sample, const std::string& prompt, std::size_t subject = 0);
  /// The means since the last call; none without samples.
  std::vector<api::MetricSample> take(std::int64_t step);

 private:
  struct Tower {
    nn::VisionTower network;
    api::Series series;
    std::vector<at::Tensor> photos;  ///< [photos, D] of each subject
  };
  std::vector<Tower> m_towers;
  std::map<api::Series, std::vector<double>> m_seen;
};

}  // namespace likeness::train
