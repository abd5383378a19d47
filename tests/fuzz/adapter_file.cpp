// Names and shapes of any kind are modules whose tensors the file has, or problems. A line is a
// name and the sides of its tensor.
#include <cstdlib>
#include <sstream>

#include "core/weights/adapter_file.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  weights::TensorInfos tensors;
  for (std::string line, name; std::getline(lines, line);) {
    std::istringstream words(line);
    words >> name;
    weights::TensorInfo info;
    // As many and as long as a file's header may say.
    for (std::int64_t side; info.shape.size() < 8 && words >> side;)
      if (side >= 0) info.shape.push_back(side);
    tensors.emplace(name, std::move(info));
  }
  const auto adapter = weights::readAdapterFile(tensors);
  if (!adapter) return 0;
  if (adapter->kind().empty()) std::abort();
  if (adapter->modules.empty() && adapter->problems.empty()) std::abort();
  for (const weights::AdapterModule& module : adapter->modules) {
    for (const auto& [part, name] : module.tensors)
      if (!tensors.contains(name)) std::abort();
    if (module.has(weights::AdapterPart::Magnitude)) weights::ofColumns(module, tensors);
  }
  for (const std::int64_t rank : adapter->ranks())
    if (rank < 0) std::abort();
  return 0;
}
