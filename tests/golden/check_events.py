"""TensorBoard's own reader over a run's event file: every value is that of metrics.csv, every picture opens, every text is there.

    python tests/golden/check_events.py RUN          (needs the packages tensorboard and pillow)
"""
import csv
import io
import sys
from pathlib import Path

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

TAGS = {"subject_loss": "loss/subject", "class_loss": "loss/class", "probe_subject": "probe/subject", "probe_class": "probe/class",
        "loss_band_1": "loss_band/1", "loss_band_2": "loss_band/2", "loss_band_3": "loss_band/3", "loss_band_4": "loss_band/4"}
ALL = {"scalars": 0, "images": 0, "tensors": 0}  # keep everything


def columns(file):
    """{column: [(step, value)]} of metrics.csv, without what was not measured."""
    found = {}
    with open(file, newline="") as rows:
        for row in csv.DictReader(rows):
            step = int(row.pop("step"))
            for name, cell in row.items():
                if cell:
                    found.setdefault(name, []).append((step, float(cell)))
    return found


def main(run):
    events = EventAccumulator(str(run), size_guidance=ALL)
    events.Reload()
    tags = events.Tags()
    expected = columns(run / "metrics.csv")
    assert sorted(tags["scalars"]) == sorted(TAGS.get(name, name) for name in expected), (tags["scalars"], list(expected))
    for name, values in expected.items():
        read = [(e.step, e.value) for e in events.Scalars(TAGS.get(name, name))]
        assert [step for step, _ in read] == [step for step, _ in values], name
        for (step, a), (_, b) in zip(read, values):
            assert abs(a - b) <= 1e-6 * abs(b), (name, step, a, b)
    pictures = 0
    for tag in tags["images"]:
        for event in events.Images(tag):
            with Image.open(io.BytesIO(event.encoded_image_string)) as picture:
                picture.load()
                assert picture.size == (event.width, event.height), tag
            pictures += 1
    texts = {tag: tensor_util.make_ndarray(events.Tensors(tag)[0].tensor_proto)[0].decode() for tag in tags["tensors"]}
    assert {"configuration", "sample_prompts", "version"} <= set(texts), texts.keys()
    assert "training:" in texts["configuration"]
    values = sum(len(v) for v in expected.values())
    print(f"{len(expected)} curves with {values} values, {pictures} pictures of {len(tags['images'])} prompts, {len(texts)} texts: all read and equal")


main(Path(sys.argv[1]))
