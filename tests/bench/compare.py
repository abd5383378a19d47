#!/usr/bin/env python3
"""Likeness beside diffusers, measured alternately on this machine: prints the README's performance table as Markdown.

  python3 -m venv peers && peers/bin/pip install -r tests/bench/peers/requirements.txt
  tests/bench/compare.py --python peers/bin/python --cli build/release/bin/likeness-cli [--repeats 3] [--quick]

Each side runs in fp32 and in bf16 and is counted with its better one. Every figure is the median over the repeats. Times of whole
programs are wall times of the process, start included. Nothing else should run meanwhile.
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
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; shows that it runs, not how fast it is")
    a = parser.parse_args()
    a.steps, a.class_images, a.sampler_steps = (6, 2, 5) if a.quick else (60, 16, 50)
    env = os.environ | {"OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="likeness-compare-") as work:
        work = pathlib.Path(work)
        if not a.photos:
            made = run([a.cli, "class-images", "--base", a.model, "--class", "toy", "--count", 4, "--seed", 1000, "--out", work / "photos", "--json"], env)
            a.photos = made["folder"]
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
