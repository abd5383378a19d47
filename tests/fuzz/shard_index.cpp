// An index of shards of any bytes names files beside it, or is refused with a reason.
#include <cstdlib>

#include "core/weights/stored_network.h"
#include "tests/support/temp_folder.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const support::TempFolder folder;
  static const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  static const auto shard = support::put(
      folder / "a.safetensors",
      std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "abcd");
  support::put(folder / "diffusion_pytorch_model.safetensors.index.json",
               {reinterpret_cast<const char*>(data), size});
  const auto network =
      weights::openNetwork(folder.path(), weights::NetworkKind::UNet, {{"w", {1}}});
  if (!network) return api::message(network.error()).empty() ? (std::abort(), 0) : 0;
  for (const auto& file : network->files)
    if (file.parent_path() != folder.path()) std::abort();
  return 0;
}
