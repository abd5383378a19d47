// What the kinds of adapters do to a weight, as their papers and LyCORIS write it.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>

#include "core/weights/adapter_file.h"

namespace likeness::nn {

/// The parts of a module, of any shapes that weights::fits accepts.
using AdapterParts = std::map<weights::AdapterPart, at::Tensor>;

/// The change of a weight of this shape, before alpha: up down (over a Tucker core where there is
/// one), the product element by element of two such (LoHa), or the Kronecker product (LoKr). In the
/// type of the parts.
at::Tensor weightChange(weights::AdapterKind kind,
                        const AdapterParts& parts,
                        at::IntArrayRef weight);

/// DoRA: magnitude (W + change) / |W + change| - W. Norms of rows, or of columns; `magnitude` has
/// one number for each.
at::Tensor decomposedChange(const at::Tensor& weight,
                            const at::Tensor& change,
                            const at::Tensor& magnitude,
                            bool ofColumns);

}  // namespace likeness::nn
