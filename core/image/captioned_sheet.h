// A contact sheet as one picture.
#pragma once

#include <string>
#include <vector>

#include "core/api/image.h"

namespace likeness::image {

/// RGB pictures row by row on white, with the captions of the rows at the left and of the columns
/// above; an empty one leaves its place grey. Those of another size than the largest stand in the
/// corner of their place. Captions are broken between words and cut after three lines; letters
/// beyond ASCII become "?". Nothing but captions: an empty image.
api::Image captionedSheet(const std::vector<std::string>& rows,
                          const std::vector<std::string>& columns,
                          const std::vector<api::Image>& pictures);

}  // namespace likeness::image
