#!/usr/bin/env python3
"""Files as torch.save writes them, and beside each what it holds as safetensors writes it: NAME.pt and NAME.safetensors in
tests/golden/pickles. Needs torch and safetensors; made with torch 2.12.1, safetensors 0.8.0.

    tests/golden/make_pickles_golden.py
"""
import sys
import types
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "pickles"


def tensors(seed):
    g = torch.Generator().manual_seed(seed)
    base = torch.randn(6, 8, generator=g)
    shared = torch.randn(5, generator=g)
    return {
        "plain": base.clone(),
        "transposed": torch.randn(7, 3, generator=g).t(),
        "permuted": torch.randn(2, 3, 4, 5, generator=g).permute(3, 1, 0, 2),
        "part": base[1:5:2, 2:7],
        "row": base[3],
        "expanded": torch.randn(4, 1, generator=g).expand(4, 3),
        "single": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "tied.a": shared,
        "tied.b": shared,
        "parameter": torch.nn.Parameter(torch.randn(3, 2, generator=g)),
        "half": torch.randn(3, generator=g).half(),
        "bfloat16": torch.randn(3, 2, generator=g).bfloat16().t(),
        "double": torch.randn(2, generator=g).double(),
        "float8_e4m3": torch.randn(4, generator=g).to(torch.float8_e4m3fn),
        "float8_e5m2": torch.randn(4, generator=g).to(torch.float8_e5m2),
        "long": torch.arange(4),
        "int": torch.arange(4, dtype=torch.int32),
        "short": torch.arange(4, dtype=torch.int16),
        "char": torch.arange(4, dtype=torch.int8) - 2,
        "byte": torch.arange(4, dtype=torch.uint8),
        "uint16": torch.tensor([1, 2, 65535], dtype=torch.uint16),
        "bool": torch.tensor([True, False, True]),
    }


def write(name, content, expected, **options):
    torch.save(content, OUT / f"{name}.pt", **options)
    if expected:
        save_file({k: v.detach().contiguous().clone() for k, v in expected.items()}, OUT / f"{name}.safetensors")


def foreign_class(module, name):
    """A class of a library that is not installed here, as a checkpoint names it."""
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    made = type(name, (), {"__module__": module})
    setattr(sys.modules[module], name, made)
    return made


def main():
    OUT.mkdir(exist_ok=True)
    all_types = tensors(1)
    write("zip", OrderedDict(all_types), all_types)
    for protocol in (3, 4, 5):
        write(f"zip_protocol{protocol}", all_types, None, pickle_protocol=protocol)  # the same tensors as zip
    write("zip_legacy", all_types, None, _use_new_zipfile_serialization=False)

    # A network's own state_dict carries an attribute with versions.
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    state = module.state_dict()
    write("state_dict", state, dict(state))
    write("module_prefix", {f"module.{k}": v for k, v in state.items()}, dict(state))

    # What a training run of Stable Diffusion leaves.
    checkpoint = foreign_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    callback = checkpoint()
    callback.best = torch.tensor(0.5)
    weights = {"model.diffusion_model.out.2.bias": torch.arange(4.0), "betas": torch.arange(3.0)}
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    write("lightning", {
        "epoch": 2, "global_step": 840000, "pytorch-lightning_version": "1.4.2", "state_dict": weights,
        "callbacks": {checkpoint: {"monitor": "val/loss", "best_model_score": torch.tensor(1.0), "dirpath": "x", "object": callback}},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [], "lr": 1e-4, "big": 1 << 80, "none": None, "set": {1, 2},
        "dtype": torch.float16, "size": torch.Size([1, 2]), "device": torch.device("cpu"), "bytes": b"abc",
    }, weights)

    # Textual inversion: the program that began it, the one that everybody has, and diffusers.
    vectors = torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
    write("embedding_original", {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": vectors})},
          {"emb_params": vectors})
    write("embedding_webui", {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "bo", "step": 499,
                              "sd_checkpoint": "cc6cb27103", "sd_checkpoint_name": "v1-5"}, {"emb_params": vectors})
    write("embedding_several", {"string_to_param": {"*": vectors, "bo": vectors[0]}}, {"emb_params.*": vectors, "emb_params.bo": vectors[0]})
    write("embedding_diffusers", {"<bo>": vectors[0]}, {"<bo>": vectors[0]})

    # What has no weights by name, and what would run a program.
    torch.save(module, OUT / "refused_network.pt")
    torch.save([torch.ones(1)], OUT / "refused_list.pt")

    class Attack:
        def __reduce__(self):
            import os
            return os.system, ("touch likeness-was-here",)

    torch.save({"state_dict": weights, "callbacks": Attack()}, OUT / "refused_system.pt")
    torch.save({"state_dict": weights, "callbacks": Attack()}, OUT / "refused_system_legacy.pt", _use_new_zipfile_serialization=False)


main()
