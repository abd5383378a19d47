#!/usr/bin/env python3
"""What likeness-cli exports is what it trained, as others see it: trains a short full run and a short LoRA run of the starter, exports
both, opens the exports in diffusers, and renders the same noise on both sides (DDIM, fp32). Then short runs of LoCon, DoRA and LoKr: their
files are put live on the base's UNet by diffusers and by LyCORIS, and its output is compared with that of the UNet into which we merged
them. Needs diffusers, peft and lycoris; prints one JSON line and fails when a channel differs by more than --limit of 255, an output by more
than --output-limit of its largest value, when a run does what its base does, or when a hash in the kohya file is another than the
reference writer of safetensors gives.
  check_exports.py LIKENESS_CLI [--steps 12] [--limit 2] [--keep FOLDER]
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from lycoris import LycorisNetwork, create_lycoris_from_weights
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

RESOURCES = pathlib.Path(__file__).resolve().parents[2] / "resources"
SIDE, SAMPLER_STEPS, GUIDANCE, PROMPT = 128, 20, 7.5, "a photo of sks toy on the beach"
arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("cli")
arguments.add_argument("--steps", type=int, default=12, help="of training, each run")
arguments.add_argument("--limit", type=int, default=2)
arguments.add_argument("--output-limit", type=float, default=1e-4)
arguments.add_argument("--keep", type=pathlib.Path, help="work here and leave everything behind")
a = arguments.parse_args()
latents = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(1))


def cli(*command):
    """Runs likeness-cli; its result line."""
    done = subprocess.run([a.cli, *map(str, command), "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def ours(folder, model):
    files = cli("generate", "--model", model, "--prompt", PROMPT, "--sampler", "ddim", "--steps", SAMPLER_STEPS, "--guidance", GUIDANCE,
                "--seed", 1, "--size", f"{SIDE}x{SIDE}", "--dtype", "fp32", "--initial-latents", folder / "noise.safetensors",
                "--out", folder / f"pictures-{model.name}")["files"]
    return np.asarray(Image.open(files[0]), int)


def theirs(model, lora=None):
    pipeline = StableDiffusionPipeline.from_pretrained(model, safety_checker=None, requires_safety_checker=False, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    if lora:
        pipeline.load_lora_weights(str(lora.parent), weight_name=lora.name)
        adapted = sum(hasattr(m, "lora_A") for m in pipeline.unet.modules())
        held = sum(".lora_down." in key or ".lora_A." in key for key in load_file(lora))
        if adapted != held:
            sys.exit(f"diffusers took {adapted} of the {held} modules in {lora}")
    picture = pipeline(PROMPT, latents=latents.clone(), num_inference_steps=SAMPLER_STEPS, guidance_scale=GUIDANCE, height=SIDE, width=SIDE)
    return np.asarray(picture.images[0], int)


def export(run, form, dtype):
    out = run.parent / f"{run.name}-{form}-{dtype}{'' if form == 'diffusers' else '.safetensors'}"
    cli("export", run, "--format", form, "--dtype", dtype, "--out", out)
    return out


def kohya_hashes_agree(file):
    """kohya hashes the file as the reference library would write it with the ss_ entries alone."""
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    image = save(load_file(file), {k: v for k, v in metadata.items() if k.startswith("ss_")})
    model = hashlib.sha256(image[8 + int.from_bytes(image[:8], "little"):]).hexdigest()
    legacy = hashlib.sha256(image[0x100000:0x110000]).hexdigest()[:8]
    return (metadata["sshs_model_hash"], metadata["sshs_legacy_hash"], metadata["modelspec.hash_sha256"]) == (model, legacy, "0x" + model)


def difference(x, y):
    return {"max": int(np.abs(x - y).max()), "mean": round(float(np.abs(x - y).mean()), 5)}


STARTER = RESOURCES / "starter"
LORA = ["--method", "lora", "--rank", 16, "--alpha", 24, "--lora-learning-rate", 2e-3]


def train(run, *options, class_images=0):
    cli("train", "--photos", RESOURCES / "samples/duck_toy", "--class", "toy", "--steps", a.steps, "--class-images", class_images,
        "--class-steps", 4, "--sample-every", -1, "--probe-every", -1, "--dtype", "fp32", "--out", run, *options)
    return run


def unet_of(model):
    return UNet2DConditionModel.from_pretrained(model, subfolder="unet", torch_dtype=torch.float32)


@torch.no_grad()
def output(unet):
    noise = torch.Generator().manual_seed(2)
    return unet(latents, 500, torch.randn((1, 77, unet.config.cross_attention_dim), generator=noise)).sample


def with_pipeline(file):
    """As everybody loads a LoRA."""
    unet = unet_of(STARTER)
    pipeline = StableDiffusionPipeline.from_pretrained(STARTER, unet=unet, safety_checker=None, requires_safety_checker=False)
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    return output(unet)


def with_unet(file):
    """The pipeline's way is for names with "lora" alone."""
    unet = unet_of(STARTER)
    unet.load_lora_adapter(str(file.parent), weight_name=file.name, prefix="unet")
    return output(unet)


def with_lycoris(file):
    LycorisNetwork.LORA_PREFIX = "lora_unet"  # that of files; its own is for networks that it makes
    unet = unet_of(STARTER)
    network, _ = create_lycoris_from_weights(1.0, str(file), unet)
    held = {key.split(".")[0] for key in load_file(file)}
    if {lora.lora_name for lora in network.loras} != held:
        sys.exit(f"LyCORIS took {len(network.loras)} of the {len(held)} modules in {file}")
    network.apply_to()
    return output(unet)


def error(x, y):
    return {"max": float((x - y).abs().max() / y.abs().max()), "limit": a.output_limit}


def check_adapters(folder):
    """LoCon, DoRA and LoKr, live in other programs beside our merge."""
    base, differences, moved = output(unet_of(STARTER)), {}, {}
    kinds = {"locon": ["--conv-rank", 8], "dora": ["--lora-kind", "dora", "--conv-rank", 8], "lokr": ["--lora-kind", "lokr", "--conv-rank", 8]}
    loaders = {"locon": {"kohya": [with_pipeline, with_lycoris], "peft": [with_pipeline]},
               "dora": {"kohya": [with_lycoris], "peft": [with_pipeline]},
               "lokr": {"kohya": [with_lycoris], "peft": [with_unet]}}
    for kind, options in kinds.items():
        run = train(folder / kind, *LORA, *options)
        merged = output(unet_of(export(run, "diffusers", "fp32")))
        moved[kind] = error(merged, base)["max"]
        files = {form: export(run, f"{form}-lora", "fp32") for form in ("kohya", "peft")}
        for form, file in files.items():
            for load in loaders[kind][form]:
                differences[f"{kind}, {form} file {load.__name__.replace('_', ' ')}"] = error(load(file), merged)
        own = next(run.glob("checkpoints/*/adapter.safetensors"))
        differences[f"{kind}, the checkpoint's adapter"] = error((with_unet if kind == "lokr" else with_pipeline)(own), merged)
    return differences, moved


def check(folder):
    save_file({"latents": latents}, folder / "noise.safetensors")
    full = train(folder / "full", "--method", "full", "--train-text-encoder", "--learning-rate", 5e-5, class_images=2)
    lora = train(folder / "lora", *LORA, class_images=2)
    pictures = {"base": ours(folder, STARTER), "full": ours(folder, full), "lora": ours(folder, lora)}
    kohya = {dtype: export(lora, "kohya-lora", dtype) for dtype in ("fp32", "fp16")}
    cases = {
        "full, diffusers folder": ("full", theirs(export(full, "diffusers", "fp32"))),
        "lora, kohya file": ("lora", theirs(STARTER, kohya["fp32"])),
        "lora, PEFT file": ("lora", theirs(STARTER, export(lora, "peft-lora", "fp32"))),
        "lora, merged diffusers folder": ("lora", theirs(export(lora, "diffusers", "fp32"))),
        "lora, the checkpoint's adapter": ("lora", theirs(STARTER, next(lora.glob("checkpoints/*/adapter.safetensors")))),
    }
    rounded = {
        "full, diffusers folder": ("full", theirs(export(full, "diffusers", "fp16"))),
        "lora, kohya file": ("lora", theirs(STARTER, kohya["fp16"])),
    }
    compare = lambda these: {name: difference(pictures[run], picture) for name, (run, picture) in these.items()}
    adapters, moved = check_adapters(folder)
    return {"steps": a.steps, "limit": a.limit, "difference": compare(cases) | adapters, "adapters_from_base": moved,
            "fp16_difference": compare(rounded),
            "trained_from_base": {run: difference(pictures[run], pictures["base"]) for run in ("full", "lora")},
            "kohya_hashes_agree": all(map(kohya_hashes_agree, kohya.values()))}


with tempfile.TemporaryDirectory() as scratch:
    if a.keep:
        a.keep.mkdir(parents=True)
    result = check(a.keep or pathlib.Path(scratch))
print(json.dumps(result))
moved = all(r["max"] > 10 * a.limit for r in result["trained_from_base"].values()) and all(
    r > 100 * a.output_limit for r in result["adapters_from_base"].values())
close = all(r["max"] <= r.get("limit", a.limit) for r in result["difference"].values())
sys.exit(not (moved and close and result["kohya_hashes_agree"]))
