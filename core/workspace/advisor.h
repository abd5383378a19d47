// Whether a training is enough, told by its own curves: no further model is asked.
#pragma once

#include <optional>
#include <vector>

#include "core/api/events.h"

namespace likeness::workspace {

/// Lower is better: the subject's probe times the class's. A step is good as far as the subject's
/// loss fell by a larger part than the class's rose; without class pictures the subject's alone
/// counts. It needs no value of the untrained model, so that checkpoints can be compared by what
/// stands in their manifests.
double balance(double probeSubject, std::optional<double> probeClass);

/// What the curves up to their end say; nothing before five probes, of which the first must be that
/// of the untrained model. Learning while the balance still falls by 1 % within the last third of
/// the probes, or the subject has hardly come closer at all; then Drifting when the class's probe
/// lies 5 % above its first value or the class's picture has lost half of its structure (ClassDrift
/// 0.5), else Enough. `samples` in order of steps, of any series.
///
/// Limits: a probe is a loss, not what a person sees. It tells when more steps stop helping, and
/// that the model moves away from where it was; not whether the face is right. The class's picture
/// counts one seed, and may change its composition without harm.
std::optional<api::Advice> advise(const std::vector<api::MetricSample>& samples);

}  // namespace likeness::workspace
