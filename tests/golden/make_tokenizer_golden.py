#!/usr/bin/env python3
"""20,000 strings and their ids by transformers' CLIPTokenizer, for the starter's vocabulary and CLIP's own.
  make_tokenizer_golden.py REPOSITORY        (needs transformers)
Writes tests/golden/tokenizer/strings.json, and for each vocabulary the first 8 hex digits of SHA-256 over "id,id,..." per string
(one a line) and the full ids of the first 400. Characters are those assigned in Python's Unicode tables, so that a newer table on either side changes nothing.
"""
import hashlib, json, random, sys, unicodedata
from transformers import CLIPTokenizer

root = sys.argv[1]; rng = random.Random(20240607)
assigned = [c for c in range(32, 0x30000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
latin = [c for c in assigned if c < 0x250]; marks = [c for c in assigned if unicodedata.category(chr(c)).startswith("M") and c < 0x3100]
emoji = [*range(0x1F300, 0x1F650), *range(0x1F900, 0x1F9FF), 0x200D, 0xFE0F, 0x1F3FD, 0x2764]
words = ("a photo of sks dog cat toy red panda on the beach in snow don't it's we'll they've I'm you'd WE'RE 3d render 4k masterpiece, best quality:1.2 (oil painting) "
         "by greg rutkowski café naïve ÉCOLE straße İstanbul ΣΟΦΟΣ ὈΔΥΣΣΕΎΣ Ω Å ﬁne ½ ² Ⅳ १२३ 日本の猫 中文 한국어 العربية עברית हिन्दी ไทย ‘quoted’ “text” — … \u200b \u00a0 \u3000 \u2028 \ufeff").split(" ")
fixed = ["", " ", "\t\n", "a photo of sks dog", "A painting of a squirrel eating a burger", "don't stop, it's 2024!!", "masterpiece, (best quality:1.2)", "ohwx", "zwx", "日本の猫", "café",
         "cafe\u0301", "👍🏽 ok", "a\u200bb", "“quoted” — text…", "ﬁne", "3.5mm <|endoftext|> x", "<|startoftext|>", "<|ENDOFTEXT|>", "<|endoftext|", "''s'S 'll'LL", "\x00\x01\x7f", "a\x00b", "a" * 3000,
         "ab" * 2000, "1" * 500, "!?" * 400, "\u0130\u0130 \u03a3\u03c3\u03c2", "\u1e9e ß", "e\u0301\u0323 \u0344 \u0958", "\u1100\u1161\u11a8 \uac01", "\ufffd", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "<|endoftext|><|endoftext|>a"]


def pick(pool, low, high): return "".join(chr(rng.choice(pool)) for _ in range(rng.randint(low, high)))


def string():
    k = rng.random()
    if k < .45: return rng.choice(["", " ", "  "]).join([""]) + rng.choice([" ", " ", "  ", ", ", "-", "\t"]).join(rng.choice(words) for _ in range(rng.randint(1, 9)))
    if k < .6: return pick(latin, 1, 24)
    if k < .72: return pick(assigned, 1, 10)
    if k < .8: return "".join(chr(rng.choice(latin)) + (chr(rng.choice(marks)) if rng.random() < .5 else "") for _ in range(rng.randint(1, 10)))
    if k < .88: return pick(emoji, 1, 8) + rng.choice(["", " ", " ok"])
    if k < .94: return pick([*range(0, 33), 127, 0x85, 0xA0, 39, 115, 116, 83, 48, 0x2019], 1, 12)
    return "".join(rng.choice(["<|endoftext|>", "<|startoftext|>", "'s", "'RE", "x", " ", "9", "é", "'"]) for _ in range(rng.randint(1, 8)))


seen, strings = set(), []
for s in fixed: seen.add(s); strings.append(s)
while len(strings) < 20000:
    s = string()
    if s not in seen: seen.add(s); strings.append(s)
out = f"{root}/tests/golden/tokenizer"
json.dump(strings, open(f"{out}/strings.json", "w"), ensure_ascii=False, separators=(",", ":"))
for name, folder in (("starter", "resources/starter/tokenizer"), ("clip", "resources/clip")):
    tokenizer = CLIPTokenizer.from_pretrained(f"{root}/{folder}")
    ids = [tokenizer(s, add_special_tokens=False)["input_ids"] for s in strings]
    open(f"{out}/{name}.txt", "w").write("".join(hashlib.sha256(",".join(map(str, i)).encode()).hexdigest()[:8] + "\n" for i in ids))
    json.dump(ids[:400], open(f"{out}/{name}_400.json", "w"), separators=(",", ":"))
