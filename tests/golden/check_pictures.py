#!/usr/bin/env python3
"""The same pictures from the same noise by likeness-cli and by diffusers. Needs diffusers; prints one JSON line and fails
when a channel differs by more than --limit of 255. Models: the starter, those of make_tiny_models.py, or any diffusers folder.
  check_pictures.py LIKENESS_CLI MODEL_FOLDER [--steps 20] [--guidance 7.5] [--size 128] [--count 2] [--limit 2]
  check_pictures.py ... --image FILE [--mask FILE] [--strength 0.75]      image to image, inpainting (also with an inpainting UNet)
  check_pictures.py ... --embedding                                       with a learned word of two vectors in the prompt
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from diffusers import (AutoPipelineForImage2Image, AutoPipelineForInpainting, DDIMScheduler, DiffusionPipeline, DPMSolverMultistepScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler,
                       PNDMScheduler, UniPCMultistepScheduler)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_img2img, pipeline_stable_diffusion_inpaint
from diffusers.pipelines.stable_diffusion_xl import pipeline_stable_diffusion_xl_img2img, pipeline_stable_diffusion_xl_inpaint
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
arguments.add_argument("--image")
arguments.add_argument("--mask")
arguments.add_argument("--strength", type=float, default=0.75)
arguments.add_argument("--embedding", action="store_true")
a = arguments.parse_args()

pipeline = DiffusionPipeline.from_pretrained(a.model, torch_dtype=torch.float32)
pipeline.set_progress_bar_config(disable=True)
config = pipeline.scheduler.config
latents = torch.randn((a.count, 4, a.size // pipeline.vae_scale_factor, a.size // pipeline.vae_scale_factor),
                      generator=torch.Generator().manual_seed(1))
more, flags_of_mode = {"latents": latents}, []
if a.image:
    # Ours begins from the mean of the posterior, and from noise of its own.
    DiagonalGaussianDistribution.sample = lambda self, generator=None: self.mode()
    for module in (pipeline_stable_diffusion_img2img, pipeline_stable_diffusion_inpaint, pipeline_stable_diffusion_xl_img2img,
                   pipeline_stable_diffusion_xl_inpaint):
        module.randn_tensor = lambda shape, **_: latents.clone()
    picture = Image.open(a.image).convert("RGB").resize((a.size, a.size), Image.Resampling.LANCZOS)
    more, flags_of_mode = {"image": picture, "strength": a.strength}, ["--strength", str(a.strength)]
    if a.mask:
        mask = Image.open(a.mask).convert("L").resize((a.size, a.size), Image.Resampling.NEAREST)
        more |= {"mask_image": mask, "height": a.size, "width": a.size}
    pipeline = (AutoPipelineForInpainting if a.mask else AutoPipelineForImage2Image).from_pipe(pipeline)
results = {}


def learned_word(folder):
    """A file of vectors as large as those of the vocabulary, which diffusers has taken too."""
    word, vectors = "zzlearned", {}
    for number, key in (("", "clip_l"), ("_2", "clip_g")):
        if encoder := getattr(pipeline, "text_encoder" + number, None):
            table = encoder.get_input_embeddings().weight.detach()
            vectors[key] = torch.randn((2, table.shape[1]), generator=torch.Generator().manual_seed(2)) * table.std()
            pipeline.load_textual_inversion(vectors[key], token=word, text_encoder=encoder, tokenizer=getattr(pipeline, "tokenizer" + number))
    save_file(vectors if len(vectors) > 1 else {"emb_params": vectors["clip_l"]}, folder / f"{word}.safetensors")
    a.prompt += f", {word}"
    return ["--embeddings", str(folder / f"{word}.safetensors")]


with tempfile.TemporaryDirectory() as scratch:
    noise = pathlib.Path(scratch) / "noise.safetensors"
    save_file({"latents": latents}, noise)
    if a.embedding:
        flags_of_mode += learned_word(pathlib.Path(scratch))
    for name, value in (("image", a.image and picture), ("mask", a.mask and mask)):
        if value:
            value.save(pathlib.Path(scratch) / f"{name}.png")
            flags_of_mode += [f"--{name}", str(pathlib.Path(scratch) / f"{name}.png")]
    for name in a.samplers.split(","):
        scheduler, extra, flags = CASES[name]
        pipeline.scheduler = scheduler.from_config(config, **extra)
        if not a.image:
            more |= {"latents": latents.clone(), "height": a.size, "width": a.size}
        theirs = pipeline([a.prompt] * a.count, negative_prompt=[a.negative] * a.count if a.negative else None,
                          num_inference_steps=a.steps, guidance_scale=a.guidance, **more).images
        if a.mask:
            theirs = [Image.composite(made, picture, mask) for made in theirs]
        command = [a.cli, "generate", "--model", a.model, "--prompt", a.prompt, "--negative", a.negative, "--sampler", name.split()[0],
                   "--steps", str(a.steps), "--guidance", str(a.guidance), "--seed", "1", "--count", str(a.count),
                   "--size", f"{a.size}x{a.size}", "--dtype", "fp32", "--initial-latents", str(noise),
                   "--out", str(pathlib.Path(scratch) / name.replace(" ", "-")), "--json", *flags, *flags_of_mode]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        ours = [Image.open(file) for file in json.loads(done.stdout.strip().splitlines()[-1])["files"]]
        difference = [np.abs(np.asarray(x, int) - np.asarray(y, int)) for x, y in zip(ours, theirs, strict=True)]
        results[name] = {"max": int(max(d.max() for d in difference)), "mean": round(float(np.mean(difference)), 5),
                         "contrast": round(float(np.std(np.asarray(theirs[0]))), 1)}
print(json.dumps({"model": pathlib.Path(a.model).name, "steps": a.steps, "guidance": a.guidance, "limit": a.limit, "difference": results}))
sys.exit(any(r["max"] > a.limit for r in results.values()))
