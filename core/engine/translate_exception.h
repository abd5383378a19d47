// The one place where exceptions become errors: a user sees a sentence, the log the inner text,
// nobody a backtrace.
#pragma once

#include <exception>

#include "core/api/result.h"

namespace likeness::engine {

/// Out of memory (LibTorch's or the library's) -> NotEnoughMemory; file-system failures by their
/// errno; everything else -> Internal with the inner text in `detail`. `exception` must not be
/// null.
api::Error translateException(std::exception_ptr exception);

}  // namespace likeness::engine
