// Pictures between the two processes: in memory of their own that can no longer be changed, handed
// over as a file descriptor.
#pragma once

#include "core/api/image.h"
#include "core/api/result.h"
#include "core/base/descriptor.h"

namespace likeness::remote {

/// The bytes of an image that is not empty. Errors: Internal, when the system has no memory or
/// descriptors left.
api::Result<base::Descriptor> sharePicture(const api::Image& image);
/// Gives an image without bytes those behind the descriptor. They are copied, once: api::Image owns
/// a vector, and no mapping can fault that does not exist. Errors: Internal, when it is not sealed
/// memory of exactly the image's size, or there is none and the image is not empty.
api::Result<void> takePicture(api::Image& image, const base::Descriptor& memory);

}  // namespace likeness::remote
