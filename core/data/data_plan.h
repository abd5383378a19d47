// Which picture, caption, timestep and flip each step takes: a pure function of the seed, so that
// resume, accumulation and ranks change nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "core/api/train_options.h"
#include "core/base/random.h"

namespace likeness::data {

/// The two halves of a batch: photos of the subject, pictures of the class.
enum class Half : std::uint64_t { Subject = 0, Class = 1 };

/// What one place of the global batch takes.
struct Draw {
  std::int64_t picture = 0;     ///< index into the half's pictures
  std::int64_t timestep = 0;    ///< 0 .. trainTimesteps - 1, see DataPlan::loss
  bool flip = false;            ///< mirrored; subject half only
  bool withoutCaption = false;  ///< learned with the empty prompt
  bool operator==(const Draw&) const = default;
};

struct DataPlan {
  std::uint64_t seed = 1;
  std::int64_t photos = 1;         ///< pictures of the subject half
  std::int64_t classPictures = 0;  ///< pictures of the class half
  std::int64_t globalBatch = 1;    ///< batchSize x gradientAccumulation: places of a half per step
  std::int64_t trainTimesteps = 1000;
  bool flip = false;
  /// Its distribution and range of timesteps (thousandths of the schedule) and its caption dropout.
  api::LossOptions loss{};

  /// What place `position` (0 .. globalBatch - 1) of a half takes at `step` (0-based). Every epoch
  /// visits each picture once, in an order of its own (Fisher-Yates over Purpose::Order).
  Draw draw(std::int64_t step, std::int64_t position, Half half) const;
  /// The stream of one kind of draw at one place; Random's `sample` is 2 x position + half.
  base::Random random(base::Purpose purpose,
                      std::int64_t step,
                      std::int64_t position,
                      Half half) const;

 private:
  std::int64_t timestep(const base::Random& random) const;
};

/// Order of `count` pictures in an epoch.
std::vector<std::int64_t> epochOrder(std::uint64_t seed,
                                     Half half,
                                     std::int64_t epoch,
                                     std::int64_t count);

}  // namespace likeness::data
