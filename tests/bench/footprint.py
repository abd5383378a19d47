#!/usr/bin/env python3
"""What `likeness-cli train --plan` says of peak memory beside what the same training then takes: prints the README's table as Markdown.

  tests/bench/footprint.py --cli build/release/bin/likeness-cli [--sd15 SD15] [--only WORD]
  peers/bin/python tests/bench/peers/make_random_model.py sd15 resources/clip SD15          # for --sd15: random weights of the real size

Twelve configurations over methods, memory options, optimizers, batches and number formats, a few steps each; eight on the starter model
take two minutes, four at the real size a quarter of an hour and 11 GB. Fails when a prediction lies below what was taken, or above it by
more than a tenth and more than 150 MiB.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STEPS = 3

# name, model, flags
STARTER = "--class-images 2 --class-steps 2 --sample-steps 2"
REAL = "--steps 2 --class-images 0 --sample-every -1 --probe-every -1"
MATRIX = [
    ("full", "starter", ""),
    ("full, batch 4", "starter", "--batch-size 4"),
    ("full, batch 4, checkpointing", "starter", "--batch-size 4 --checkpointing"),
    ("full, batch 2, 8-bit AdamW, step in backward", "starter",
     "--batch-size 2 --optimizer-kind adamw8bit --step-in-backward --max-grad-norm 0"),
    ("full, bf16 weights", "starter", "--bf16-weights --dtype bf16"),
    ("LoRA, batch 8, bf16", "starter", "--method lora --batch-size 8 --dtype bf16"),
    ("LoRA, 256 px, offload", "starter", "--method lora --resolution 256 --offload"),
    ("new word, batch 4", "starter", "--method textual-inversion --batch-size 4"),
    ("LoRA, 512 px", "sd15", "--method lora --resolution 512"),
    ("LoRA, 512 px, batch 2, checkpointing, offload", "sd15", "--method lora --resolution 512 --batch-size 2 --checkpointing --offload"),
    ("full, 256 px, bf16 weights, 8-bit AdamW, step in backward", "sd15",
     "--resolution 256 --bf16-weights --optimizer-kind adamw8bit --step-in-backward --max-grad-norm 0"),
    ("new word, 256 px, bf16, with samples", "sd15",
     "--method textual-inversion --resolution 256 --dtype bf16 --sample-every 0 --sample-steps 1 --sample-prompts {subject}"),
]


def run(command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not done.stdout.strip():
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(cli, base, model, flags, folder):
    command = [cli, "train", "--base", base, "--photos", ROOT / "resources/samples/duck_toy", "--class", "toy", "--json",
               "--steps", STEPS, "--dtype", "fp32", "--out", folder / "run"]
    command += (STARTER if model == "starter" else REAL).split() + flags.split()
    plan = run(command + ["--plan"])
    return plan["memory"]["total_mib"], run(command)["peak_rss_mib"]


def rows(cli, sd15, only=""):
    """Yields (model, name, predicted MiB, real MiB, whether that is good enough); without `sd15` the starter's rows alone."""
    for name, model, flags in MATRIX:
        if only not in name or (model == "sd15" and not sd15):
            continue
        with tempfile.TemporaryDirectory() as folder:
            base = ROOT / "resources/starter" if model == "starter" else sd15
            predicted, real = measure(cli, base, model, flags, pathlib.Path(folder))
        yield model, name, predicted, real, 0 <= predicted - real <= max(0.1 * real, 150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=pathlib.Path, required=True)
    parser.add_argument("--sd15", type=pathlib.Path, help="a Stable Diffusion 1.5 in diffusers' form; without it its rows are left out")
    parser.add_argument("--only", default="", help="rows whose name holds these words")
    arguments = parser.parse_args()
    os.environ.setdefault("XDG_STATE_HOME", tempfile.gettempdir())
    bad = 0
    print("| model | configuration | predicted MiB | real MiB | above |\n| --- | --- | --- | --- | --- |")
    for model, name, predicted, real, good in rows(arguments.cli, arguments.sd15, arguments.only):
        bad += not good
        above = predicted - real
        print(f"| {model} | {name} | {predicted} | {real} | {above:+} ({above / real:+.1%}){'' if good else ' **missed**'} |", flush=True)
    sys.exit(f"{bad} missed" if bad else 0)


if __name__ == "__main__":
    main()
