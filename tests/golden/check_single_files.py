#!/usr/bin/env python3
"""Single files that likeness-cli writes, as diffusers reads them: converts folders to one file each, opens it with from_single_file and compares
every tensor with the folder's; then the file back to a folder, which diffusers opens too. Needs diffusers; prints one JSON line and fails when
diffusers finds a key too many or too few, or a tensor is another to the last bit.
  check_single_files.py LIKENESS_CLI MODEL_FOLDER...      folders with CLIP's own vocabulary, such as those of make_tiny_models.py
"""
import argparse
import json
import logging
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("cli")
arguments.add_argument("models", nargs="+")
a = arguments.parse_args()


class Complaints(logging.Handler):
    """Counts what diffusers says about keys that it did not know or did not find."""
    count = 0

    def emit(self, record):
        self.count += "not used when" in record.getMessage() or "newly initialized" in record.getMessage()


complaints = Complaints()
diffusers_logging.get_logger("diffusers").addHandler(complaints)


def networks(pipeline):
    """Named tensors of all of them. Memory that was never filled counts as missing."""
    return {f"{name}.{key}": tensor for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)
            for key, tensor in part.state_dict().items()}


def differing(theirs, wanted):
    return len(theirs.keys() ^ wanted.keys()) + sum(
        theirs[key].is_meta or not torch.equal(theirs[key], tensor) for key, tensor in wanted.items() if key in theirs)


def convert(model, form, out):
    done = subprocess.run([a.cli, "convert", model, "--form", form, "--out", out, "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{model} to {form}: {done.stdout}{done.stderr}")
    return out


result = {}
with tempfile.TemporaryDirectory() as scratch:
    for model in map(pathlib.Path, a.models):
        pipeline = DiffusionPipeline.from_pretrained(model)
        wanted = networks(pipeline)
        file = convert(model, "single-file", pathlib.Path(scratch) / f"{model.name}.safetensors")
        complaints.count = 0
        opened = type(pipeline).from_single_file(str(file), config=str(model), **{k: None for k in ("safety_checker", "feature_extractor")
                                                                                  if k in pipeline.components})
        back = DiffusionPipeline.from_pretrained(convert(file, "diffusers", pathlib.Path(scratch) / model.name))
        result[model.name] = {"from_single_file": differing(networks(opened), wanted) + complaints.count,
                              "and back to a folder": differing(networks(back), wanted)}
print(json.dumps({"limit": 0, "difference": result}))
sys.exit(any(count for forms in result.values() for count in forms.values()))
