// The weight path: layers take their tensors from it by diffusers' key, so constructing a model is
// loading it.
//
//   Weights w(store);  Linear toQ(w / "to_q", 320, 320, /*bias=*/false);   // takes
//   "....to_q.weight"
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/api/result.h"
#include "core/tensor/state_dict.h"

namespace likeness::nn {

/// One live adapter of a layer. Those made of products stay so: y += strength * scale * change(x),
///   up(down(x)), over `mid` between them where there is one;
///   for LoKr the Kronecker product of `factor` with up(down), or with `down` alone;
///   for DoRA y goes to magnitude * (y + scale * up(down(x))) / norm, without the bias, norm being
///   that of the rows of weight + scale * up down (taken for a constant, Liu et al. 2024, 4.3).
/// Others change the weight: strength * change(weight).
struct Adapter {
  at::Tensor down;      ///< [rank, in] (Linear) or [rank, in, k, k] (Conv2d)
  at::Tensor up;        ///< [out, rank] or [out, rank, 1, 1]
  double scale = 1;     ///< alpha / rank
  double strength = 1;  ///< live; 0 skips it
  /// Conv2d alone: a Tucker core [rank, rank, k, k]; `down` is [rank, in, 1, 1] then.
  at::Tensor mid = {};
  /// For LoHa, LoKr and DoRA of files: what is added to a weight at strength 1, both fp32. `down`
  /// and `up` are undefined; nothing here is trained.
  std::function<at::Tensor(const at::Tensor& weight)> change = {};
  std::size_t number = 0;  ///< which of the files and fresh adapters on the model it is part of
  /// LoKr: [l, m], with out = l k and in = m n. `down` is [k, n, ...] and `up` undefined, or they
  /// are [rank, n ...] (flat) and [k, rank].
  at::Tensor factor = {};
  at::Tensor magnitude = {};  ///< DoRA: [out] or [1, out, 1, 1], fp32
  /// DoRA: the norms of rows [out], fp32, kept until a matrix changes.
  struct Norms {
    at::Tensor ofRows;
    std::uint32_t down = 0, up = 0;  ///< versions of the matrices
  };
  std::shared_ptr<Norms> norms = {};
};
/// What a layer looks at besides its own weight. Shared by the layer and the store; the networks do
/// not know it.
struct AdapterSlot {
  std::vector<Adapter> adapters;
};

/// All parameters of one network (text encoder, UNet or VAE) by key. Their dtype is the master
/// dtype; layers compute in the dtype of their input (layers.h).
class ParameterStore {
 public:
  /// Takes tensors from a state dict, converted to `dtype` and `device`. `file` is for error texts.
  ParameterStore(tensor::StateDict source,
                 at::ScalarType dtype,
                 at::Device device,
                 std::string file);

  /// Missing, misshaped and left-over tensors as ModelMismatch with every name; call after
  /// construction of the model.
  api::Result<void> finish() const;

  /// Leaves, in key order. They need no gradient until someone calls requires_grad_ on them.
  const std::map<std::string, at::Tensor>& parameters() const;
  /// Layers that can carry an adapter, by module key ("down_blocks.0....to_q").
  const std::map<std::string, std::shared_ptr<AdapterSlot>>& slots() const;
  tensor::StateDict stateDict() const;  ///< detached, sharing memory
  /// Whether the network's blocks compute their activations again in a backward pass instead of
  /// keeping them (gradient_checkpoint.h); they do not at first. Between two passes only.
  void setCheckpointing(bool on) { *m_checkpointing = on; }
  std::int64_t parameterCount() const;
  at::Device device() const { return m_device; }
  at::ScalarType dtype() const { return m_dtype; }

  // Used by Weights alone.
  at::Tensor take(const std::string& key, at::IntArrayRef shape);
  std::shared_ptr<AdapterSlot> takeSlot(const std::string& moduleKey);
  bool has(const std::string& key) const;
  std::shared_ptr<const bool> checkpointing() const { return m_checkpointing; }

 private:
  tensor::StateDict m_source;
  std::map<std::string, at::Tensor> m_parameters;
  std::map<std::string, std::shared_ptr<AdapterSlot>> m_slots;
  std::vector<std::string> m_problems;
  std::shared_ptr<bool> m_checkpointing = std::make_shared<bool>(false);
  at::ScalarType m_dtype;
  at::Device m_device;
  std::string m_file;
};

/// A place in the store; cheap to copy.
class Weights {
 public:
  explicit Weights(ParameterStore& store, std::string prefix = {})
      : m_store(&store), m_prefix(std::move(prefix)) {}
  Weights operator/(std::string_view name) const;
  Weights operator/(std::int64_t index) const;
  /// The tensor `prefix.name`; a missing or misshaped one is noted for finish() and replaced by
  /// zeros.
  at::Tensor tensor(std::string_view name, at::IntArrayRef shape) const;
  bool has(std::string_view name) const;
  /// The adapter slot of the module at this path.
  std::shared_ptr<AdapterSlot> slot() const;
  /// The store's switch.
  std::shared_ptr<const bool> checkpointing() const { return m_store->checkpointing(); }
  const std::string& prefix() const { return m_prefix; }

 private:
  ParameterStore* m_store;
  std::string m_prefix;
};

}  // namespace likeness::nn
