#!/usr/bin/env python3
"""Golden data of the networks that judge pictures: a small CLIPModel and a small ViTModel (DINO's architecture) of random weights, through
transformers in fp64.

  make_vision_golden.py OUT_DIR    writes OUT_DIR/vision.safetensors

clip/KEY and vit/KEY are transformers' keys in fp32, clip.json and vit.json (metadata) their configurations; input/pixels are normalized,
input/prompt (metadata) goes through the starter model's tokenizer. Outputs: clip_image, clip_text (projected), vit (class token).
"""
import json
import pathlib
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT = "a photo of a dog on the beach"


def state_of(model):
    """As the library writes it."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(folder + "/model.safetensors")


torch.manual_seed(7)
vision = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8)
clip_config = transformers.CLIPConfig(
    vision_config=vision, projection_dim=24,
    text_config=dict(vocab_size=1050, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                     bos_token_id=1048, eos_token_id=1049, pad_token_id=1049))
clip, vit = transformers.CLIPModel(clip_config), transformers.ViTModel(transformers.ViTConfig(**vision), add_pooling_layer=False)
with torch.no_grad():
    for model in (clip, vit):
        for parameter in model.parameters():  # biases and norms too; large enough that a wrong one is seen
            parameter.copy_(parameter + 0.1 * torch.randn_like(parameter))
tokenizer = transformers.CLIPTokenizer.from_pretrained(ROOT / "resources/starter/tokenizer")
ids = torch.tensor([tokenizer(PROMPT, padding="max_length", max_length=77)["input_ids"]])
assert (ids[0] == tokenizer.eos_token_id).any() and tokenizer.eos_token_id == 1049, ids
pixels = torch.randn(2, 3, 32, 32)
tensors = {f"clip/{k}": v for k, v in state_of(clip).items()} | {f"vit/{k}": v for k, v in state_of(vit).items()} | {"input/pixels": pixels}
clip, vit = clip.double().eval(), vit.double().eval()
with torch.no_grad():
    seen = clip.vision_model(pixels.double()).pooler_output
    read = clip.text_model(input_ids=ids).pooler_output
    tensors |= {"output/clip_image": clip.visual_projection(seen).float(), "output/clip_text": clip.text_projection(read).float(),
                "output/vit": vit(pixels.double()).last_hidden_state[:, 0].float().contiguous()}
configs = {f"{n}.json": json.dumps(c.to_dict(), default=str) for n, c in (("clip", clip.config), ("vit", vit.config))}
save_file(tensors, sys.argv[1] + "/vision.safetensors",
          metadata={"transformers": transformers.__version__, "torch": torch.__version__, "prompt": PROMPT} | configs)
