"""How much faster is an epoch of the baseline fit than the tutorials' `model.fit(batch_size=128)`?

Both train 784-128-64-10 with Adam on the same images in one process, in alternating rounds; each round starts a new
model, and its first epoch, which builds the graph, is reported apart. Ours shuffles, scores the validation images and
keeps the best weights within the time that is counted; the tutorial's loop does not. A third trains as ours does, on
images that stay in a file and are read in pieces: how its epochs compare with ours in memory is the last line.

    python benchmarks/studies/fit_speed.py --rounds 5 --epochs 6

`--source ../before/src` compares, instead, `edgepress train` of MNIST as a whole process, so many epochs a fit, by the
code of another checkout and by this one's, in turn.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.data import Dataset, load_dataset
from edgepress.data.gathered import store_rows
from edgepress.data.rows import in_pieces
from edgepress.runtime import Picture
from edgepress.runtime.tasks import Task
from edgepress.train import build_mlp
from edgepress.train.fitting.epochs import LabelledEpochs, one_hot
from edgepress.train.fitting.feed import predictor
from edgepress.train.fitting.fit import FitPlan, Validation, fit
from edgepress.train.record.environment import make_deterministic

RATE = 1e-3
CONTRACT = Picture(28, 28)


def tutorial(dataset: Dataset, epochs: int, seed: int) -> tuple[list[float], float]:
    """Seconds of each epoch, and accuracy on the validation images, of Keras' own loop."""
    tf_keras = require("tf_keras", extra="toolkit")
    tf_keras.utils.set_random_seed(seed)
    split = dataset.split(seed)
    model = build_mlp(784, 10, (128, 64), 0.1)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    images = dataset.x_train[split.fit].reshape(-1, 784).astype(np.float32) / 255
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.fit(images, dataset.y_train[split.fit], batch_size=128, verbose=0)
        seconds.append(time.perf_counter() - start)
    outputs = predictor(model, CONTRACT)(dataset.x_train[split.validation])
    return seconds, float((outputs.argmax(axis=1) == dataset.y_train[split.validation]).mean())


def ours(dataset: Dataset, epochs: int, seed: int, *, stored: bool = False) -> tuple[list[float], float]:
    """The same of edgepress' loop, on images in memory or in a file."""
    require("tf_keras", extra="toolkit").utils.set_random_seed(seed)
    split = dataset.split(seed)
    model = build_mlp(784, 10, (128, 64), 0.1)
    images: Any = dataset.x_train[split.fit]
    if stored:
        images = store_rows(in_pieces(images), images.shape[1:], images.dtype)
    source = LabelledEpochs(images, one_hot(dataset.y_train[split.fit], 10), seed=(seed,))
    labels = dataset.y_train[split.validation]
    validation = Validation(dataset.x_train[split.validation], labels, one_hot(labels, 10))
    plan = FitPlan("fit", epochs, 128, lambda progress: RATE, epochs, (seed,))
    task = Task("multiclass", "logits", dataset.labels)
    state = fit(model, source, validation, plan, examples=len(images), contract=CONTRACT, task=task)
    return [e["seconds"] + e["wait_seconds"] for e in state.epochs], state.epochs[-1]["validation_accuracy"]


def pressed(source: Path | None, epochs: int) -> tuple[float, float]:
    """Seconds of `edgepress train` with the code below `source`, this one's where None; and seconds of processors."""
    env = os.environ | ({"PYTHONPATH": str(source.resolve())} if source else {})
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder, "few.toml")
        preset.write_text("".join(f"{fit}epochs = {epochs}\n" for fit in ("", "prune_", "quantize_")))
        command = [sys.executable, "-m", "edgepress", "train", "--data", "mnist", "--preset", str(preset)]
        before, start = _children_seconds(), time.perf_counter()
        subprocess.run([*command, "--out", str(Path(folder, "model.keras"))], env=env, check=True)
        return time.perf_counter() - start, _children_seconds() - before


def _children_seconds() -> float:
    used = os.times()
    return used.children_user + used.children_system


def compare(before: Path, rounds: int, epochs: int) -> None:
    """Alternate two checkouts, each first in every other round, and print the ratios of their seconds."""
    ratios: list[tuple[float, float]] = []
    for number in range(rounds):
        order = (before, None) if number % 2 else (None, before)
        taken = {source: pressed(source, epochs) for source in order}
        ratios.append((taken[None][0] / taken[before][0], taken[None][1] / taken[before][1]))
        print(
            ", ".join(f"{'before' if source else 'now'} {each[0]:.1f} s" for source, each in taken.items()), flush=True
        )
    for what, found in zip(("time", "processor time"), zip(*ratios, strict=True), strict=True):
        print(
            f"mnist: {statistics.median(found):.3f} of the {what} before (rounds {min(found):.3f} to {max(found):.3f})"
        )


def main() -> None:
    """Alternate, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--source", type=Path, help="another checkout's src")
    options = parser.parse_args()
    if options.source:
        compare(options.source, options.rounds, options.epochs)
        return
    dataset = load_dataset("mnist")
    make_deterministic(0)
    contenders: dict[str, Callable[..., tuple[list[float], float]]] = {
        "model.fit": tutorial,
        "edgepress": ours,
        "in pieces": partial(ours, stored=True),
    }
    first: dict[str, list[float]] = {name: [] for name in contenders}
    later: dict[str, list[float]] = {name: [] for name in contenders}
    accuracy: dict[str, list[float]] = {name: [] for name in contenders}
    for seed in range(options.rounds):
        for name, run in contenders.items():
            seconds, score = run(dataset, options.epochs, seed)
            first[name].append(seconds[0])
            later[name].append(statistics.median(seconds[1:]))
            accuracy[name].append(score)
    for name in contenders:
        print(
            f"{name:10} {statistics.median(later[name]):.3f} s an epoch (rounds {min(later[name]):.3f} to "
            f"{max(later[name]):.3f}), first {statistics.median(first[name]):.2f} s, "
            f"validation accuracy {statistics.mean(accuracy[name]):.4f}"
        )
    ratios = [a / b for a, b in zip(later["model.fit"], later["edgepress"], strict=True)]
    print(
        f"{dataset.name}: {statistics.median(ratios):.2f} times as fast an epoch "
        f"(rounds {min(ratios):.2f} to {max(ratios):.2f})"
    )
    slower = [a / b for a, b in zip(later["in pieces"], later["edgepress"], strict=True)]
    same = "the same accuracies" if accuracy["in pieces"] == accuracy["edgepress"] else "OTHER ACCURACIES"
    print(
        f"{dataset.name}: in pieces an epoch takes {statistics.median(slower):.3f} of that in memory "
        f"(rounds {min(slower):.3f} to {max(slower):.3f}), {same}"
    )


if __name__ == "__main__":
    main()
