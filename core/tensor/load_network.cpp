// The tensors of a network, read and converted by all threads straight into their final memory.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/tensor/state_dict.h"

namespace likeness::tensor {
namespace {

/// Bytes of a file that a thread takes at once: they are converted while its cache holds them.
constexpr std::uint64_t kPieceBytes = 512 << 10;

/// Rows of a tensor, one or more, and where they come to lie.
struct Piece {
  const weights::StoredTensor* stored;
  weights::TensorInfo info;  ///< of these bytes
  at::ScalarType from, to;
  std::byte* out;
  std::int64_t rows;
  std::int64_t channels = 1, window = 1;  ///< a row is [channels, window]; turned if window > 1
  std::int64_t count() const { return rows * channels * window; }
};

/// [rows, channels, window] -> [rows, window, channels].
template <class T>
void turn(const void* from, void* to, const Piece& piece) {
  const T* in = static_cast<const T*>(from);
  T* out = static_cast<T*>(to);
  for (std::int64_t row = 0; row < piece.rows; ++row, in += piece.channels * piece.window)
    for (std::int64_t place = 0; place < piece.window; ++place)
      for (std::int64_t channel = 0; channel < piece.channels; ++channel)
        *out++ = in[channel * piece.window + place];
}

void turn(const void* from, void* to, const Piece& piece) {
  switch (c10::elementSize(piece.to)) {
    case 2:
      return turn<std::uint16_t>(from, to, piece);
    case 4:
      return turn<std::uint32_t>(from, to, piece);
    default:
      TORCH_CHECK(c10::elementSize(piece.to) == 8, "networks compute in no such type: ", piece.to);
      return turn<std::uint64_t>(from, to, piece);
  }
}

/// Memory of one thread, used for one piece after the other.
class Reader {
 public:
  api::Result<void> operator()(const Piece& piece) {
    const auto size = static_cast<std::size_t>(piece.info.end - piece.info.begin);
    const bool converts = piece.from != piece.to, turns = piece.window > 1;
    std::byte* const bytes = converts || turns ? space(m_read, size) : piece.out;
    weights::StoredTensor part = *piece.stored;
    part.info = piece.info;
    if (auto done = part.read({bytes, size}); !done) return done;
    const void* values = bytes;
    if (converts) {
      const std::size_t converted =
          static_cast<std::size_t>(piece.count()) * c10::elementSize(piece.to);
      void* const out = turns ? space(m_converted, converted) : piece.out;
      convert(bytes, piece.from, out, piece.to, piece.count());
      values = out;
    }
    if (turns) turn(values, piece.out, piece);
    return {};
  }

 private:
  static std::byte* space(std::vector<std::byte>& buffer, std::size_t size) {
    if (buffer.size() < size) buffer.resize(size);
    return buffer.data();
  }
  void convert(void* from, at::ScalarType type, void* to, at::ScalarType wanted, std::int64_t n) {
    // LibTorch converts in vectors from and to fp32 alone.
    if (c10::elementSize(type) < 4 && c10::elementSize(wanted) < 4) {
      void* const wide = space(m_wide, static_cast<std::size_t>(n) * sizeof(float));
      convert(from, type, wide, at::kFloat, n);
      return convert(wide, at::kFloat, to, wanted, n);
    }
    at::from_blob(to, {n}, wanted).copy_(at::from_blob(from, {n}, type));
  }

  std::vector<std::byte> m_read, m_wide, m_converted;
};

/// Cuts a tensor into pieces of whole rows.
void cut(const weights::StoredTensor& stored,
         const at::Tensor& into,
         at::ScalarType from,
         std::vector<Piece>& pieces) {
  if (into.numel() == 0) return;
  const std::int64_t rows = into.dim() == 0 ? 1 : into.size(0);
  const auto rowBytes = (stored.info.end - stored.info.begin) / static_cast<std::uint64_t>(rows);
  // A transposed matrix has no rows in its file.
  const std::int64_t step =
      stored.transposed
          ? rows
          : static_cast<std::int64_t>(std::max<std::uint64_t>(kPieceBytes / rowBytes, 1));
  Piece piece{&stored, stored.info, from, into.scalar_type(), nullptr, 0};
  if (into.dim() == 4) piece.window = into.size(2) * into.size(3);
  piece.channels = into.numel() / rows / piece.window;
  for (std::int64_t row = 0; row < rows; row += step) {
    piece.rows = std::min(step, rows - row);
    if (!stored.transposed) {
      piece.info.begin = stored.info.begin + static_cast<std::uint64_t>(row) * rowBytes;
      piece.info.end = piece.info.begin + static_cast<std::uint64_t>(piece.rows) * rowBytes;
    }
    piece.out = static_cast<std::byte*>(into.data_ptr()) +
                static_cast<std::size_t>(row) * (into.nbytes() / static_cast<std::size_t>(rows));
    pieces.push_back(piece);
  }
}

}  // namespace

api::Result<StateDict> loadNetwork(const weights::StoredNetwork& network,
                                   at::ScalarType dtype,
                                   std::stop_token stop) {
  StateDict tensors;
  std::vector<Piece> pieces;
  for (const auto& [key, stored] : network.tensors) {
    const auto from = tensorType(stored.info.dtype);
    TORCH_CHECK(from, "a network with a tensor that is not of numbers: ", key);
    const at::Tensor tensor =
        at::empty(stored.info.shape,
                  dtype,
                  stored.info.shape.size() == 4 ? at::MemoryFormat::ChannelsLast
                                                : at::MemoryFormat::Contiguous);
    cut(stored, tensor, *from, pieces);
    tensors.emplace(key, tensor);
  }
  // In the order of the file, which a disk reads ahead.
  std::ranges::sort(pieces, {}, [](const Piece& piece) {
    return std::pair(piece.stored->file.get(), piece.info.begin);
  });

  std::mutex mutex;
  std::optional<api::Error> error;
  at::parallel_for(
      0, static_cast<std::int64_t>(pieces.size()), 1, [&](std::int64_t i, std::int64_t end) {
        Reader read;
        for (; i < end && !stop.stop_requested(); ++i)
          if (auto done = read(pieces[static_cast<std::size_t>(i)]); !done) {
            const std::lock_guard lock(mutex);
            error = done.error();
            return;
          }
      });
  if (error) return api::fail(*error);
  if (stop.stop_requested()) return StateDict{};
  return tensors;
}

}  // namespace likeness::tensor
