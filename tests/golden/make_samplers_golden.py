#!/usr/bin/env python3
"""Writes samplers.json and samplers.safetensors: what diffusers' schedulers do on a fake network. Needs diffusers 0.42.
  make_samplers_golden.py [OUT_FOLDER]

Fake network: sin(scaled input + t / 1000). `table` cases have 10 steps from a ramp; `trajectory` cases have 20 steps, every
x_i stored, from recorded noise; eta noise is recorded too, since ours comes from counters."""
import json
import pathlib
import sys

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from safetensors.torch import save_file

CLASSES = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}
out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)


def scheduler_of(sampler, spacing, prediction, karras, to_one):
    """As a model folder's DDIM configuration rebuilt as another class; spacing None = key absent."""
    config = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000,
                  clip_sample=False, set_alpha_to_one=to_one, steps_offset=1, prediction_type=prediction)
    if spacing:
        config["timestep_spacing"] = spacing
    base = DDIMScheduler.from_config(config)
    extra = dict(use_karras_sigmas=True) if karras else {}
    return CLASSES[sampler].from_config(base.config, **extra)


def run(scheduler, steps, x, eta):
    scheduler.set_timesteps(steps)
    x = x * scheduler.init_noise_sigma
    xs, noises = [x], []
    generator = torch.Generator().manual_seed(0)
    for t in scheduler.timesteps:
        model_out = torch.sin(scheduler.scale_model_input(x, t) + t / 1000)
        if eta:
            noises.append(torch.randn(x.shape, generator=generator))
            x = scheduler.step(model_out, t, x, eta=eta, variance_noise=noises[-1]).prev_sample
        else:
            x = scheduler.step(model_out, t, x).prev_sample
        xs.append(x)
    return xs, noises


cases, tensors = [], {}


def add(kind, sampler, steps, x, spacing="leading", prediction="epsilon", karras=False, eta=0.0, to_one=False):
    name = "-".join([kind, sampler, spacing or "absent", prediction] + ["karras"] * karras + [f"eta{eta:g}"] * (eta > 0)
                    + ["to_one"] * to_one + [str(steps)])
    scheduler = scheduler_of(sampler, spacing, prediction, karras, to_one)
    xs, noises = run(scheduler, steps, x, eta)
    case = dict(name=name, kind=kind, sampler=sampler, steps=steps, spacing=spacing or "", prediction=prediction, karras=karras, eta=eta,
                setAlphaToOne=to_one, initNoiseSigma=float(scheduler.init_noise_sigma),
                timesteps=[float(t) for t in scheduler.timesteps])
    if kind == "table":
        last = xs[-1]
        case["sum"], case["first"], case["last"] = float(last.abs().sum()), float(last[0, 0, 0, 0]), float(last[3, 2, 7, 7])
    elif kind == "trajectory":
        tensors[name + ".x"] = torch.stack(xs)
    if noises and kind != "timesteps":
        tensors[name + ".noise"] = torch.stack(noises)
    cases.append(case)


ramp = torch.from_numpy(np.arange(768, dtype=np.float32).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2).contiguous()
small = torch.randn((1, 4, 2, 2), generator=torch.Generator().manual_seed(7))
tensors["start"] = small
for prediction in ("epsilon", "v_prediction"):
    for sampler, spacing, karras in [("ddim", "leading", False), ("ddim", "trailing", False), ("euler", "leading", False),
                                     ("euler", "linspace", True), ("euler", "trailing", False), ("dpmpp_2m", "leading", False),
                                     ("dpmpp_2m", "linspace", False), ("dpmpp_2m", "linspace", True)]:
        add("table", sampler, 10, ramp, spacing, prediction, karras)
    for sampler in CLASSES:
        for spacing in ("leading", "linspace", "trailing"):
            for karras in (False, True) if sampler != "ddim" else (False,):
                add("trajectory", sampler, 20, small, spacing, prediction, karras)
    add("trajectory", "ddim", 20, small, "leading", prediction, eta=1.0)
    add("trajectory", "ddim", 20, small, "leading", prediction, eta=0.5, to_one=True)
add("table", "ddim", 10, ramp, eta=1.0)
for sampler in CLASSES:
    add("trajectory", sampler, 20, small, None)
    for steps in (1, 2, 3, 7, 50, 99):
        for spacing in ("leading", "linspace", "trailing"):
            add("timesteps", sampler, steps, small, spacing)
schedule = scheduler_of("ddim", "leading", "epsilon", False, False)
tensors["alphas_cumprod"] = schedule.alphas_cumprod
linear = DDIMScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear")
tensors["alphas_cumprod_linear"] = linear.alphas_cumprod
t = torch.tensor([0, 10, 500, 999])
x0 = torch.randn((4, 4, 2, 2), generator=torch.Generator().manual_seed(8))
noise = torch.randn((4, 4, 2, 2), generator=torch.Generator().manual_seed(9))
tensors.update({"forward.t": t, "forward.x0": x0, "forward.noise": noise, "forward.noisy": schedule.add_noise(x0, noise, t),
                "forward.velocity": schedule.get_velocity(x0, noise, t)})
(out / "samplers.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
save_file({k: v.contiguous() for k, v in tensors.items()}, out / "samplers.safetensors")
(out / "samplers.safetensors").chmod(0o644)
