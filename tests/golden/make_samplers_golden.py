#!/usr/bin/env python3
"""Writes samplers.json and samplers.safetensors: what diffusers' schedulers do on a fake network. Needs diffusers 0.42.
  make_samplers_golden.py [OUT_FOLDER]   adds what is missing there

Fake network: sin(scaled input + t / 1000). `table` cases have 10 steps from a ramp; `trajectory` cases have 20 steps, every
x_i stored, from recorded noise. Noise drawn on the way is recorded too, since ours comes from counters: evaluation i of the
network gets noise i. DPMSolverSDEScheduler wants the package torchsde for its Brownian path; here an empty
module stands in for it and BrownianPath gives a path of the same law (independent increments of the recorded noise)."""
import json
import pathlib
import sys
import types

import numpy as np
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
                       HeunDiscreteScheduler, LCMScheduler, PNDMScheduler, UniPCMultistepScheduler)
from safetensors.torch import load_file, save_file

sys.modules.setdefault("torchsde", types.ModuleType("torchsde"))
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler  # noqa: E402

CLASSES = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}
NEWER = {"ddpm": DDPMScheduler, "pndm": PNDMScheduler, "euler_a": EulerAncestralDiscreteScheduler, "heun": HeunDiscreteScheduler,
         "dpmpp_2m_sde": DPMSolverMultistepScheduler, "dpmpp_sde": DPMSolverSDEScheduler, "unipc": UniPCMultistepScheduler,
         "lcm": LCMScheduler}
EXTRA = {"pndm": dict(skip_prk_steps=True), "dpmpp_2m_sde": dict(algorithm_type="sde-dpmsolver++")}
STOCHASTIC = ("ddpm", "euler_a", "dpmpp_2m_sde", "dpmpp_sde", "lcm")
out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)


def scheduler_of(sampler, spacing, prediction, karras, to_one, exponential=False, zero_snr=False):
    """As a model folder's DDIM configuration rebuilt as another class; spacing None = key absent."""
    config = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000,
                  clip_sample=False, set_alpha_to_one=to_one, steps_offset=1, prediction_type=prediction, rescale_betas_zero_snr=zero_snr)
    if spacing:
        config["timestep_spacing"] = spacing
    base = DDIMScheduler.from_config(config)
    extra = dict(EXTRA.get(sampler, {}), **dict(use_karras_sigmas=True) if karras else {})
    if exponential:
        extra["use_exponential_sigmas"] = True
    return (CLASSES | NEWER)[sampler].from_config(base.config, **extra)


class BrownianPath:
    """W(b) - W(a) over sqrt(b - a), for the half and the whole of each step in turn."""
    def __init__(self, draw):
        self.draw, self.half = draw, None

    def __call__(self, sigma, sigma_next):
        if self.half is None:
            self.half = (self.draw(), sigma_next)
            return self.half[0]
        (noise, middle), self.half = self.half, None
        first, second = sigma - middle, middle - sigma_next
        return (first.sqrt() * noise + second.sqrt() * self.draw()) / (first + second).sqrt()


def run_with(scheduler, steps, x, noise):
    """Every draw at evaluation i gives noise[i]."""
    at = [0]
    draw = lambda *_, **__: noise[at[0]]  # noqa: E731
    vars(sys.modules[type(scheduler).__module__])["randn_tensor"] = draw
    scheduler.set_timesteps(steps)
    scheduler.noise_sampler = BrownianPath(draw)
    x = x * scheduler.init_noise_sigma
    xs = [x]
    for at[0], t in enumerate(scheduler.timesteps):
        model_out = torch.sin(scheduler.scale_model_input(x, t) + t / 1000).float()
        x = scheduler.step(model_out, t, x).prev_sample.float()
        xs.append(x)
    return xs


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


def add_newer(kind, sampler, steps, x, spacing="leading", prediction="epsilon", karras=False, exponential=False, zero_snr=False):
    name = "-".join([kind, sampler, spacing or "absent", prediction] + ["karras"] * karras + ["exponential"] * exponential
                    + ["zero_snr"] * zero_snr + [str(steps)])
    noise = "table-ddim-leading-epsilon-eta1-10.noise" if kind == "table" else "noise"
    scheduler = scheduler_of(sampler, spacing, prediction, karras, False, exponential, zero_snr)
    xs = run_with(scheduler, steps, x, tensors[noise])
    case = dict(name=name, kind=kind, sampler=sampler, steps=steps, spacing=spacing or "", prediction=prediction, karras=karras, eta=0.0,
                setAlphaToOne=False, exponential=exponential, zeroSnr=zero_snr, initNoiseSigma=float(scheduler.init_noise_sigma),
                timesteps=[float(t) for t in scheduler.timesteps])
    if sampler in STOCHASTIC:
        case["noise"] = noise
    if kind == "table":
        last = xs[-1]
        case["sum"], case["first"], case["last"] = float(last.abs().sum()), float(last[0, 0, 0, 0]), float(last[3, 2, 7, 7])
    elif kind == "trajectory":
        tensors[name + ".x"] = torch.stack(xs)
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
generator = torch.Generator().manual_seed(11)
tensors["noise"] = torch.stack([torch.randn(small.shape, generator=generator) for _ in range(120)])
for prediction in ("epsilon", "v_prediction"):
    for sampler in NEWER:
        sigmas = sampler in ("heun", "dpmpp_2m_sde", "dpmpp_sde", "unipc")
        if sampler != "dpmpp_sde":  # 19 draws; its trajectories say more
            add_newer("table", sampler, 4 if sampler == "lcm" else 10, ramp, "leading", prediction)
        for spacing in ("leading", "linspace", "trailing") if sampler != "lcm" else (None,):
            add_newer("trajectory", sampler, 20, small, spacing, prediction)
            if sigmas and spacing == "leading":
                add_newer("trajectory", sampler, 20, small, spacing, prediction, karras=True)
                add_newer("trajectory", sampler, 20, small, spacing, prediction, exponential=True)
    add_newer("table", "unipc", 10, ramp, "linspace", prediction)
    for sampler in ("euler", "dpmpp_2m"):
        add_newer("trajectory", sampler, 20, small, "trailing", prediction, exponential=True)
add_newer("table", "ddim", 10, ramp, "trailing", "v_prediction", zero_snr=True)
for sampler in ("ddim", "ddpm", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_sde", "unipc"):
    add_newer("trajectory", sampler, 20, small, "trailing", "v_prediction", zero_snr=True)
for sampler in NEWER:
    for steps in (1, 2, 3, 7, 50):
        if (sampler, steps) != ("dpmpp_sde", 1):  # fails upstream: no sigma between one level and 0
            add_newer("timesteps", sampler, steps, small, None)
schedule = scheduler_of("ddim", "leading", "epsilon", False, False)
tensors["alphas_cumprod"] = schedule.alphas_cumprod
tensors["alphas_cumprod_zero_snr"] = scheduler_of("ddim", "leading", "v_prediction", False, False, zero_snr=True).alphas_cumprod
linear = DDIMScheduler(beta_start=0.0001, beta_end=0.02, beta_schedule="linear")
tensors["alphas_cumprod_linear"] = linear.alphas_cumprod
t = torch.tensor([0, 10, 500, 999])
x0 = torch.randn((4, 4, 2, 2), generator=torch.Generator().manual_seed(8))
noise = torch.randn((4, 4, 2, 2), generator=torch.Generator().manual_seed(9))
tensors.update({"forward.t": t, "forward.x0": x0, "forward.noise": noise, "forward.noisy": schedule.add_noise(x0, noise, t),
                "forward.velocity": schedule.get_velocity(x0, noise, t)})
if (out / "samplers.json").exists():  # what is recorded stays, to the last bit: another processor rounds otherwise
    recorded = {c["name"]: c for c in json.loads((out / "samplers.json").read_text())}
    cases = [recorded.get(c["name"], c) for c in cases]
    tensors |= load_file(out / "samplers.safetensors")
(out / "samplers.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
save_file({k: v.contiguous() for k, v in tensors.items()}, out / "samplers.safetensors")
(out / "samplers.safetensors").chmod(0o644)
