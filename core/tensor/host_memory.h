// Memory of tensors on the CPU that is used again instead of being asked from the system anew.
#pragma once

namespace likeness::tensor {

/// From now on LibTorch takes the memory of CPU tensors of 128 KiB and more from blocks that are
/// kept when a tensor ends, for the next one of about that size: the system clears every page that
/// it hands out, which is half of the time of a full training step of Stable Diffusion. Before a
/// new block is asked for, as much of what is kept goes back, so that the process never holds more
/// than its tensors took at their fullest moment. Once, before the first tensor; any thread.
/// Tensors from before are freed as they were made.
void keepHostMemory();

/// Gives back what is kept, and what malloc keeps: after a job, and between stages whose tensors
/// have other sizes. Any thread.
void releaseHostMemory();

}  // namespace likeness::tensor
