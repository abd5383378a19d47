#!/usr/bin/env python3
"""Golden gradients of adapters in training: LoRA of convolutions too (LoCon) and DoRA by peft, LoKr by lycoris, on the UNet of
make_adapters_golden.py, in fp64.

  make_trained_adapters_golden.py ADAPTERS_DIR OUT_DIR    reads ADAPTERS_DIR/base.safetensors, writes OUT_DIR/NAME.safetensors

value/KEY and gradient/KEY of every trained tensor, of the loss sum(out^2) / 2, and output. Rank 2, alpha 3, rank 1 of convolutions with alpha
in proportion; LoKr has factor 2. Made with diffusers 0.42.1, peft 0.21.2 and lycoris-lora 3.2.0.post2.
"""
import copy, json, math, pathlib, sys
import torch
from diffusers import UNet2DConditionModel
from lycoris.modules.lokr import LokrModule
from peft import LoraConfig, inject_adapter_in_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file

torch.manual_seed(21)
adapters, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
with safe_open(adapters / "base.safetensors", "pt") as f:
    config = json.loads(f.metadata()["unet"])
base = load_file(adapters / "base.safetensors")
unet = UNet2DConditionModel(**config)
unet.load_state_dict({k.removeprefix("weights/unet/"): v for k, v in base.items() if k.startswith("weights/unet/")})
unet = unet.double().eval().requires_grad_(False)
LINEAR = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv")
RANK, ALPHA, CONV_RANK = 2, 3.0, 1


def write(name, model, parameters):
    """`parameters`: by our key."""
    for key, p in parameters.items():
        random = torch.randn_like(p) / math.sqrt(max(2, math.prod(p.shape[1:])))
        p.data = (p * (1 + 0.3 * torch.rand_like(p)) if "magnitude" in key else random).float().double()
        p.requires_grad_(True)
    made = model(base["input/sample"].double(), base["input/timestep"], base["input/context"].double()).sample
    (made.square().sum() / 2).backward()
    print(name, len(parameters), "tensors, gradient", math.sqrt(sum(p.grad.square().sum().item() for p in parameters.values())))
    save_file({**{f"value/{k}": p.detach().float().contiguous() for k, p in parameters.items()},
               **{f"gradient/{k}": p.grad.float().contiguous() for k, p in parameters.items()}, "output": made.detach().float().contiguous()},
              out / f"{name}.safetensors")


for name, dora in (("locon", False), ("dora", True)):
    model = inject_adapter_in_model(
        LoraConfig(r=RANK, lora_alpha=ALPHA, use_dora=dora, target_modules=[*LINEAR, *CONVOLUTIONS],
                   rank_pattern={c: CONV_RANK for c in CONVOLUTIONS}, alpha_pattern={c: ALPHA * CONV_RANK / RANK for c in CONVOLUTIONS}),
        copy.deepcopy(unet), "default").double()
    write(name, model, {k.replace(".default", "").replace("lora_magnitude_vector.weight", "lora_magnitude_vector"): p
                        for k, p in model.named_parameters() if "lora_" in k})

model, parameters, modules = copy.deepcopy(unet), {}, []
for key, layer in list(model.named_modules()):
    ends = lambda names: any(key == n or key.endswith("." + n) for n in names)
    rank = RANK if ends(LINEAR) else CONV_RANK if ends(CONVOLUTIONS) else 0
    if rank:
        module = LokrModule("lora_unet_" + key.replace(".", "_"), layer, 1.0, lora_dim=rank, alpha=ALPHA * rank / RANK, factor=2).double()
        module.apply_to()
        modules.append(module)
        parameters |= {f"{key}.{k}": p for k, p in module.named_parameters()}
write("lokr", model, parameters)
