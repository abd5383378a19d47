// Whole models as jobs read and write them: tensor by tensor, continued after an interruption,
// opened again and compared before they count as done.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>

#include "core/api/requests.h"
#include "core/base/reporter.h"
#include "core/weights/stored_model.h"

namespace likeness::engine {

/// A model that has all its tensors.
struct WholeModel {
  weights::StoredModel stored;
  std::filesystem::path vocabulary;  ///< folder of CLIP's
};
/// Errors: those of resolving and opening, ModelMismatch, UnsupportedModel; BadCombination for a
/// LoRA run and one that learned a word.
api::Result<WholeModel> openWhole(const api::ModelRef& model,
                                  const std::filesystem::path& resources);

/// That both are of one family and have the same tensors of the same shapes in these networks.
/// Errors: BadCombination naming the first that differ; all of them in the detail.
api::Result<void> requireSameTensors(const weights::StoredModel& a,
                                     const weights::StoredModel& b,
                                     std::span<const weights::NetworkKind> networks);

/// "FILE SIZE TIME" of every file of a model, a line each.
std::string filesOf(const weights::StoredModel& model);

/// Progress in MiB, as writers ask for it.
class ByteProgress {
 public:
  ByteProgress(base::Reporter& reporter, api::Stage stage);
  /// Returns whether to go on.
  bool operator()(std::uint64_t done, std::uint64_t total);
  /// What was there at the first call.
  const std::optional<std::uint64_t>& begun() const { return m_begun; }
  double seconds() const;

 private:
  base::Reporter& m_reporter;
  api::Stage m_stage;
  std::chrono::steady_clock::time_point m_start;
  std::optional<std::uint64_t> m_begun;
};

/// How a model is to be written.
struct WholeOutput {
  api::ModelForm form = api::ModelForm::SingleFile;  ///< Diffusers or SingleFile
  std::optional<api::FileDType> dtype;               ///< absent = as in the model it is made like
  std::int64_t shardMiB = 0;
  std::filesystem::path out;  ///< must not exist
  std::string note;  ///< what tells this job from another that was interrupted under this name
  /// Of a single file, in place of the model's own.
  std::optional<std::map<std::string, std::string>> metadata{};
};
/// Makes a tensor of a network by diffusers' key; the same every time.
using MakeTensor =
    std::function<api::Result<at::Tensor>(weights::NetworkKind, const std::string& key)>;

/// A model with the names, configs and tokenizers of `like` and the tensors that `make` gives, one
/// at a time. Builds it in OUT.partial, compares it with what `make` gives again and names it. A
/// call that finds the OUT.partial of the same note goes on there. Figures: parameters, bytes,
/// resumed_mib (what was there), write_s, verify_s, peak_rss_mib. Errors: FileUnwritable,
/// DiskFull, ModelMismatch, BadCombination (a vocabulary that a single file has no place for),
/// those of `make`.
api::Result<base::JobResult> writeWhole(const WholeModel& like,
                                        const WholeOutput& output,
                                        const MakeTensor& make,
                                        base::Reporter& reporter);

}  // namespace likeness::engine
