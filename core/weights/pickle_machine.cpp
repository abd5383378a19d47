// One opcode after the other: a stack, marks on it, and a memo, as Python's pickletools describes
// them.
#include "core/weights/pickle_machine.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/weights/pickle_names.h"

namespace likeness::weights::pickle {
namespace {

constexpr std::size_t maxDimensions = 32;
constexpr std::size_t maxGlobalBytes = 200;

class Machine {
 public:
  Machine(Input& input, Objects& objects) : m_input(input), m_objects(objects) {}

  tl::expected<Value, Refusal> run() {
    while (!m_done && m_refusal.reason.empty()) step();
    if (!m_refusal.reason.empty()) return tl::unexpected(m_refusal);
    return m_result;
  }

 private:
  // ---- refusing

  void refuse(std::string reason, std::string global = {}) {
    if (m_refusal.reason.empty()) m_refusal = {std::move(reason), std::move(global)};
  }
  bool fine() const { return m_refusal.reason.empty(); }
  /// Everything that grows passes here.
  bool charge(std::uint64_t bytes) {
    if (bytes > memoryLimit - m_objects.used) {
      refuse("what it describes beside its tensors is too large");
      return false;
    }
    m_objects.used += bytes;
    return true;
  }

  // ---- reading

  /// Little-endian number of `bytes` bytes; 0 after a refusal.
  std::uint64_t number(std::size_t bytes) {
    std::array<char, 8> raw{};
    if (!m_input.read(std::span(raw).first(bytes))) refuse("it ends early");
    std::uint64_t value = 0;
    for (std::size_t i = 0; fine() && i < bytes; ++i)
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
    return value;
  }
  std::string text(std::uint64_t bytes) {
    std::string out;
    if (bytes > m_input.left()) {
      refuse("it ends early");
    } else if (charge(bytes)) {
      out.resize(bytes);
      if (!m_input.read(out)) refuse("it ends early");
    }
    return out;
  }
  std::string line() {
    std::string out;
    for (char c = 0; fine();) {
      if (!m_input.read(std::span(&c, 1)))
        refuse("it ends early");
      else if (c == '\n')
        return out;
      else if (out.size() == maxGlobalBytes)
        refuse("a name in it is too long");
      else
        out += c;
    }
    return out;
  }
  void skip(std::uint64_t bytes) {
    if (!m_input.skip(bytes)) refuse("it ends early");
    push({Kind::Bytes});
  }
  /// A whole number of any size, sign in its last bit.
  void pushLong(std::uint64_t bytes) {
    if (bytes > 8) return skip(bytes);
    std::uint64_t value = number(bytes);
    if (bytes > 0 && bytes < 8 && (value >> (8 * bytes - 1) & 1)) value |= ~0ULL << (8 * bytes);
    push({Kind::Int, static_cast<std::int64_t>(value)});
  }

  // ---- the stack

  void push(Value value) {
    if (charge(2 * sizeof(Value))) m_stack.push_back(value);
  }
  /// How many values lie above the last mark.
  std::size_t above() const { return m_stack.size() - (m_marks.empty() ? 0 : m_marks.back()); }
  Value underflow() {
    refuse("it takes more from its stack than is there");
    return {};
  }
  Value top() { return above() == 0 ? underflow() : m_stack.back(); }
  Value pop() {
    const Value value = top();
    if (fine()) m_stack.pop_back();
    return value;
  }
  std::vector<Value> popToMark() {
    if (m_marks.empty()) {
      underflow();
      return {};
    }
    const auto first = m_stack.begin() + static_cast<std::ptrdiff_t>(m_marks.back());
    std::vector<Value> values(first, m_stack.end());
    m_stack.erase(first, m_stack.end());
    m_marks.pop_back();
    charge(values.size() * sizeof(Value));
    return values;
  }
  std::vector<Value> popSome(std::size_t count) {
    std::vector<Value> values(count);
    for (std::size_t i = count; i-- > 0;) values[i] = pop();
    return values;
  }

  // ---- objects

  static std::int64_t last(const auto& list) { return static_cast<std::int64_t>(list.size()) - 1; }
  void pushText(std::string content) {
    if (!charge(64)) return;
    m_objects.texts.push_back(std::move(content));
    push({Kind::Text, last(m_objects.texts)});
  }
  void pushSequence(std::vector<Value> values) {
    if (!charge(64)) return;
    m_objects.sequences.push_back(std::move(values));
    push({Kind::Sequence, last(m_objects.sequences)});
  }
  void pushDict() {
    if (!charge(64)) return;
    m_objects.dicts.emplace_back();
    push({Kind::Dict, last(m_objects.dicts)});
  }
  void pushOpaque(std::size_t global) {
    if (!charge(64)) return;
    m_objects.opaques.push_back({global, {}});
    push({Kind::Opaque, last(m_objects.opaques)});
  }
  const std::string& textOf(Value value) const {
    return m_objects.texts[static_cast<std::size_t>(value.number)];
  }
  const std::vector<Value>& sequenceOf(Value value) const {
    return m_objects.sequences[static_cast<std::size_t>(value.number)];
  }

  void pushGlobal(const std::string& module, const std::string& name) {
    if (!fine() || !charge(64 + module.size() + name.size())) return;
    const std::string global = module + "." + name;
    if (global.size() > maxGlobalBytes) return refuse("a name in it is too long");
    const bool known =
        function(global) != Function::None || storageClass(global) || isHarmless(module, name);
    if (!known) return refuse("it asks for " + global, global);
    m_objects.texts.push_back(global);
    push({Kind::Global, last(m_objects.texts)});
  }

  void setItems(Value target, const std::vector<Value>& items) {
    if (!fine()) return;
    if (items.size() % 2 != 0) return refuse("a dictionary in it has a key without a value");
    if (target.kind == Kind::Opaque) return;
    if (target.kind != Kind::Dict) return refuse("it puts a key into what is no dictionary");
    if (!charge(items.size() * 2 * sizeof(Value))) return;
    auto& dict = m_objects.dicts[static_cast<std::size_t>(target.number)];
    for (std::size_t i = 0; i < items.size(); i += 2) dict.emplace_back(items[i], items[i + 1]);
  }
  void append(Value target, const std::vector<Value>& items) {
    if (!fine() || target.kind == Kind::Opaque) return;
    if (target.kind != Kind::Sequence) return refuse("it puts an item into what is no list");
    if (!charge(items.size() * 2 * sizeof(Value))) return;
    auto& list = m_objects.sequences[static_cast<std::size_t>(target.number)];
    list.insert(list.end(), items.begin(), items.end());
  }

  /// The state that an object had: kept where tensors may be in it.
  void build(Value state) {
    if (const Value target = top(); target.kind == Kind::Opaque) {
      Opaque& object = m_objects.opaques[static_cast<std::size_t>(target.number)];
      if (m_objects.texts[object.global].ends_with(".ParameterDict")) object.state = state;
    }
  }

  /// ("storage", class, key, place, count): the bytes of a tensor.
  void pushStorage(Value id) {
    const auto wrong = [this] { refuse("it refers to something else than a storage of numbers"); };
    if (id.kind != Kind::Sequence) return wrong();
    const std::vector<Value>& parts = sequenceOf(id);
    if (parts.size() < 5 || parts[0].kind != Kind::Text || textOf(parts[0]) != "storage" ||
        parts[1].kind != Kind::Global || parts[2].kind != Kind::Text ||
        parts[4].kind != Kind::Int || parts[4].number < 0)
      return wrong();
    // A sixth part is the older form's view into another storage.
    if (parts.size() > 5 && parts[5].kind != Kind::None) return wrong();
    auto storage = storageClass(textOf(parts[1]));
    if (!storage) return wrong();
    storage->key = textOf(parts[2]);
    storage->count = static_cast<std::uint64_t>(parts[4].number);
    if (!charge(128 + storage->key.size())) return;
    m_objects.storages.push_back(std::move(*storage));
    push({Kind::Storage, last(m_objects.storages)});
  }

  // ---- calling

  void call(Value callable, Value arguments) {
    if (!fine()) return;
    if (callable.kind == Kind::Opaque)
      return pushOpaque(m_objects.opaques[static_cast<std::size_t>(callable.number)].global);
    if (callable.kind != Kind::Global || arguments.kind != Kind::Sequence)
      return refuse("it calls what is no function");
    switch (function(textOf(callable))) {
      case Function::None:
        return pushOpaque(static_cast<std::size_t>(callable.number));
      case Function::Dictionary:
        return pushDictionary(sequenceOf(arguments));
      case Function::Size:
      case Function::Parameter:
        if (sequenceOf(arguments).empty()) return badTensor();
        return push(sequenceOf(arguments)[0]);
      case Function::TensorWithState: {
        // (function, class, arguments, state)
        const std::vector<Value>& parts = sequenceOf(arguments);
        if (parts.size() < 3 || parts[0].kind != Kind::Global ||
            function(textOf(parts[0])) == Function::TensorWithState)
          return badTensor();
        return call(parts[0], parts[2]);
      }
      case Function::TensorV1:
      case Function::TensorV2:
        return pushTensor(sequenceOf(arguments), false);
      case Function::TensorV3:
        return pushTensor(sequenceOf(arguments), true);
    }
  }
  void badTensor() { refuse("it describes a tensor in a way that makes no sense"); }

  /// OrderedDict(), OrderedDict([(key, value), ...]), defaultdict(factory)
  void pushDictionary(const std::vector<Value>& arguments) {
    std::vector<Value> items;
    if (!arguments.empty() && arguments[0].kind == Kind::Sequence)
      for (const Value& pair : sequenceOf(arguments[0])) {
        if (pair.kind != Kind::Sequence || sequenceOf(pair).size() != 2)
          return refuse("a dictionary in it has a key without a value");
        items.insert(items.end(), sequenceOf(pair).begin(), sequenceOf(pair).end());
        if (!charge(2 * sizeof(Value))) return;
      }
    pushDict();
    if (fine()) setItems(top(), items);
  }

  /// Whole numbers that are not negative; nothing for anything else.
  std::optional<std::vector<std::int64_t>> sizes(Value value) const {
    if (value.kind != Kind::Sequence || sequenceOf(value).size() > maxDimensions) return {};
    std::vector<std::int64_t> out;
    for (const Value& size : sequenceOf(value)) {
      if (size.kind != Kind::Int || size.number < 0) return {};
      out.push_back(size.number);
    }
    return out;
  }

  /// storage, offset, size, stride[, requires_grad, hooks[, dtype]]
  void pushTensor(const std::vector<Value>& arguments, bool ownType) {
    if (arguments.size() < (ownType ? 7U : 4U) || arguments[0].kind != Kind::Storage ||
        arguments[1].kind != Kind::Int || arguments[1].number < 0)
      return badTensor();
    Tensor tensor;
    tensor.storage = static_cast<std::size_t>(arguments[0].number);
    tensor.offset = static_cast<std::uint64_t>(arguments[1].number);
    auto shape = sizes(arguments[2]);
    auto strides = sizes(arguments[3]);
    if (!shape || !strides || shape->size() != strides->size()) return badTensor();
    const auto type = ownType ? (arguments[6].kind == Kind::Global ? torchType(textOf(arguments[6]))
                                                                   : std::nullopt)
                              : m_objects.storages[tensor.storage].dtype;
    if (!type) return refuse("a tensor in it has a type of numbers that is not known");
    tensor.dtype = *type;
    tensor.shape = std::move(*shape);
    tensor.strides = std::move(*strides);
    if (!charge(sizeof(Tensor) + 32 * tensor.shape.size())) return;
    m_objects.tensors.push_back(std::move(tensor));
    push({Kind::Tensor, last(m_objects.tensors)});
  }

  // ---- opcodes

  void memoize(std::uint64_t index) {
    const Value value = top();
    if (fine() && charge(64)) m_memo[index] = value;
  }
  void recall(std::uint64_t index) {
    const auto found = m_memo.find(index);
    if (found == m_memo.end()) return refuse("it refers to what it has not made");
    push(found->second);
  }

  void step() {
    char code = 0;
    if (!m_input.read(std::span(&code, 1))) return refuse("it ends early");
    switch (code) {
      case '\x80':  // PROTO
        if (const auto version = number(1); fine() && (version < 2 || version > 5))
          refuse("it is a pickle of protocol " + std::to_string(version) + "; 2 to 5 are known");
        return;
      case '\x95':  // FRAME: a hint for readers
        (void)number(8);
        return;
      case '.':  // STOP
        m_result = pop();
        m_done = true;
        return;

      case 'N':
        return push({Kind::None});
      case '\x88':
      case '\x89':
        return push({Kind::Bool, code == '\x88'});
      case 'J':
        return pushLong(4);
      case 'K':
        return push({Kind::Int, static_cast<std::int64_t>(number(1))});
      case 'M':
        return push({Kind::Int, static_cast<std::int64_t>(number(2))});
      case '\x8a':  // LONG1
        return pushLong(number(1));
      case '\x8b':  // LONG4
        return pushLong(number(4));
      case 'G':
        (void)number(8);
        return push({Kind::Real});

      case '\x8c':  // SHORT_BINUNICODE
        return pushText(text(number(1)));
      case 'X':
      case 'T':  // BINSTRING: Python 2's text
        return pushText(text(number(4)));
      case 'U':
        return pushText(text(number(1)));
      case '\x8d':  // BINUNICODE8
        return pushText(text(number(8)));
      case 'C':
        return skip(number(1));
      case 'B':
        return skip(number(4));
      case '\x8e':  // BINBYTES8
      case '\x96':  // BYTEARRAY8
        return skip(number(8));

      case '(':
        if (charge(2 * sizeof(std::size_t))) m_marks.push_back(m_stack.size());
        return;
      case '0':
        // POP takes a mark as readily as a value.
        if (above() == 0 && !m_marks.empty())
          m_marks.pop_back();
        else
          (void)pop();
        return;
      case '1':
        (void)popToMark();
        return;
      case '2':
        return push(top());

      case ')':
      case ']':
      case '\x8f':  // EMPTY_SET
        return pushSequence({});
      case '\x85':
      case '\x86':
      case '\x87':
        return pushSequence(popSome(static_cast<std::size_t>(code - '\x84')));
      case 't':
      case 'l':
        return pushSequence(popToMark());
      case 'a':
        return appendOne();
      case 'e': {
        const auto items = popToMark();
        return append(top(), items);
      }
      case '}':
        return pushDict();
      case 'd': {
        const auto items = popToMark();
        pushDict();
        if (fine()) setItems(top(), items);
        return;
      }
      case 's': {
        const auto items = popSome(2);
        return setItems(top(), items);
      }
      case 'u': {
        const auto items = popToMark();
        return setItems(top(), items);
      }
      case '\x90':  // ADDITEMS
        (void)popToMark();
        return;
      case '\x91':  // FROZENSET
        return pushSequence(popToMark());

      case 'q':
        return memoize(number(1));
      case 'r':
        return memoize(number(4));
      case '\x94':
        return memoize(m_memo.size());
      case 'h':
        return recall(number(1));
      case 'j':
        return recall(number(4));

      case 'c': {
        const std::string module = line();
        const std::string name = line();
        return pushGlobal(module, name);
      }
      case '\x93': {  // STACK_GLOBAL
        const Value name = pop();
        const Value module = pop();
        if (!fine()) return;
        if (name.kind != Kind::Text || module.kind != Kind::Text)
          return refuse("it names a function in a way that makes no sense");
        return pushGlobal(textOf(module), textOf(name));
      }
      case 'R':
      case '\x81': {  // REDUCE, NEWOBJ
        const Value arguments = pop();
        const Value callable = pop();
        return call(callable, arguments);
      }
      case '\x92': {  // NEWOBJ_EX, with arguments by name
        (void)pop();
        const Value arguments = pop();
        const Value callable = pop();
        return call(callable, arguments);
      }
      case 'o': {  // OBJ
        std::vector<Value> parts = popToMark();
        if (!fine() || parts.empty()) return refuse("it calls what is no function");
        const Value callable = parts.front();
        parts.erase(parts.begin());
        pushSequence(std::move(parts));
        const Value arguments = pop();
        return call(callable, arguments);
      }
      case 'b': {
        const Value state = pop();
        return build(state);
      }
      case 'Q': {
        const Value id = pop();
        if (fine()) pushStorage(id);
        return;
      }

      case '\x82':
      case '\x83':
      case '\x84':
        return refuse("it asks for an extension of Python");
      default:
        return refuse("it is not a pickle of protocol 2 to 5");
    }
  }
  void appendOne() {
    const Value item = pop();
    append(top(), {item});
  }

  Input& m_input;
  Objects& m_objects;
  std::vector<Value> m_stack;
  std::vector<std::size_t> m_marks;  ///< sizes of the stack when a mark was set
  std::unordered_map<std::uint64_t, Value> m_memo;
  Refusal m_refusal;
  Value m_result;
  bool m_done = false;
};

}  // namespace

tl::expected<Value, Refusal> run(Input& input, Objects& objects) {
  return Machine(input, objects).run();
}

}  // namespace likeness::weights::pickle
