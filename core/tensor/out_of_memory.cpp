// What an exception says about memory.
#include "core/tensor/out_of_memory.h"

#include <c10/util/Exception.h>

#include <new>

namespace likeness::tensor {

bool speaksOfMemory(std::string_view text) {
  for (const std::string_view words :
       {"not enough memory", "can't allocate memory", "out of memory", "Cannot allocate memory"})
    if (text.find(words) != std::string_view::npos) return true;
  return false;
}

bool isOutOfMemory(const std::exception& error) {
  return dynamic_cast<const std::bad_alloc*>(&error) ||
         dynamic_cast<const c10::OutOfMemoryError*>(&error) || speaksOfMemory(error.what());
}

}  // namespace likeness::tensor
