// From a request's model reference to networks that are ready to compute.
#pragma once

#include <filesystem>
#include <stop_token>
#include <vector>

#include "core/api/requests.h"
#include "core/nn/stable_diffusion.h"
#include "core/workspace/resolve_model.h"

namespace likeness::generate {

struct LoadedModel {
  workspace::ResolvedModel files;
  nn::StableDiffusion model;  ///< networks are null when the load was stopped
  at::ScalarType dtype;       ///< of parameters and computation
  bool stopped() const { return !model.vae.model; }
};

/// Resolves, chooses threads, device and dtype, loads every network in that dtype (frozen: pictures
/// only, no training) and attaches the run's own adapter and `adapters`, live, and the run's own
/// word and those of `embeddings`. Errors: those of resolveModel, chooseDevice, loadStableDiffusion
/// attachAdapterFile and addEmbeddings; ModelMismatch when `ref.hash` is another model's.
api::Result<LoadedModel> loadModel(const api::ModelRef& ref,
                                   const std::vector<api::AdapterRef>& adapters,
                                   const std::vector<std::string>& embeddings,
                                   const api::ComputeOptions& compute,
                                   const std::filesystem::path& resources,
                                   std::stop_token stop = {});

}  // namespace likeness::generate
