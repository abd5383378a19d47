#!/usr/bin/env python3
"""Ids by transformers' CLIPTokenizer where special tokens and rare characters matter, for CLIP's vocabulary with the special tokens of different models.
  make_tokenizer_variants_golden.py REPOSITORY        (needs transformers)
Writes tests/golden/tokenizer/variants.json. Made with transformers 5.23 and tokenizers 0.23.
"""
import json, random, shutil, sys, tempfile
from transformers import CLIPTokenizer

root = sys.argv[1]
rng = random.Random(7)
start, end = "<|startoftext|>", "<|endoftext|>"
full = lambda text: dict(content=text, lstrip=False, normalized=True, rstrip=False, single_word=False)
maps = {
    "plain": dict(bos_token=start, eos_token=end, unk_token=end, pad_token=end),
    "stable diffusion 1": dict(bos_token=full(start), eos_token=full(end), unk_token=full(end), pad_token=end),
    "stable diffusion 2": dict(bos_token=full(start), eos_token=full(end), unk_token=full(end), pad_token="!"),
}
parts = [end, start, "<|STARTOFTEXT|>", "<|EndOfText|>", "'s", "'RE", "x", " ", "9", "é", "'", "!", "!!", "<|", "|>", "\u0130", "\u212a"]
# Letters, numbers and marks that Unicode has had for a short time, and marks around which NFC reorders or composes.
rare = [0x1C89, 0xA7CB, 0xA7DC, 0x10D50, 0x113D1, 0x16D40, 0x16EA0, 0x2EBF0, 0x10D40, 0x1CCF3, 0x7FD, 0x898, 0x8CA, 0x1ACE, 0x11930, 0x11935, 0x1E4EC, 0x301, 0x323, 0x61, 0x1100, 0x1161]
strings = ["hi! there!!", "a <|ENDOFTEXT|>!! b", "a <|endoftext|>!! b", "x'<|StartOfText|>'s", " ! ", "\U00011935\U00011930"]
strings += ["".join(rng.choice(parts) for _ in range(rng.randint(1, 9))) for _ in range(150)]
strings += ["".join(chr(rng.choice(rare)) for _ in range(rng.randint(1, 8))) for _ in range(150)]
variants = []
for name, special in maps.items():
    with tempfile.TemporaryDirectory() as folder:
        for file in ("vocab.json", "merges.txt"): shutil.copy(f"{root}/resources/clip/{file}", folder)
        json.dump(special, open(f"{folder}/special_tokens_map.json", "w"))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        ids = [tokenizer(s, add_special_tokens=False)["input_ids"] for s in strings]
        variants.append(dict(name=name, specialTokensMap=special, pad=tokenizer.pad_token_id, ids=ids))
json.dump(dict(strings=strings, variants=variants), open(f"{root}/tests/golden/tokenizer/variants.json", "w"), separators=(",", ":"))
