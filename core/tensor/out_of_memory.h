// What an exception says about memory.
#pragma once

#include <exception>
#include <string_view>

namespace likeness::tensor {

/// LibTorch's allocators, oneDNN (a plain runtime_error) and operator new each say it in their way.
bool isOutOfMemory(const std::exception& error);
/// The same of a text alone.
bool speaksOfMemory(std::string_view text);

}  // namespace likeness::tensor
