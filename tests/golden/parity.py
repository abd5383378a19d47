#!/usr/bin/env python3
"""Everything that Likeness computes, reads or writes beside diffusers, transformers, peft and lycoris: a table of every comparison with its
error and its bound. Fails when one is above.

  python3 -m venv peers && peers/bin/pip install -r tests/bench/peers/requirements.txt
  peers/bin/python tests/golden/parity.py --build build/dev [--quick] [--only PART,...]

Parts:
  networks     recorded small ones in fp32, fp64 and bf16, outputs (gradients too, by their test alone)
  real-size    UNet, autoencoder and text encoders of Stable Diffusion 1.5, 2.1 and XL with random weights of their published shapes, fp32, one
               after the other: at most 11 GB of memory and 10.3 GB in the temporary folder, some 5 minutes. Not with --quick
  samplers     trajectories of 20 steps, of every sampler
  tokenizers, keys, single-files, adapters, merge-extract, embeddings
  pictures     whole pictures from the same noise, of 255. With --quick of two samplers each
  exports      what a short training exports, live in diffusers and LyCORIS. Not with --quick

An error is max |a - b| / max |b| or |a - b| / |b|, whichever is larger, for networks in fp32; for pictures the largest difference of a channel;
for what must be exact the number of cases that are not. --quick takes 2 minutes and 1.5 GB.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Parity:
    def __init__(self, a, scratch):
        self.bin, self.quick, self.scratch = pathlib.Path(a.build).resolve() / "bin", a.quick, scratch
        self.cli, self.rows, self.above, self.part = self.bin / "likeness-cli", 0, 0, ""

    def row(self, what, error, bound):
        above = not error <= bound  # also what is no number
        self.rows, self.above = self.rows + 1, self.above + above
        print(f"{self.part:13} {what:76} {error:9.3g} {bound:9.3g}{'  ABOVE' if above else ''}", flush=True)

    def tests(self, program, pattern, folder=None):
        """What the tests of a program measured (tests/support/expect_within.h), cases of one kind as one row; whether those passed that
        measure nothing, or failed in something else."""
        report = self.scratch / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run([self.bin / program, f"--gtest_filter={pattern}", f"--gtest_output=json:{report}"], capture_output=True, text=True,
                              env=os.environ | ({"LIKENESS_GOLDEN_NETWORKS": str(folder)} if folder else {}))
        if not report.exists():
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            return self.row(f"{program} did not end", 1, 0)
        for test in (t for suite in json.loads(report.read_text())["testsuites"] for t in suite["testsuite"]):
            name, measured = f"{test['classname']}.{test['name']}", {}
            for key, value in test.items():
                if found := re.fullmatch(r"(\S+) of (\S+)", str(value)):
                    error, bound = map(float, found.groups())
                    measured.setdefault(re.sub(r"_\d+\.", ".", key), []).append((error / max(bound, 1e-300), error, bound))
            for key, cases in measured.items():
                _, error, bound = max(cases)
                self.row(f"{name} {key}" + (f", the worst of {len(cases)}" if len(cases) > 1 else ""), error, bound)
            if "failures" in test or not measured:
                self.row(name, len(test.get("failures", [])), 0)
                print("\n".join(f["failure"] for f in test.get("failures", [])), end="", file=sys.stderr)

    def script(self, name, *arguments, what=""):
        """The differences that a check_*.py prints; its own verdict where that is about something else."""
        done = subprocess.run([sys.executable, HERE / name, *map(str, arguments)], capture_output=True, text=True)
        try:
            result = json.loads(done.stdout.strip().splitlines()[-1])
        except (IndexError, ValueError):
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            return self.row(f"{name} {what} did not end", 1, 0)

        def walk(place, value):
            if isinstance(value, dict) and "max" not in value:
                for key, inner in value.items():
                    walk([*place, key], inner)
            else:
                found = value if isinstance(value, dict) else {"max": value}
                self.row(" ".join([what, *place]).strip(), found["max"], found.get("limit", result["limit"]))

        before = self.above
        walk([], result["difference"])
        if done.returncode and self.above == before:
            self.row(f"{name} {what}: {done.stdout.strip()}", done.returncode, 0)

    def models(self):
        """Small models of every family, made once."""
        folder = self.scratch / "models"
        if not folder.exists():
            subprocess.run([sys.executable, HERE / "make_tiny_models.py", ROOT / "resources/clip", folder], check=True, capture_output=True)
        return sorted(folder.iterdir())

    def networks(self):
        self.tests("test_nn", "Golden.*:TinyDecoderTest.DecodesAsDiffusersDoes:VisionTowerTest.SeesAndReadsAsTransformersDoes")

    def real_size(self):
        if self.quick:
            return
        from make_real_networks import NETWORKS
        by_kind = {"unet": "UNetMatchesDiffusers", "vae": "AutoencoderMatchesDiffusers", "clip": "ClipMatchesTransformers",
                   "clipxl": "SdxlsClipMatchesTransformers"}
        for name, (_, tensors, parameters) in NETWORKS.items():
            folder = self.scratch / "real"
            made = subprocess.run([sys.executable, HERE / "make_real_networks.py", folder, name], capture_output=True, text=True)
            self.row(f"{name}: {tensors} tensors, {parameters:,} parameters", made.returncode, 0)
            print(made.stderr if made.returncode else "", end="", file=sys.stderr)
            if not made.returncode:
                self.tests("test_nn", f"Golden.{by_kind[name.split('_')[0]]}", folder)
            shutil.rmtree(folder, ignore_errors=True)

    def samplers(self):
        self.tests("test_diffusion", "Sampler.T*EqualDiffusers:Sampler.T*EqualsDiffusers:NoiseSchedule.*EqualDiffusers*")

    def tokenizers(self):
        self.tests("test_text", "ClipTokenizer.equals*:ClipTokenizer.knows*:ParseAttention.*")

    def keys(self):
        self.tests("test_weights", "NetworkTensors.*:KeyMap.*:SingleFileTest.*:AdapterFile.*")
        self.tests("test_engine", "ConvertTest.ThereAndBack*")

    def single_files(self):
        self.script("check_single_files.py", self.cli, *self.models())

    def adapters(self):
        self.tests("test_nn", "AdapterGolden.*")
        self.script("check_adapters.py", self.cli, what="written, read by diffusers:")

    def merge_extract(self):
        self.tests("test_nn", "Merge.*")
        self.tests("test_engine", "ExtractTest.AtFullRank*:MergeTest.*Fp64*:MergeTest.TheDifference*:MergeTest.TheEnds*")

    def embeddings(self):
        self.tests("test_nn", "Embeddings.*:EncodePrompt.*")
        for model in self.models():
            if model.name in ("sd1", "sd2", "sdxl"):
                self.script("check_pictures.py", self.cli, model, "--samplers", "euler", "--limit", 1, "--count", 1, "--size", 64, "--embedding",
                            what=f"a picture with a learned word, {model.name}:")

    def pictures(self):
        limited = ["--limit", 1] + (["--samplers", "ddim,dpmpp_2m karras", "--count", 1] if self.quick else [])
        picture = next((ROOT / "resources/samples").rglob("*.jpg"))
        for model in [ROOT / "resources/starter", *self.models()]:
            if model.name == "inpainting":
                continue
            self.script("check_pictures.py", self.cli, model, *limited, what=f"{model.name}:")
        mask = self.scratch / "mask.png"
        from PIL import Image
        whole = Image.new("L", (128, 128))
        whole.paste(255, (32, 40, 96, 100))
        whole.save(mask)
        few = ["--samplers", "ddim,euler", "--limit", 1, "--count", 1, "--image", picture]
        self.script("check_pictures.py", self.cli, ROOT / "resources/starter", *few, what="from a picture, starter:")
        for name in ("sd1", "inpainting"):
            self.script("check_pictures.py", self.cli, self.scratch / "models" / name, *few, "--mask", mask, what=f"under a mask, {name}:")

    def exports(self):
        if not self.quick:
            self.script("check_exports.py", self.cli)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["networks", "real-size", "samplers", "tokenizers", "keys", "single-files", "adapters", "merge-extract", "embeddings", "pictures",
             "exports"]
    parser.add_argument("--build", required=True, help="the build folder with likeness-cli and the test programs")
    parser.add_argument("--quick", action="store_true", help="without networks of real size and without training")
    parser.add_argument("--only", metavar="PART,...", help="of: " + ", ".join(parts))
    a = parser.parse_args()
    if unknown := set((a.only or "").split(",")) - {"", *parts}:
        parser.error(f"no such part: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as scratch:
        parity = Parity(a, pathlib.Path(scratch))
        print(f"{'part':13} {'what':76} {'error':>9} {'bound':>9}")
        for parity.part in (a.only.split(",") if a.only else parts):
            getattr(parity, parity.part.replace("-", "_"))()
    print(f"{parity.rows} comparisons, {parity.above} above their bounds")
    sys.exit(parity.above > 0)


if __name__ == "__main__":
    main()
