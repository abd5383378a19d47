// The little machine that a pickle is a program for, cut down to what files of weights need: it
// builds dictionaries, lists, tuples, texts, numbers and descriptions of tensors. Python calls
// functions here; this machine knows nine by name, which rebuild tensors and dictionaries, and
// never calls anything. Objects of a few training libraries become an opaque value; any other name
// ends the reading.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "core/weights/pickle_input.h"
#include "core/weights/safetensors.h"

namespace likeness::weights::pickle {

enum class Kind : std::uint8_t {
  None,
  Bool,
  Int,
  Real,      ///< value is of no use here
  Bytes,     ///< content not kept; also numbers beyond 64 bits
  Text,      ///< index of Objects::texts
  Sequence,  ///< tuple or list: index of Objects::sequences
  Dict,      ///< index of Objects::dicts
  Global,    ///< name of a class or function: index of Objects::texts, "module name"
  Storage,   ///< index of Objects::storages
  Tensor,    ///< index of Objects::tensors
  Opaque     ///< made by a class of another library: index of Objects::opaques
};

struct Value {
  Kind kind = Kind::None;
  std::int64_t number = 0;  ///< of Bool and Int; else the index
};

/// A run of bytes that the pickle only names.
struct Storage {
  std::string key;
  std::optional<ScalarType> dtype;  ///< empty: untyped, counted in bytes
  std::uint64_t count = 0;
};

/// A view of a storage, everything in elements. Not yet compared with the storage's size.
struct Tensor {
  std::size_t storage = 0;
  ScalarType dtype = ScalarType::F32;
  std::uint64_t offset = 0;
  std::vector<std::int64_t> shape, strides;
};

struct Opaque {
  std::size_t global = 0;      ///< index of texts: its class
  std::optional<Value> state;  ///< of a ParameterDict, which holds tensors
};

/// Everything that a pickle built; values may refer to each other in circles.
struct Objects {
  std::deque<std::string> texts;
  std::deque<std::vector<Value>> sequences;
  std::deque<std::vector<std::pair<Value, Value>>> dicts;
  std::vector<Storage> storages;
  std::vector<Tensor> tensors;
  std::vector<Opaque> opaques;
  std::uint64_t used = 0;  ///< against memoryLimit
};

/// Why a pickle was not read: a clause, or the name of what it asks to run.
struct Refusal {
  std::string reason;
  std::string global;  ///< "os.system"; empty = the pickle is damaged or of no known form
};

/// What the pickles of a file may take: opcodes, objects and texts, roughly in bytes of memory.
inline constexpr std::uint64_t memoryLimit = 48u << 20;

/// Runs one pickle (protocols 2 to 5) of `input` up to its STOP and returns its value. Several
/// pickles may fill the same Objects.
tl::expected<Value, Refusal> run(Input& input, Objects& objects);

}  // namespace likeness::weights::pickle
