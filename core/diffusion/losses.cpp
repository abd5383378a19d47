// DreamBooth's loss over the two halves of a batch.
#include "core/diffusion/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mse_loss.h>

namespace likeness::diffusion {

DreamBoothLoss dreamBoothLoss(const at::Tensor& prediction,
                              const at::Tensor& target,
                              std::int64_t subjectRows,
                              double classWeight) {
  const auto mse = [&](std::int64_t from, std::int64_t rows) {
    return at::mse_loss(prediction.narrow(0, from, rows).to(at::kFloat),
                        target.narrow(0, from, rows).to(at::kFloat));
  };
  DreamBoothLoss loss;
  loss.subject = mse(0, subjectRows);
  loss.total = loss.subject;
  if (const std::int64_t classRows = prediction.size(0) - subjectRows; classRows > 0) {
    loss.classes = mse(subjectRows, classRows);
    loss.total = loss.subject + classWeight * loss.classes;
  }
  return loss;
}

}  // namespace likeness::diffusion
