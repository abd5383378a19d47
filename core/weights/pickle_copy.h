// Weights whatever the file is. A pickle file (.ckpt, .pt, .pth, .bin) is read by a process of its
// own, which has no rights and little memory and time, and of which nothing is believed: what comes
// back is kept in the user's cache as a .safetensors file, and that is what is opened.
#pragma once

#include "core/weights/pickle_reader.h"
#include "core/weights/safetensors.h"

namespace likeness::weights {

/// Whether the file is to be read as a pickle: by how it begins, or by its name where it does not
/// begin like a .safetensors file. False for what cannot be read.
bool isPickle(const std::filesystem::path& file);

/// The .safetensors file in the user's cache with the tensors of a pickle file, made when there is
/// none of this path, size and time of change; that takes as long as copying. Copies whose source
/// is gone or has changed are removed then. Names of tensors: see pickle_file.h. Errors:
/// FileNotFound, FileUnreadable, BadModelFile, UnsafeFile, FileUnwritable, DiskFull.
api::Result<std::filesystem::path> safeCopyOf(const std::filesystem::path& file,
                                              const PickleLimits& limits = {});

/// SafetensorsFile::open of the file, or of its safe copy if it is a pickle. Errors: both.
api::Result<SafetensorsFile> openWeights(const std::filesystem::path& file);

}  // namespace likeness::weights
