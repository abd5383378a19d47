// A file of any bytes is an embedding whose tensors it has, or refused with a reason.
#include "core/weights/embedding_file.h"

#include <cstdlib>

#include "tests/support/temp_folder.h"

using namespace likeness;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const support::TempFolder folder;
  const auto file =
      support::put(folder / "word.safetensors", {reinterpret_cast<const char*>(data), size});
  const auto embedding = weights::openEmbedding(file);
  if (!embedding) return api::message(embedding.error()).empty() ? (std::abort(), 0) : 0;
  const auto& tensors = embedding->file.tensors();
  if (embedding->words.empty() || embedding->count < 1 || embedding->width < 1) std::abort();
  if (!tensors.contains(embedding->first)) std::abort();
  if (!embedding->second.empty() && !tensors.contains(embedding->second)) std::abort();
  return 0;
}
