// The plan: permutation per epoch, batches of one shape, one counter-based stream per place.
#include "core/data/data_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/api/timesteps.h"

namespace likeness::data {
namespace {

/// The pictures of a half, each as often as it is repeated; of the class half those of one class.
std::vector<std::int64_t> visited(const DataPlan& plan, Half half, std::int64_t kind = 0) {
  const auto& pictures = half == Half::Subject ? plan.photos : plan.classPictures;
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (half == Half::Subject || pictures[i].kind == kind)
      all.insert(
          all.end(), static_cast<std::size_t>(pictures[i].repeats), static_cast<std::int64_t>(i));
  return all;
}

/// The same in the order of one epoch.
std::vector<std::int64_t> visits(const DataPlan& plan,
                                 Half half,
                                 std::int64_t epoch,
                                 std::int64_t kind = 0) {
  const auto pictureOf = visited(plan, half, kind);
  auto order =
      epochOrder(plan.seed, half, epoch, static_cast<std::int64_t>(pictureOf.size()), kind);
  for (std::int64_t& visit : order) visit = pictureOf[static_cast<std::size_t>(visit)];
  return order;
}

/// A micro-batch of the subject half: number `index` among those of its shape.
struct Group {
  std::size_t shape = 0;
  std::int64_t index = 0;
};

/// Photos of each shape visited in an epoch.
std::vector<std::int64_t> visitsByShape(const DataPlan& plan) {
  std::vector<std::int64_t> counts;
  for (const PlanPicture& photo : plan.photos) {
    const auto shape = static_cast<std::size_t>(photo.shape);
    counts.resize(std::max(counts.size(), shape + 1));
    counts[shape] += photo.repeats;
  }
  return counts;
}

Group groupOf(const DataPlan& plan, std::int64_t microBatch) {
  auto gathered = visitsByShape(plan);
  const auto completeAfter = [&](std::int64_t epochs) {
    std::int64_t groups = 0;
    for (const std::int64_t count : gathered) groups += epochs * count / plan.batchSize;
    return groups;
  };
  // The epoch in which it is completed: at the latest batchSize epochs fill one more.
  std::int64_t epoch = 0, last = (microBatch + 1) * plan.batchSize;
  while (epoch < last) {
    const std::int64_t middle = (epoch + last) / 2;
    if (completeAfter(middle + 1) > microBatch)
      last = middle;
    else
      epoch = middle + 1;
  }
  std::int64_t before = completeAfter(epoch);
  for (std::int64_t& count : gathered) count *= epoch;
  for (const std::int64_t picture : visits(plan, Half::Subject, epoch)) {
    const auto shape =
        static_cast<std::size_t>(plan.photos[static_cast<std::size_t>(picture)].shape);
    if (++gathered[shape] % plan.batchSize == 0 && before++ == microBatch)
      return {shape, gathered[shape] / plan.batchSize - 1};
  }
  return {};  // not reached: the epoch completes it
}

/// Visit number `visit` of the photos of one shape, over all epochs.
std::int64_t photoAt(const DataPlan& plan, std::size_t shape, std::int64_t visit) {
  const std::int64_t perEpoch = visitsByShape(plan)[shape];
  auto photos = visits(plan, Half::Subject, visit / perEpoch);
  std::erase_if(photos, [&](std::int64_t photo) {
    return plan.photos[static_cast<std::size_t>(photo)].shape != static_cast<std::int64_t>(shape);
  });
  return photos[static_cast<std::size_t>(visit % perEpoch)];
}

/// Visit number `visit` of the class half, over all epochs.
std::int64_t classPictureAt(const DataPlan& plan, std::int64_t visit) {
  const auto perEpoch = static_cast<std::int64_t>(visited(plan, Half::Subject).size());
  const auto photos = visits(plan, Half::Subject, visit / perEpoch);
  const auto place = photos.begin() + visit % perEpoch;
  const auto kindOf = [&](std::int64_t photo) {
    return plan.photos[static_cast<std::size_t>(photo)].kind;
  };
  const std::int64_t kind = kindOf(*place);
  const auto ofKindUntil = [&](auto end) {
    return std::count_if(
        photos.begin(), end, [&](std::int64_t photo) { return kindOf(photo) == kind; });
  };
  const std::int64_t own = visit / perEpoch * ofKindUntil(photos.end()) + ofKindUntil(place);
  const auto perOwnEpoch = static_cast<std::int64_t>(visited(plan, Half::Class, kind).size());
  return visits(
      plan, Half::Class, own / perOwnEpoch, kind)[static_cast<std::size_t>(own % perOwnEpoch)];
}

}  // namespace

std::vector<std::int64_t> epochOrder(
    std::uint64_t seed, Half half, std::int64_t epoch, std::int64_t count, std::int64_t kind) {
  const base::Random random(
      seed,
      base::Purpose::Order,
      static_cast<std::uint64_t>(epoch),
      2 * static_cast<std::uint64_t>(kind) + static_cast<std::uint64_t>(half));
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (std::uint64_t last = order.size(); last-- > 1;)
    std::swap(order[last], order[random.below(last + 1, last)]);
  return order;
}

base::Random DataPlan::random(base::Purpose purpose,
                              std::int64_t step,
                              std::int64_t position,
                              Half half) const {
  return base::Random(seed,
                      purpose,
                      static_cast<std::uint64_t>(step),
                      2 * static_cast<std::uint64_t>(position) + static_cast<std::uint64_t>(half));
}

std::int64_t DataPlan::timestep(const base::Random& random) const {
  const auto [from, to] = api::timestepRange(loss, trainTimesteps);
  const std::int64_t count = to - from;
  if (loss.timesteps == api::TimestepDistribution::Uniform)
    return from + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)));
  float z = 0;
  random.normal({&z, 1});
  const double place = api::timestepPlace(loss, z);
  return from + std::min(static_cast<std::int64_t>(place * static_cast<double>(count)), count - 1);
}

std::int64_t DataPlan::shape(std::int64_t step, std::int64_t position) const {
  return static_cast<std::int64_t>(
      groupOf(*this, (step * globalBatch + position) / batchSize).shape);
}

Draw DataPlan::draw(std::int64_t step, std::int64_t position, Half half) const {
  const std::int64_t sample = step * globalBatch + position;
  const auto stream = [&](base::Purpose purpose) { return random(purpose, step, position, half); };
  const auto below = [&](base::Purpose purpose, std::int64_t bound) {
    return static_cast<std::int64_t>(stream(purpose).below(static_cast<std::uint64_t>(bound)));
  };
  const Group group = groupOf(*this, sample / batchSize);
  Draw draw;
  draw.timestep = timestep(stream(base::Purpose::Timestep));
  draw.withoutCaption = stream(base::Purpose::CaptionDropout).uniform() < loss.captionDropout;
  if (half == Half::Subject) {
    draw.picture = photoAt(*this, group.shape, group.index * batchSize + sample % batchSize);
    draw.flip = flip && below(base::Purpose::Flip, 2) == 1;
    draw.version = below(base::Purpose::Crop, copies);
  } else {
    draw.picture = classPictureAt(*this, sample);
    draw.version = static_cast<std::int64_t>(group.shape);
  }
  const auto& pictures = half == Half::Subject ? photos : classPictures;
  draw.prompt =
      below(base::Purpose::Caption, pictures[static_cast<std::size_t>(draw.picture)].prompts);
  return draw;
}

}  // namespace likeness::data
