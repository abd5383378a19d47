#!/usr/bin/env python3
"""Two recipes on the same photos and the same model: the one that suits the model, and that of the first public DreamBooth code. Prints a
Markdown table of likeness and drift and writes OUT/sheet.jpg: a row for each, before and after, class before and after, new scenes.

  tests/bench/presets.py --cli build/dev/bin/likeness-cli --photos FOLDER --class toy --out OUT [--original-steps 800]

Likeness and drift are the run's own curves: the probe's loss of the photos and of the class pictures (fixed noise and timesteps, lower is
closer), and how far the class's sample is from the untrained model's (0 = the same structure). Needs ImageMagick's montage.
"""
import argparse
import csv
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCENES = ("on the beach", "in the snow", "on a wooden table", "with a blue background")


def run(command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def first_and_last(run_folder, column):
    values = [(int(row["step"]), float(row[column])) for row in csv.DictReader(open(run_folder / "metrics.csv")) if row.get(column)]
    return values[0], min(values, key=lambda value: value[1]), values[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=pathlib.Path, required=True)
    parser.add_argument("--photos", type=pathlib.Path, required=True)
    parser.add_argument("--class", dest="word", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--original-steps", type=int, default=800)
    a = parser.parse_args()
    a.out.mkdir(parents=True)
    original = ("--config", ROOT / "resources/presets/original-repository.yaml", "--resolution", 128, "--steps", a.original_steps)
    print("| recipe | steps | time | probe of the photos: start, best, end | probe of the class: start, end | class drift at the end |")
    print("| --- | --- | --- | --- | --- | --- |")
    sheet = []
    for name, options in (("suits the model", ()), ("original repository", original)):
        folder = a.out / name.replace(" ", "-")
        result = run([a.cli, "train", "--base", "starter", "--photos", a.photos, "--token", "sks", "--class", a.word, *options, "--class-images", 16,
                      "--out", folder, "--json"])
        subject, kept, drift = (first_and_last(folder, column) for column in ("probe_subject", "probe_class", "class_drift"))
        print(f"| {name} | {subject[2][0]} | {result['total_s']:.0f} s | {subject[0][1]:.4f}, {subject[1][1]:.4f} at {subject[1][0]}, {subject[2][1]:.4f} | "
              f"{kept[0][1]:.4f}, {kept[2][1]:.4f} | {drift[2][1]:.3f} |", flush=True)
        pictures = [("starter", f"a photo of sks {a.word}", "before"), (folder, f"a photo of sks {a.word}", "after"),
                    ("starter", f"a photo of {a.word}", "class before"), (folder, f"a photo of {a.word}", "class after")]
        pictures += [(folder, f"a photo of sks {a.word} {scene}", scene) for scene in SCENES]
        for i, (model, prompt, label) in enumerate(pictures):
            made = a.out / "pictures" / f"{folder.name}-{i}"
            run([a.cli, "generate", "--model", model, "--prompt", prompt, "--seed", 7, "--count", 1, "--out", made, "--json"])
            sheet += ["-label", f"{name}: {label}" if i == 0 else label, next(made.glob("*.png"))]
    subprocess.run(["montage", *map(str, sheet), "-tile", f"{4 + len(SCENES)}x", "-geometry", "128x128+4+4", "-quality", "90", str(a.out / "sheet.jpg")], check=True)


if __name__ == "__main__":
    main()
