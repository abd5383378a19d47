#include "core/train/adafactor.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/train/optimizer_kernels.h"

namespace likeness::train {
namespace {

constexpr double kEpsilon = 1e-30;
/// Parts of a matrix that threads sum apart, each with its own sums of the columns.
constexpr std::int64_t kMostBands = 16, kBandSize = 1 << 16;

/// Rows of a tensor that is factored, which lie in memory one after the other; 0 = it is not.
std::int64_t rowsOf(const at::Tensor& value) {
  if (value.dim() < 2 || value.size(0) < 2) return 0;
  const std::int64_t columns = value.numel() / value.size(0);
  return columns > 1 && value.stride(0) == columns ? value.size(0) : 0;
}

double forgetting(std::int64_t number) { return 1 - std::pow(static_cast<double>(number), -0.8); }

}  // namespace

std::vector<Optimizer::Slot> Adafactor::makeSlots(const at::Tensor& value) const {
  const std::int64_t rows = rowsOf(value);
  if (rows == 0) return {{"exp_avg_sq", at::zeros_like(value, at::kFloat)}};
  const auto options = value.options().dtype(at::kFloat);
  return {{"exp_avg_sq_row", at::zeros({rows}, options)},
          {"exp_avg_sq_col", at::zeros({value.numel() / rows}, options)}};
}

/// r, c, and the factors that make u of g. Bands are fixed, and their sums are added in order.
void Adafactor::gatherMatrix(std::size_t parameter, const Update& update) {
  const std::int64_t size = parameters()[parameter].value.numel();
  const std::int64_t rows = slot(parameter, 0).numel(), columns = size / rows;
  const std::int64_t bands = std::min({rows, kMostBands, 1 + size / kBandSize});
  std::vector<double> rowSums(static_cast<std::size_t>(rows));
  std::vector<std::vector<double>> columnSums(static_cast<std::size_t>(bands));
  forEach(columnSums.size(), [&](std::size_t band, Scratch& scratch) {
    columnSums[band].resize(static_cast<std::size_t>(columns));
    const auto index = static_cast<std::int64_t>(band);
    for (std::int64_t row = rows * index / bands; row < rows * (index + 1) / bands; ++row)
      rowSums[static_cast<std::size_t>(row)] =
          kernels::addSquares(columns,
                              static_cast<float>(update.gradientFactor),
                              gradient({parameter, row * columns, columns}, scratch),
                              columnSums[band].data());
  });
  for (std::size_t band = 1; band < columnSums.size(); ++band)
    std::ranges::transform(
        columnSums[0], columnSums[band], columnSums[0].begin(), std::plus<double>());

  const double b = forgetting(update.number);
  const auto renew = [&](at::Tensor& means, const std::vector<double>& sums, std::int64_t over) {
    auto* const mean = means.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < sums.size(); ++i)
      mean[i] = static_cast<float>(b * static_cast<double>(mean[i]) +
                                   (1 - b) * (sums[i] / static_cast<double>(over) + kEpsilon));
    return std::span<const float>(mean, sums.size());
  };
  const auto r = renew(slot(parameter, 0), rowSums, columns);
  const auto c = renew(slot(parameter, 1), columnSums[0], rows);
  const double mean = std::accumulate(r.begin(), r.end(), 0.0) / static_cast<double>(rows);
  Factors& factors = m_factors[parameter];
  for (const float v : r)
    factors.rows.push_back(static_cast<float>(std::sqrt(mean / static_cast<double>(v))));
  for (const float v : c)
    factors.columns.push_back(static_cast<float>(1 / std::sqrt(static_cast<double>(v))));
}

namespace {

/// Calls `work(row, first column, offset in the piece, length)` for each part of a row in a piece.
template <class Work>
void forEachRow(std::int64_t begin, std::int64_t size, std::size_t columnCount, const Work& work) {
  const auto columns = static_cast<std::int64_t>(columnCount);
  for (std::int64_t at = begin, end = begin + size; at < end;) {
    const std::int64_t column = at % columns;
    const std::int64_t length = std::min(columns - column, end - at);
    work(static_cast<std::size_t>(at / columns), column, at - begin, length);
    at += length;
  }
}

}  // namespace

void Adafactor::prepare(const std::vector<Piece>& pieces, const Update& update) {
  m_factors.assign(parameters().size(), {});
  for (const Piece& p : pieces)
    if (p.begin == 0 && rowsOf(parameters()[p.parameter].value) > 0)
      gatherMatrix(p.parameter, update);
  const auto factor = static_cast<float>(update.gradientFactor);
  const auto b = static_cast<float>(forgetting(update.number));
  std::vector<double> sums(pieces.size());  // of u u
  forEach(pieces.size(), [&](std::size_t i, Scratch& scratch) {
    const Piece& p = pieces[i];
    const Factors& factors = m_factors[p.parameter];
    const float* const g = gradient(p, scratch);
    if (factors.rows.empty()) {
      sums[i] = kernels::squares(p.size, b, factor, g, slot(p, 0));
      return;
    }
    forEachRow(
        p.begin, p.size, factors.columns.size(), [&](auto row, auto column, auto at, auto n) {
          sums[i] += kernels::sumOfScaledSquares(
              n, factor * factors.rows[row], factors.columns.data() + column, g + at);
        });
  });
  for (std::size_t i = 0; i < pieces.size();) {
    const std::size_t parameter = pieces[i].parameter;
    double sum = 0;
    for (; i < pieces.size() && pieces[i].parameter == parameter; ++i) sum += sums[i];
    const auto count = static_cast<double>(parameters()[parameter].value.numel());
    m_factors[parameter].clip = 1 / std::max(1.0, std::sqrt(sum / count));
  }
}

void Adafactor::updatePiece(const Piece& p, const Update& update, const float* g, float* value) {
  const Factors& factors = m_factors[p.parameter];
  const double rate = rateOf(p.parameter, update);
  const auto decay = static_cast<float>(1 - rate * options().weightDecay);
  const auto scale = static_cast<float>(rate * factors.clip * update.gradientFactor);
  if (factors.rows.empty()) {
    kernels::scaledByRoot(p.size, decay, scale, g, slot(p, 0), value);
    return;
  }
  forEachRow(p.begin, p.size, factors.columns.size(), [&](auto row, auto column, auto at, auto n) {
    kernels::scaledByColumns(
        n, decay, scale * factors.rows[row], g + at, factors.columns.data() + column, value + at);
  });
}

void Adafactor::updateTensor(std::size_t parameter,
                             const Update& update,
                             const at::Tensor& gradient,
                             const at::Tensor& value) {
  const double b = forgetting(update.number), rate = rateOf(parameter, update);
  at::Tensor change;
  if (const std::int64_t rows = rowsOf(value); rows > 0) {
    const auto matrix = [&](const at::Tensor& t) {
      return t.as_strided({rows, t.numel() / rows}, {t.numel() / rows, 1});
    };
    const at::Tensor square = matrix(gradient).square().add_(kEpsilon);
    const at::Tensor &r = slot(parameter, 0), &c = slot(parameter, 1);
    r.lerp_(square.mean(1), 1 - b);
    c.lerp_(square.mean(0), 1 - b);
    change = at::empty_like(value);
    matrix(change).copy_(
        matrix(gradient).mul(r.div(r.mean()).rsqrt_().unsqueeze(1)).mul_(c.rsqrt()));
  } else {
    const at::Tensor& square = slot(parameter, 0);
    square.lerp_(gradient.square().add_(kEpsilon), 1 - b);
    change = gradient.mul(square.rsqrt());
  }
  change.div_(change.square().mean().sqrt_().clamp_min_(1));
  value.mul_(1 - rate * options().weightDecay).sub_(change, rate);
}

}  // namespace likeness::train
