"""What `export`, `benchmark` and the fits of `press` keep in memory, by the number of pictures.

    python -m edgepress.benchmarks.studies.memory work --images 1000 --images 4000 --out docs/memory.json
    python -m edgepress.benchmarks.studies.memory work --verb press --size 96 --spare-mb 1500 \
        --images 2400 --images 7200 --out docs/memory-press.json
    python -m edgepress.benchmarks.studies.memory work --verb benchmark --size 96 --spare-mb 1500 \
        --model mobilenet --images 60000 --way "in pieces" --out docs/memory-benchmark.json

Makes JPEGs of two classes, bright and dark, in `work`. For each number of pictures, in a process each, as the command
line reads the data (many pictures stay in a file) and as arrays in memory: `edgepress.export` of a Keras model that
tells them apart without being fitted, or of a MobileNetV1 0.25 that knows nothing yet; an epoch of pruning and one
of quantization-aware training of such a model; or `edgepress.benchmark` of its bundle, preset default, with which all
test pictures are changed in nine ways. The bundle is exported before, without a limit, and stays in `work`.
`started_mb` is the peak of that process' resident memory with
TensorFlow imported, `read_mb` when the data are read, `peak_mb` at the end; converters run in processes of their own,
which are not counted. `wait_share` is what training waited for pictures, of the time of its epochs; `models_mb` the
most that one of the processes took in which `benchmark` asks the models, while it was timed.
`--spare-mb` limits the address space of
the process, and of each of its children, to that much beyond what it has with TensorFlow imported. A study that is
stopped goes on after the last of these. Linux. Prints the table for docs/growth.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.runtime.machine import describe_machine

__all__ = ["MODELS", "VERBS", "WAYS", "make_mobilenet", "make_model", "make_pictures", "measure", "to_table"]

WAYS = {"in pieces": True, "in memory": False}
"""By name: whether many pictures stay in a file."""
_CHILD = """
import json, sys, time
import resource
import tensorflow, tf_keras
from pathlib import Path
from edgepress.benchmarks import benchmark
from edgepress.data import as_dataset
from edgepress.export import export
from edgepress.train import TrainConfig, adopt_baseline, press_model

def status(key):
    # Not `getrusage`, which counts what the process had that this one was forked from.
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

verb, model, pictures, out, in_pieces, spare, given = sys.argv[1:]
if spare != "None":
    most = status("VmSize") + int(spare) * 10**6
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
started, begun = status("VmHWM"), time.monotonic()
dataset = as_dataset(pictures, in_pieces=in_pieces == "True")
read, read_s = status("VmHWM"), time.monotonic() - begun
told = {}
if verb == "export":
    export(
        {"model": model}, dataset, out, variants=["tflite:float32", "tflite:int8"], overwrite=True,
        input=given or None, accept_chance=True,
    )
elif verb == "benchmark":
    report = benchmark(out, dataset, accept_chance=True)
    told["rows"] = len(report.rows)
    told["models_mb"] = max(row.speed.memory_bytes.peak for row in report.rows) / 1e6
else:
    config = TrainConfig(prune_epochs=1, quantize_epochs=1, shift=1)
    start = adopt_baseline(dataset, config, model, Path(out) / "float.keras", accept_chance=True)
    pressed = press_model(dataset, start.path, config, Path(out) / "pressed.keras")
    epochs = [epoch for fit in pressed.history.fits.values() for epoch in fit["epochs"]]
    told["epochs_s"] = sum(epoch["seconds"] for epoch in epochs)
    told["wait_share"] = sum(epoch["wait_seconds"] for epoch in epochs) / told["epochs_s"]
print(json.dumps({
    "started_mb": started / 1e6, "read_mb": read / 1e6, "peak_mb": status("VmHWM") / 1e6,
    "read_s": read_s, "seconds": time.monotonic() - begun, **told,
}))
"""


def make_pictures(folder: Path, count: int, size: int, seed: int = 0) -> Path:
    """`count` colour JPEGs of `size` x `size` in `folder/{bright,dark}`; those that are there stay."""
    image = require("PIL.Image", extra="image")
    for number in range(count):
        name = ("bright", "dark")[number % 2]
        place = folder / name / f"{number:06}.jpg"
        if not place.exists():
            random = np.random.default_rng([seed, number])
            low = 130 if name == "bright" else 0
            coarse = random.integers(low, low + 120, (size // 8, size // 8, 3), dtype=np.uint8)
            place.parent.mkdir(parents=True, exist_ok=True)
            image.fromarray(coarse).resize((size, size)).save(place, quality=85)
    return folder


def make_model(path: Path, size: int) -> Path:
    """A convolutional classifier of brightness with weights that nobody fitted."""
    keras = require("tf_keras", extra="toolkit")
    model = keras.Sequential(
        [
            keras.layers.Input((size, size, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    kernel = np.full((3, 3, 3, 4), 1 / 27, np.float32)
    model.layers[1].set_weights([kernel, np.zeros(4, np.float32)])
    dense = np.array([[5, -5]] * 4, np.float32)
    model.layers[-1].set_weights([dense, np.array([-10, 10], np.float32)])
    model.save(path)
    return path


def make_mobilenet(path: Path, size: int) -> Path:
    """A MobileNetV1 0.25 for two classes that knows nothing yet."""
    keras = require("tf_keras", extra="toolkit")
    keras.utils.set_random_seed(0)
    body = keras.applications.MobileNet((size, size, 3), alpha=0.25, weights=None, include_top=False, pooling="avg")
    keras.Model(body.input, keras.layers.Dense(2, activation="softmax")(body.output)).save(path)
    return path


MODELS = {"brightness": (make_model, ""), "mobilenet": (make_mobilenet, "pixels/255")}
"""By name: what makes it, and how it takes its input where it does not say so itself."""
VERBS = ("export", "press", "benchmark")
_FURTHER = {
    "wait_share": ("waiting for pictures", lambda value: f"{100 * value:.1f} %"),
    "models_mb": ("peak MB of a model's process", lambda value: f"{value:,.0f}"),
}
"""Figures that some verbs have: their column, and how they are written there."""


def measure(
    verb: str,
    model: Path,
    pictures: Path,
    out: Path,
    *,
    in_pieces: bool,
    spare_mb: int | None = None,
    given: str = "",
) -> dict[str, float]:
    """One export, the benchmark of a bundle in `out`, or the fits of one press, in a process of its own.

    Args:
        verb: Of `VERBS`.
        model: A Keras file.
        pictures: Class folders.
        out: Where bundle or models lie; made anew by all verbs but `benchmark`.
        in_pieces: Whether many pictures stay in a file.
        spare_mb: The address space beyond TensorFlow's.
        given: How the model takes its input, where export shall not find it.

    Raises:
        RuntimeError: It failed; its last line says why.
    """
    begun = time.monotonic()
    if verb != "benchmark":
        shutil.rmtree(out, ignore_errors=True)
    # Each thread's heap takes 64 MB of addresses, whether it uses them or not.
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, verb, *map(str, (model, pictures, out, in_pieces, spare_mb, given))],
        capture_output=True, text=True, check=False, env={**os.environ, "MALLOC_ARENA_MAX": "2"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {key: round(value, 3) for key, value in found.items()} | {"whole_s": round(time.monotonic() - begun, 1)}


def to_table(record: dict[str, Any]) -> str:
    """The page's table, and what one picture more costs."""
    lines, slopes = [], []
    further = [key for key in _FURTHER if any(key in each for each in record["measured"])]
    for way in WAYS:
        own = [each for each in record["measured"] if each["way"] == way]
        for each in own:
            figures = (each["read_mb"], each["peak_mb"], each["read_s"], each["seconds"])
            more = [_FURTHER[key][1](each[key]) for key in further]
            lines.append([f"{each['images']:,}", way, *(f"{figure:,.0f}" for figure in figures), *more])
        if len(own) > 1:
            first, last = own[0], own[-1]
            grown = last["peak_mb"] - first["peak_mb"]
            slopes.append(f"{way} {1000 * grown / (last['images'] - first['images']):,.1f} KB")
    size = record["size"]
    head = ["pictures", "way", "peak MB when read", "peak MB", "s to read", "s in all"]
    head += [_FURTHER[key][0] for key in further]
    remark = f"{size} x {size} colour JPEGs ({3 * size * size / 1000:,.1f} KB of pixels each)."
    if record.get("spare_mb"):
        remark += f" Address space: {record['spare_mb']:,} MB beyond what TensorFlow takes."
    slope = f" One picture more costs: {', '.join(slopes)}." if slopes else ""
    return "\n".join([*markdown_table(head, lines, columns="rlr"), "", remark + slope])


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="a folder for pictures, model and bundles")
    parser.add_argument("--images", type=int, action="append", help="1000 and 4000 when not given")
    parser.add_argument("--verb", choices=VERBS, default="export")
    parser.add_argument("--model", choices=list(MODELS), default="brightness")
    parser.add_argument("--way", choices=list(WAYS), action="append", help="both when not given")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--spare-mb", type=int, help="of the address space; unlimited when not given")
    parser.add_argument("--out", type=Path, default=Path("memory.json"))
    options = parser.parse_args()
    record: dict[str, Any] = {
        "command": " ".join(["python -m edgepress.benchmarks.studies.memory", *sys.argv[1:]]),
        "verb": options.verb,
        "model": options.model,
        "size": options.size,
        "spare_mb": options.spare_mb,
        "machine": describe_machine(),
        "measured": [],
    }
    if options.out.exists():
        before = json.loads(options.out.read_text())
        if all(before.get(key) == record[key] for key in ("verb", "model", "size", "spare_mb")):
            record["measured"] = before["measured"]
    done = {(each["images"], each["way"]) for each in record["measured"]}
    options.work.mkdir(parents=True, exist_ok=True)
    make, given = MODELS[options.model]
    model = make(options.work / f"{options.model}-{options.size}.keras", options.size)
    for count in options.images or [1000, 4000]:
        for way, in_pieces in WAYS.items():
            if (count, way) in done or way not in (options.way or WAYS):
                continue
            pictures = make_pictures(options.work / f"pictures-{options.size}-{count}", count, options.size)
            out = options.work / f"out-{options.verb}"
            if options.verb == "benchmark":
                out = options.work / f"bundle-{options.model}-{options.size}-{count}"
                if not out.exists():
                    measure("export", model, pictures, out, in_pieces=True, given=given)
            found = measure(
                options.verb, model, pictures, out, in_pieces=in_pieces, spare_mb=options.spare_mb, given=given
            )
            record["measured"].append({"images": count, "way": way, **found})
            record["measured"].sort(key=lambda each: (each["images"], each["way"]))
            write_file(options.out, json.dumps(record, indent=1) + "\n")
            print(record["measured"][-1], file=sys.stderr)
    print(to_table(record))


if __name__ == "__main__":
    _main()
