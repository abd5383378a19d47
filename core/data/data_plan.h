// Which picture, caption, timestep, copy and flip each step takes: a pure function of the seed, so
// that resume, accumulation and ranks change nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "core/api/train_options.h"
#include "core/base/random.h"

namespace likeness::data {

/// The two halves of a batch: photos of the subject, pictures of the class.
enum class Half : std::uint64_t { Subject = 0, Class = 1 };

/// What the plan has to know of a picture.
struct PlanPicture {
  std::int64_t repeats = 1;  ///< visits in one epoch
  std::int64_t prompts = 1;  ///< each visit takes one of them
  std::int64_t shape = 0;    ///< of a photo: 0 .. number of shapes - 1
  std::int64_t kind = 0;     ///< its class; of a photo that of its subject
};

/// What one place of the global batch takes.
struct Draw {
  std::int64_t picture = 0;     ///< index into the half's pictures
  std::int64_t timestep = 0;    ///< 0 .. trainTimesteps - 1, see DataPlan::loss
  bool flip = false;            ///< mirrored; subject half only
  std::int64_t version = 0;     ///< of the picture: a photo's copy, the shape of a class picture
  std::int64_t prompt = 0;      ///< index into the picture's prompts
  bool withoutCaption = false;  ///< learned with the empty prompt
  bool operator==(const Draw&) const = default;
};

struct DataPlan {
  std::uint64_t seed = 1;
  std::vector<PlanPicture> photos{{}};     ///< the subject half
  std::vector<PlanPicture> classPictures;  ///< the class half, may be empty
  std::int64_t batchSize = 1;    ///< places of a half that go through the networks at once
  std::int64_t globalBatch = 1;  ///< places of a half per step: whole micro-batches
  std::int64_t trainTimesteps = 1000;
  bool flip = false;
  std::int64_t copies = 1;  ///< versions of each photo
  /// Its distribution and range of timesteps (thousandths of the schedule) and its caption dropout.
  api::LossOptions loss{};

  /// What place `position` (0 .. globalBatch - 1) of a half takes at `step` (0-based).
  ///
  /// Every epoch visits each picture as often as it is repeated, in an order of its own
  /// (Fisher-Yates over Purpose::Order). Photos are dealt from this order to the batch of their
  /// shape; a micro-batch comes as soon as its shape has `batchSize` of them, so all of its photos
  /// have one shape, and those that wait when an epoch ends go first in the next. With a single
  /// shape, or batches of one, the order itself is what is taken.
  ///
  /// The class half follows the order of photos: the class at a place is that of the photo which
  /// this order has there, so that an epoch of photos brings as many pictures of a class as photos
  /// of its subjects, and beside a photo stands its own class (but where photos waited for others
  /// of their shape). Each class goes through its pictures in epochs of its own.
  Draw draw(std::int64_t step, std::int64_t position, Half half) const;
  /// The shape of all rows of a micro-batch, both halves.
  std::int64_t shape(std::int64_t step, std::int64_t position) const;
  /// The stream of one kind of draw at one place; Random's `sample` is 2 x position + half.
  base::Random random(base::Purpose purpose,
                      std::int64_t step,
                      std::int64_t position,
                      Half half) const;

 private:
  std::int64_t timestep(const base::Random& random) const;
};

/// Order of `count` visits in an epoch; of the class half one for each class.
std::vector<std::int64_t> epochOrder(
    std::uint64_t seed, Half half, std::int64_t epoch, std::int64_t count, std::int64_t kind = 0);

}  // namespace likeness::data
