#!/usr/bin/env python3
"""LoRA, LoCon and DoRA files that likeness-cli writes are what diffusers and peft read: converts the recorded files of tests/golden/adapters
into both forms, loads them there on the recorded networks, and compares outputs with the recorded ones. Fails on a key too many or too few.
  check_adapters.py LIKENESS_CLI [--limit 1e-5]
"""
import argparse
import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin as Loader
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

torch.set_grad_enabled(False)
arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("cli")
arguments.add_argument("--limit", type=float, default=1e-5)
a = arguments.parse_args()
golden = pathlib.Path(__file__).parent / "adapters"


def metadata(file):
    with safe_open(file, "pt") as opened:
        return opened.metadata() or {}


def part(tensors, prefix):
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


base, about = load_file(golden / "base.safetensors"), metadata(golden / "base.safetensors")
unet, text = UNet2DConditionModel(**json.loads(about["unet"])), CLIPTextModel(CLIPTextConfig(**json.loads(about["text"])))
unet.load_state_dict(part(base, "weights/unet/"))
words = part(base, "weights/text/")
if not hasattr(text, "text_model"):
    words = {k.removeprefix("text_model."): v for k, v in words.items()}
text.load_state_dict(words, strict=False)
unet, text, inputs = unet.double().eval(), text.double().eval(), part(base, "input/")


def outputs(file, modules):
    """What diffusers makes of a file, which has so many modules."""
    one, two = copy.deepcopy(unet), copy.deepcopy(text)
    state, alphas, about = Loader.lora_state_dict(str(file), unet_config=one.config, return_lora_metadata=True)
    Loader.load_lora_into_unet(state, network_alphas=alphas, unet=one, metadata=about)
    if any(k.startswith("text_encoder.") for k in state):
        Loader.load_lora_into_text_encoder(state, network_alphas=alphas, text_encoder=two, prefix="text_encoder", metadata=about)
    taken = sum(hasattr(m, "lora_A") for n in (one, two) for m in n.modules())
    if taken != modules:
        sys.exit(f"{file.name}: {taken} of {modules} modules were taken")
    one, two = one.double(), two.double()
    return {"unet": one(inputs["sample"].double(), inputs["timestep"], inputs["context"].double()).sample,
            "text": two(inputs["ids"]).last_hidden_state}


def check(name, folder):
    tensors, about = load_file(golden / f"{name}.safetensors"), metadata(golden / f"{name}.safetensors")
    source = folder / name / "adapter_model.safetensors"
    source.parent.mkdir()
    adapter = part(tensors, "file/")
    save_file(adapter, source)
    if "adapter_config" in about:
        (source.parent / "adapter_config.json").write_text(about["adapter_config"])
    modules = sum(k.endswith(("lora_down.weight", "lora_A.weight", "lora.down.weight", "lora_linear_layer.down.weight", "_lora.down.weight"))
                  for k in adapter)
    worst = {}
    for form in ("peft-lora", "kohya-lora"):
        file = folder / f"{name}-{form}.safetensors"
        done = subprocess.run([a.cli, "convert", source, "--form", form, "--out", file, "--json"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name} to {form}: {done.stdout}{done.stderr}")
        if form == "kohya-lora" and ("dora" in name or "tucker" in name):
            # diffusers reads neither a core nor kohya's shape of magnitudes: back to peft's form.
            back = folder / f"{name}-again.safetensors"
            subprocess.run([a.cli, "convert", file, "--form", "peft-lora", "--out", back], check=True, capture_output=True)
            file = back
        made = outputs(file, modules)
        worst[form] = max(((made[k] - v).norm() / v.norm()).item() for k, v in part(tensors, "output/").items())
    return worst


with tempfile.TemporaryDirectory() as scratch:
    names = [f.stem for f in sorted(golden.glob("*.safetensors"))
             if f.stem != "base" and not any(part in f.stem for part in ("loha", "lokr", "columns"))]
    result = {name: check(name, pathlib.Path(scratch)) for name in names}
print(json.dumps({"limit": a.limit, "difference": result}))
sys.exit(any(v > a.limit for forms in result.values() for v in forms.values()))
