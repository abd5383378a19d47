// The papers of a run beside its run.yaml: the identity of everything it learns from, and whether
// it may be continued.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/api/requests.h"
#include "core/base/reporter.h"
#include "core/data/photo_set.h"

namespace likeness::train {

/// inputs.json: what run.yaml's paths held, and what computed it.
struct RunInputs {
  struct Picture {
    std::string file, sha256;
    std::string prompt;  ///< alternatives as lines
    std::string crop;    ///< "x y width height" in fractions; empty = centre
    std::int64_t repeats = 1;
    std::string mask;         ///< SHA-256 of its file; empty = none
    std::size_t subject = 0;  ///< see data::TrainingPicture
    bool operator==(const Picture&) const = default;
  };
  std::string device, dtype;
  std::int64_t threads = 0;
  std::vector<Picture> photos, classPictures;
  std::int64_t ranks = 1;
};
RunInputs::Picture describe(const data::TrainingPicture& picture);

/// Errors: FileUnwritable, DiskFull.
api::Result<void> writeInputs(const std::filesystem::path& runFolder, const RunInputs& inputs);
/// Whether the folder holds a run, begun or finished.
bool holdsRun(const std::filesystem::path& runFolder);
/// Whether a run with these papers may be continued by this recipe and these photos, wherever they
/// lie now. Errors: RunIncompatible naming the key, PhotoChanged, FileUnreadable.
api::Result<void> checkContinuable(const api::TrainRequest& stored,
                                   const api::TrainRequest& recipe,
                                   const std::vector<data::TrainingPicture>& photos);
/// Reasons why a continued run will not have the bits of an uninterrupted one (other device, dtype,
/// threads, ranks, class pictures); empty = exact.
std::vector<std::string> inexactReasons(const RunInputs& stored, const RunInputs& now);
/// inputs.json; empty lists when the run had not come so far.
api::Result<RunInputs> readInputs(const std::filesystem::path& runFolder);

}  // namespace likeness::train
