#!/usr/bin/env python3
"""Where the Unicode tables inside the tokenizers package differ from utf8proc's (Debian's 2.8, Unicode 15.0), found by asking both about every character.
  make_unicode_newer.py > core/text/unicode_newer.h        (needs tokenizers 0.23 and libutf8proc.so.2)
Categories and lower case there are newer than utf8proc's; its NFC is older: marks encoded since then are plain characters to it, which neither move nor compose.
"""
import ctypes, unicodedata
from tokenizers import Regex, normalizers

proc = ctypes.CDLL("libutf8proc.so.2")
libc = ctypes.CDLL(None)
proc.utf8proc_map.restype = ctypes.c_ssize_t
LETTERS, NUMBERS = range(1, 6), range(9, 12)  # Lu..Lo, Nd..No
characters = [c for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000]
nfc, lower = normalizers.NFC(), normalizers.Lowercase()


def ours(text):
    data, out = text.encode(), ctypes.c_void_p()
    size = proc.utf8proc_map(data, ctypes.c_ssize_t(len(data)), ctypes.byref(out), 1 << 1 | 1 << 3)  # stable, compose
    result = ctypes.string_at(out, size).decode()
    libc.free(out)
    return result


def ranges(values):
    found = []
    for value in sorted(values):
        if found and value == found[-1][1] + 1: found[-1][1] = value
        else: found.append([value, value])
    return found


def differing(pattern, categories):
    replace = normalizers.Replace(Regex(pattern), "\x01")
    theirs = {c for c in characters if c != 1 and replace.normalize_str(chr(c)) == "\x01"}
    known = {c for c in characters if proc.utf8proc_category(c) in categories}
    assert known <= theirs
    return ranges(theirs - known)


def write(kind, name, note, rows):
    print(f"/// {note}\nconstexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        item = " {" + ", ".join(f"0x{v:X}" if i < 2 else str(v) for i, v in enumerate(row)) + "},"
        if len(line) + len(item) > 100: print(line); line = "   "
        line += item
    print(line + "\n};")


shifts = {c: ord(lower.normalize_str(chr(c))) - c for c in characters
          if len(lower.normalize_str(chr(c))) == 1 and ord(lower.normalize_str(chr(c))) != proc.utf8proc_tolower(c)}
lowered = [[a, b, shift] for shift in sorted(set(shifts.values())) for a, b in ranges(c for c in shifts if shifts[c] == shift)]
# Probes: alone, among two marks that compose with a letter, behind a mark, and the parts of every composed character.
probes = lambda c: (chr(c), "a" + chr(c) + "\u0301\u0323", "\u0323" + chr(c))
still = {c for c in characters if any(ours(t) != nfc.normalize_str(t) for t in probes(c))}
for c in characters:
    parts = unicodedata.normalize("NFD", chr(c))
    if len(parts) > 1 and ours(parts) != nfc.normalize_str(parts): still.add(ord(parts[1]))
print("""// Made by tests/golden/make_unicode_newer.py: what transformers' tokenizer knows and utf8proc does not, and the other way round.
#pragma once

#include <cstdint>

namespace likeness::text::newer {

struct Range {
  char32_t first, last;
};
struct Shift {
  char32_t first, last;
  std::int32_t by;
};
""")
write("Range", "kLetters", "Letters since Unicode 15.0.", differing(r"\p{L}", LETTERS))
write("Range", "kNumbers", "Numbers since Unicode 15.0.", differing(r"\p{N}", NUMBERS))
write("Shift", "kLower", "Lower case since Unicode 15.0.", lowered)
write("Range", "kStill", "Marks that its older NFC neither moves nor composes.", ranges(still))
print("\n}  // namespace likeness::text::newer")
