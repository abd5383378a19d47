#!/usr/bin/env python3
"""The same pictures from the same noise by likeness-cli and by diffusers. Needs diffusers; prints one JSON line and fails
when a channel differs by more than --limit of 255. Models: the starter, those of make_tiny_models.py, or any diffusers folder.
  check_pictures.py LIKENESS_CLI MODEL_FOLDER [--steps 20] [--guidance 7.5] [--size 128] [--count 2] [--limit 2]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import (DDIMScheduler, DiffusionPipeline, DPMSolverMultistepScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler,
                       PNDMScheduler, UniPCMultistepScheduler)
from PIL import Image
from safetensors.torch import save_file

CASES = {
    "ddim": (DDIMScheduler, {}, []),
    "euler": (EulerDiscreteScheduler, {}, []),
    "euler karras": (EulerDiscreteScheduler, {"use_karras_sigmas": True}, ["--karras"]),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}, []),
    "dpmpp_2m karras": (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}, ["--karras"]),
    "dpmpp_2m exponential": (DPMSolverMultistepScheduler, {"use_exponential_sigmas": True}, ["--exponential"]),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}, []),
    "heun": (HeunDiscreteScheduler, {}, []),
    "heun karras": (HeunDiscreteScheduler, {"use_karras_sigmas": True}, ["--karras"]),
    "unipc": (UniPCMultistepScheduler, {}, []),
    "unipc trailing": (UniPCMultistepScheduler, {"timestep_spacing": "trailing"}, ["--spacing", "trailing"]),
}
arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("cli")
arguments.add_argument("model")
arguments.add_argument("--prompt", default="a photo of a red apple on a table")
arguments.add_argument("--negative", default="blurry")
arguments.add_argument("--steps", type=int, default=20)
arguments.add_argument("--guidance", type=float, default=7.5)
arguments.add_argument("--size", type=int, default=128)
arguments.add_argument("--count", type=int, default=2)
arguments.add_argument("--limit", type=int, default=2)
arguments.add_argument("--samplers", default=",".join(CASES), help="comma-separated, of: " + ", ".join(CASES))
a = arguments.parse_args()

pipeline = DiffusionPipeline.from_pretrained(a.model, torch_dtype=torch.float32)
pipeline.set_progress_bar_config(disable=True)
config = pipeline.scheduler.config
latents = torch.randn((a.count, 4, a.size // pipeline.vae_scale_factor, a.size // pipeline.vae_scale_factor),
                      generator=torch.Generator().manual_seed(1))
results = {}
with tempfile.TemporaryDirectory() as scratch:
    noise = pathlib.Path(scratch) / "noise.safetensors"
    save_file({"latents": latents}, noise)
    for name in a.samplers.split(","):
        scheduler, extra, flags = CASES[name]
        pipeline.scheduler = scheduler.from_config(config, **extra)
        theirs = pipeline([a.prompt] * a.count, negative_prompt=[a.negative] * a.count if a.negative else None, latents=latents.clone(),
                          num_inference_steps=a.steps, guidance_scale=a.guidance, height=a.size, width=a.size).images
        command = [a.cli, "generate", "--model", a.model, "--prompt", a.prompt, "--negative", a.negative, "--sampler", name.split()[0],
                   "--steps", str(a.steps), "--guidance", str(a.guidance), "--seed", "1", "--count", str(a.count),
                   "--size", f"{a.size}x{a.size}", "--dtype", "fp32", "--initial-latents", str(noise),
                   "--out", str(pathlib.Path(scratch) / name.replace(" ", "-")), "--json", *flags]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        ours = [Image.open(file) for file in json.loads(done.stdout.strip().splitlines()[-1])["files"]]
        difference = [np.abs(np.asarray(x, int) - np.asarray(y, int)) for x, y in zip(ours, theirs, strict=True)]
        results[name] = {"max": int(max(d.max() for d in difference)), "mean": round(float(np.mean(difference)), 5),
                         "contrast": round(float(np.std(np.asarray(theirs[0]))), 1)}
print(json.dumps({"model": pathlib.Path(a.model).name, "steps": a.steps, "guidance": a.guidance, "limit": a.limit, "difference": results}))
sys.exit(any(r["max"] > a.limit for r in results.values()))
