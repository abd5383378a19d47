#!/usr/bin/env python3
"""Writes CLIP's own vocabulary in Hugging Face's form from the table that open_clip_torch carries (MIT, see resources/clip/LICENSE).
  make_clip_vocabulary.py resources/clip        (needs open_clip_torch)
"""
import gzip, importlib.resources, json, sys

out = sys.argv[1]
table = gzip.open(importlib.resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
merges = table[1:49152 - 256 - 2 + 1]
printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
alphabet = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
pieces = alphabet + [c + "</w>" for c in alphabet] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
start, end = "<|startoftext|>", "<|endoftext|>"
json.dump({p: i for i, p in enumerate(pieces)}, open(f"{out}/vocab.json", "w"), ensure_ascii=False, separators=(",", ":"))
open(f"{out}/merges.txt", "w").write("#version: 0.2\n" + "\n".join(merges) + "\n")
json.dump(dict(bos_token=start, eos_token=end, unk_token=end, pad_token=end), open(f"{out}/special_tokens_map.json", "w"), indent=2)
json.dump(dict(bos_token=start, eos_token=end, unk_token=end, pad_token=end, do_lower_case=True, add_prefix_space=False, model_max_length=77,
               tokenizer_class="CLIPTokenizer"), open(f"{out}/tokenizer_config.json", "w"), indent=2)
