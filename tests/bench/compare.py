#!/usr/bin/env python3
"""Likeness beside diffusers, measured alternately on this machine: prints the README's performance table as Markdown.

  python3 -m venv peers && peers/bin/pip install -r tests/bench/peers/requirements.txt
  tests/bench/compare.py --python peers/bin/python --cli build/release/bin/likeness-cli [--repeats 3] [--quick]
  peers/bin/python tests/bench/peers/make_random_model.py sd15 resources/clip SD15 && tests/bench/compare.py ... --sd15 SD15

Each side runs in fp32 and in bf16 and is counted with its better one. Every figure is the median over the repeats. Times of whole
programs are wall times of the process, start included. Nothing else should run meanwhile. With --sd15 a second table compares steps at
the real size of Stable Diffusion 1.5; its diffusers side holds the UNet alone, ours the whole model.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import footprint

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DTYPES = ("fp32", "bf16")


def run(command, env):
    """Runs a program whose last line of standard output is JSON; adds the wall time of the process."""
    start = time.monotonic()
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    wall = time.monotonic() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]) | {"wall_s": wall}


class Side:
    """One program's measurements: {figure: {dtype: [values]}}."""

    def __init__(self, arguments, work, env):
        self.a, self.work, self.env, self.values = arguments, work, env, {}

    def note(self, figure, dtype, value):
        self.values.setdefault(figure, {}).setdefault(dtype, []).append(value)

    def best(self, figure):
        """(median, dtype) of the better dtype."""
        return min((statistics.median(values), dtype) for dtype, values in self.values[figure].items())

    def fresh(self, name):
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        return folder


class Peer(Side):
    def train(self, dtype, out, *options):
        return run([self.a.python, HERE / "peers/train.py", self.a.model, self.a.photos, self.fresh(out), "--prompt", "a photo of sks toy",
                    "--class-prompt", "a photo of toy", "--dtype", dtype, "--threads", self.a.threads, *options], self.env)

    def measure(self, dtype):
        job = self.train(dtype, "peer-full", "--class-images", self.a.class_images, "--steps", self.a.steps)
        self.note("full_step_s", dtype, job["step_s_median"])
        self.note("job_s", dtype, job["wall_s"])
        self.note("memory_mib", dtype, job["peak_rss_mib"])
        lora = self.train(dtype, "peer-lora", "--class-images", 1, "--steps", self.a.steps, "--lora", 16)
        self.note("lora_step_s", dtype, lora["step_s_median"])
        first = self.train(dtype, "peer-lora", "--class-images", 1, "--steps", 1, "--lora", 16)
        self.note("first_step_s", dtype, first["wall_s"] - first["class_images_s"])
        pictures = run([self.a.python, HERE / "peers/generate.py", self.a.model, self.fresh("peer-pictures"), "--prompt", "a photo of a toy",
                        "--images", 4, "--steps", self.a.sampler_steps, "--dtype", dtype, "--threads", self.a.threads], self.env)
        self.note("image_s", dtype, pictures["per_image_s"])


class Likeness(Side):
    def cli(self, *arguments):
        return run([self.a.cli, *arguments, "--json"], self.env)

    def train(self, dtype, out, *options):
        return self.cli("train", "--base", self.a.model, "--photos", self.a.photos, "--token", "sks", "--class", "toy", "--out", self.fresh(out),
                        "--dtype", dtype, "--threads", self.a.threads, "--sample-every", -1, "--probe-every", -1, "--checkpoint-every", 1000000,
                        "--class-steps", self.a.sampler_steps, *options)

    def measure(self, dtype):
        job = self.train(dtype, "full", "--method", "full", "--class-images", self.a.class_images, "--steps", self.a.steps)
        self.note("full_step_s", dtype, job["step_s_median"])
        self.note("job_s", dtype, job["wall_s"])
        self.note("memory_mib", dtype, job["peak_rss_mib"])
        options = ("--method", "lora", "--rank", 16, "--targets", "to_q", "--targets", "to_k", "--targets", "to_v", "--targets", "to_out.0")
        lora = self.train(dtype, "lora", *options, "--class-images", 1, "--steps", self.a.steps)
        self.note("lora_step_s", dtype, lora["step_s_median"])
        # Class pictures from the run before, as after a first run of a project; everything outside the job counts as start.
        kept = self.work / "lora" / "class-images"
        shutil.copytree(kept, self.work / "kept", dirs_exist_ok=True)
        first = self.first_step(dtype, options)
        self.note("first_step_s", dtype, first["wall_s"] - first["total_s"] + first["first_step_s"])
        pictures = self.cli("generate", "--model", self.a.model, "--prompt", "a photo of a toy", "--sampler", "ddim", "--steps", self.a.sampler_steps,
                            "--guidance", 7.5, "--count", 4, "--seed", 1, "--dtype", dtype, "--threads", self.a.threads, "--out", self.fresh("pictures"))
        self.note("image_s", dtype, pictures["per_image_s"])

    def first_step(self, dtype, options):
        out = self.fresh("first")
        out.mkdir()
        shutil.copytree(self.work / "kept", out / "class-images")
        return run([self.a.cli, "train", "--base", self.a.model, "--photos", self.a.photos, "--token", "sks", "--class", "toy", "--out", out,
                    "--dtype", dtype, "--threads", self.a.threads, "--sample-every", -1, "--probe-every", -1, "--class-steps", self.a.sampler_steps,
                    *options, "--class-images", 1, "--steps", 1, "--json"], self.env)

    def idle(self):
        return self.cli("devices")["engine_rss_mib"]


# what, options of peers/unet.py, options of `likeness-cli train`, seconds and MiB to reach
FULL_SIZE = [
    ("LoRA rank 16 step, 512 px, bf16", ("lora", "--size", 512), ("--method", "lora", "--resolution", 512), "5.0 s", "3.2 GiB"),
    ("the same with checkpointing", ("lora", "--size", 512, "--checkpointing"), ("--method", "lora", "--resolution", 512, "--checkpointing"),
     "6.8 s", "2.6 GiB"),
    ("full step, 256 px, bf16, fp32 masters", ("full", "--size", 256), ("--method", "full", "--resolution", 256), "4.5 s", "no more than diffusers"),
    ("full step, 256 px, bf16 weights, 8-bit Adam, step in backward", ("full", "--size", 256),
     ("--method", "full", "--resolution", 256, "--bf16-weights", "--optimizer-kind", "adamw8bit", "--step-in-backward", "--max-grad-norm", 0,
      "--checkpointing"), "4.5 s", "5 GiB"),
]


def full_size_table(a, work, env):
    """Medians of few steps of one picture: the UNet alone is trained, as the peer's program does."""
    lines = ["| Stable Diffusion 1.5, random weights | diffusers | Likeness | reach |", "| --- | --- | --- | --- |"]
    for what, peer_options, options, seconds, memory in FULL_SIZE:
        print(what, file=sys.stderr, flush=True)
        p = run([a.python, HERE / "peers/unet.py", "sd15", *peer_options, "--dtype", "bf16", "--threads", a.threads, "--repeats", a.full_steps], env)
        out = work / "full-size"
        shutil.rmtree(out, ignore_errors=True)
        targets = ("--targets", "to_q", "--targets", "to_k", "--targets", "to_v", "--targets", "to_out.0") if "lora" in options else ("--no-train-text-encoder",)
        o = run([a.cli, "train", "--base", a.sd15, "--photos", a.photos, "--token", "sks", "--class", "toy", "--out", out, "--dtype", "bf16",
                 "--threads", a.threads, "--class-images", 0, "--steps", a.full_steps + 1, "--sample-every", -1, "--probe-every", -1,
                 "--checkpoint-every", 1000000, "--offload", *targets, *options, "--json"], env)
        lines.append(f"| {what} | {p['seconds_median']:.2f} s, {p['peak_rss_mib'] / 1024:.1f} GiB | "
                     f"{o['step_s_median']:.2f} s, {o['peak_rss_mib'] / 1024:.1f} GiB | {seconds}, {memory} |")
    return "\n".join(lines + [ranks_row(a, work, env), prediction_row(a)])


def ranks_row(a, work, env):
    """Two processes of one thread each beside one process with all threads; the same photos in every step. Sums in another order round
    otherwise, and AdamW's first steps are as long for the least gradient as for the largest: a few weights go another way."""
    from safetensors.numpy import load_file

    steps, weights = [], []
    for devices in (1, 2):
        out = work / f"ranks-{devices}"
        result = run([a.cli, "train", "--base", a.model, "--photos", a.photos, "--token", "sks", "--class", "toy", "--out", out, "--method", "full",
                      "--dtype", "fp32", "--threads", a.threads // devices, "--devices", devices, "--batch-size", 2, "--class-images", 2, "--class-steps", 2,
                      "--steps", a.rank_steps, "--sample-every", -1, "--probe-every", -1, "--json"], env)
        steps.append(result["step_s_median"])
        weights.append(load_file(max((out / "checkpoints").glob("*/unet.safetensors"))))
    apart = [abs(weights[0][key] - weights[1][key]).ravel() for key in weights[0]]
    close = sum(int((values <= 1e-6).sum()) for values in apart) / sum(values.size for values in apart)
    return (f"| 2 local processes beside 1, batch 2, {a.rank_steps} full steps of the small model, fp32 | | {close:.3%} of the weights within 1e-6, the "
            f"furthest {max(values.max() for values in apart):.1e} apart; {steps[1]:.3f} s a step beside {steps[0]:.3f} s: "
            f"{100 * (steps[1] / steps[0] - 1):+.0f} % | 1e-6; overhead stated |")


def prediction_row(a):
    found = list(footprint.rows(a.cli, a.sd15))
    above = [predicted - real for _, _, predicted, real, _ in found]
    part = max((predicted - real) / real for _, _, predicted, real, _ in found)
    missed = [name for _, name, _, _, good in found if not good]
    return (f"| predicted beside real peak memory, {len(found)} configurations | | {min(above):+} to {max(above):+} MiB, at most {part:+.0%}"
            f"{'; missed: ' + ', '.join(missed) if missed else ''} | never below, at most 10 % or 150 MiB above |")


def table(peer, ours, idle):
    def row(what, figure, unit, reach, ratio):
        p, p_dtype = peer.best(figure)
        o, o_dtype = ours.best(figure)
        return f"| {what} | {p:.3g} {unit} ({p_dtype}) | {o:.3g} {unit} ({o_dtype}) | {ratio(p, o)} | {reach} |"

    faster = lambda p, o: f"{p / o:.2f}x the speed"
    part = lambda p, o: f"{o / p:.2f} of the time"
    lines = ["| what | diffusers | Likeness | ratio | reach |", "| --- | --- | --- | --- | --- |",
             row("full training step", "full_step_s", "s", "2.5x", faster),
             row("LoRA rank 16 step (attention only)", "lora_step_s", "s", "2.5x", faster),
             row("start to first training step, class images cached", "first_step_s", "s", "under 1.5 s", part),
             row("4 pictures, 50 DDIM steps, guidance 7.5, per picture", "image_s", "s", "0.65", part),
             row("whole job: 16 class images, 60 full steps, save", "job_s", "s", "0.55", part)]
    p, p_dtype = peer.best("memory_mib")
    o, o_dtype = ours.best("memory_mib")
    lines.append(f"| peak memory of full training | {p:.0f} MiB ({p_dtype}) | {o:.0f} MiB ({o_dtype}), idle engine {idle} | "
                 f"idle + {o - idle:.0f} MiB | idle + 350 MiB |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="Python that has the peers' packages")
    parser.add_argument("--cli", default=ROOT / "build/release/bin/likeness-cli", help="likeness-cli")
    parser.add_argument("--model", default=ROOT / "resources/starter", help="model folder for both sides")
    parser.add_argument("--photos", required=False, help="folder of photos; without it pictures of the model serve")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sd15", help="folder of peers/make_random_model.py: prints the table of the real size as well")
    parser.add_argument("--only-sd15", action="store_true", help="prints that table alone")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; shows that it runs, not how fast it is")
    a = parser.parse_args()
    a.steps, a.class_images, a.sampler_steps, a.full_steps, a.rank_steps = (6, 2, 5, 1, 3) if a.quick else (60, 16, 50, 3, 20)
    env = os.environ | {"OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="likeness-compare-") as work:
        work = pathlib.Path(work)
        if not a.photos:
            made = run([a.cli, "class-images", "--base", a.model, "--class", "toy", "--count", 4, "--seed", 1000, "--out", work / "photos", "--json"], env)
            a.photos = made["folder"]
        if a.sd15:
            print(full_size_table(a, work, env), flush=True)
        if a.only_sd15:
            return
        peer, ours = Peer(a, work, env), Likeness(a, work, env)
        for repeat in range(a.repeats):
            for dtype in DTYPES:
                for side in (peer, ours):
                    print(f"repeat {repeat + 1} of {a.repeats}, {dtype}, {type(side).__name__}", file=sys.stderr, flush=True)
                    side.measure(dtype)
        print(table(peer, ours, ours.idle()))
        if a.quick:
            print("\n(quick: too little work to judge speed by)")


if __name__ == "__main__":
    main()
