#!/usr/bin/env python3
"""Writes optimizers.safetensors: what the published optimizers, weight averages and rate schedules do. Made with torch 2.12.1,
transformers 5.23.0, prodigyopt 1.1.2, lion-pytorch 0.2.5, schedulefree 1.4.1, bitsandbytes 0.50.2 and diffusers 0.42.1.
  make_optimizers_golden.py [OUT_FOLDER]

The problem: gradient = curvature (w - target) + sin(phase t), t = 1, 2, ...; 30 steps in fp64 (bitsandbytes in fp32, the only
type it has). KIND.NAME are the weights after the last step, KIND.NAME.10 those after the tenth, KIND.shown.NAME what is shown."""
import pathlib
import sys

import torch
from bitsandbytes.backends.cpu import ops as bitsandbytes_cpu
from bitsandbytes.functional import create_dynamic_map
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from lion_pytorch import Lion
from prodigyopt import Prodigy
from safetensors.torch import save_file
from schedulefree import AdamWScheduleFree
from transformers import Adafactor

STEPS, DECAY = 30, 0.1
BETAS = (0.8, 0.95)
SHAPES = {"matrix": (24, 20), "kernel": (6, 4, 3, 3), "vector": (40,), "large": (72, 70)}  # large: above 4096, not whole blocks; for 8 bits alone
out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
torch.manual_seed(5)
golden = {}
start, curvature, target, phase = ({n: torch.randn(s, dtype=torch.float32).double() for n, s in SHAPES.items()} for _ in range(4))
for name in SHAPES:
    curvature[name] = curvature[name].abs().float().double()
    for what, values in (("start", start), ("curvature", curvature), ("target", target), ("phase", phase)):
        golden[f"{what}.{name}"] = values[name].float()


def run(kind, make, dtype=torch.float64, flat=False, ema=None, names=("matrix", "kernel", "vector"), scale=1.0):
    """flat: convolutions as matrices [out, the rest]."""
    begin = {n: start[n] * scale for n in names}
    weights = {n: torch.nn.Parameter((w.flatten(1) if flat and w.dim() > 2 else w).to(dtype).clone()) for n, w in begin.items()}
    optimizer = make(list(weights.values()))
    average = EMAModel(weights.values(), decay=ema) if ema else None
    if hasattr(optimizer, "train"):
        optimizer.train()
    for step in range(1, STEPS + 1):
        for name, w in weights.items():
            gradient = curvature[name] * (w.detach().double().reshape(SHAPES[name]) - target[name]) + torch.sin(phase[name] * step)
            w.grad = gradient.reshape(w.shape).to(dtype)
        optimizer.step()
        if average:
            average.step(weights.values())
        if step in (10, STEPS):
            for name, w in weights.items():
                golden[f"{kind}.{name}" + (".10" if step == 10 else "")] = w.detach().reshape(SHAPES[name]).clone().to(dtype)
    if average:
        for name, w in zip(names, average.shadow_params):
            golden[f"{kind}.shown.{name}"] = w.reshape(SHAPES[name]).clone()
    if hasattr(optimizer, "eval"):
        optimizer.eval()
        for name, w in weights.items():
            golden[f"{kind}.shown.{name}"] = w.detach().clone()
    return optimizer


run("adamw", lambda p: torch.optim.AdamW(p, lr=1e-2, betas=BETAS, eps=1e-6, weight_decay=DECAY), ema=0.7)
run("adafactor", lambda p: Adafactor(p, lr=1e-2, relative_step=False, scale_parameter=False, warmup_init=False, weight_decay=DECAY),
    flat=True)
# Near 0, where fp32 holds steps of 1e-6 exactly enough.
prodigy = run("prodigy", lambda p: Prodigy(p, lr=1, betas=BETAS, eps=1e-6, weight_decay=DECAY), scale=2**-13)
golden["prodigy.d"] = torch.tensor([prodigy.param_groups[0]["d"]], dtype=torch.float64)
run("lion", lambda p: Lion(p, lr=1e-3, betas=BETAS, weight_decay=DECAY))
run("schedule-free", lambda p: AdamWScheduleFree(p, lr=1e-2, betas=BETAS, eps=1e-6, weight_decay=DECAY))


def to_nearest(values, code, largest, codes, blocksize):
    """As bitsandbytes' GPU kernels and default backend; its CPU library's table misses the nearest code of v in 3 % of all cases."""
    blocks = torch.nn.functional.pad(values.flatten(), (0, -values.numel() % blocksize)).view(-1, blocksize)
    largest.copy_(blocks.abs().amax(1).clamp(min=1e-38))
    nearest = torch.bucketize((blocks / largest[:, None]).flatten()[:values.numel()], (code[:-1] + code[1:]) / 2)
    codes.copy_(nearest.view(values.shape))


bitsandbytes_cpu._quant_blockwise_fp32_direct = to_nearest


class AdamW8bit(torch.optim.Optimizer):
    """bitsandbytes' kernels without its class, which wants a GPU."""
    def __init__(self, params):
        super().__init__(params, {})
        self.maps = [create_dynamic_map(signed=True), create_dynamic_map(signed=False)]
        self.steps = 0

    @torch.no_grad()
    def step(self):
        self.steps += 1
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state["codes"] = [torch.zeros(p.shape, dtype=torch.uint8) for _ in range(2)]
                state["largest"] = [torch.zeros(-(-p.numel() // 256)) for _ in range(2)]
            torch.ops.bitsandbytes.optimizer_update_8bit_blockwise(
                "adam", p.grad, p.data, *state["codes"], *BETAS, 0.0, 0.0, 1e-6, self.steps, 1e-2, *self.maps, *state["largest"],
                DECAY, 1.0, False)


eight = run("adamw8bit", AdamW8bit, dtype=torch.float32, names=["large"])
golden["adamw8bit.signed"], golden["adamw8bit.unsigned"] = eight.maps
for state in eight.state.values():
    golden["adamw8bit.exp_avg"], golden["adamw8bit.exp_avg_sq"] = state["codes"]

for name, extra in (("linear", {}), ("cosine", {}), ("cosine_with_restarts", dict(num_cycles=3)), ("polynomial", dict(power=2)),
                    ("polynomial", dict(power=0.5))):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1)
    schedule = get_scheduler(name, optimizer, num_warmup_steps=6, num_training_steps=40, **extra)
    factors = []
    for _ in range(41):
        factors.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    golden[f"schedule.{name}" + (f".{extra['power']}" if "power" in extra else "")] = torch.tensor(factors, dtype=torch.float64)

save_file({k: v.contiguous() for k, v in golden.items()}, out / "optimizers.safetensors")
