"""The frontier: how small, and how accurate, the files can be. Writes docs/frontier.md and docs/frontier/.

    python benchmarks/studies/frontier.py --work runs/frontier --out docs

About 50 minutes on one core that multiplies bfloat16, two hours on two that do not, 8 GB of memory and 4 GB of disk;
EDGEPRESS_DATA_DIR names the folder with mnist.npz. Every stage leaves its result in the work folder, every fit a
checkpoint after each epoch: a run that was killed goes on when it is called again. All settings are in study.toml
beside this file and were chosen on held-back training images; the test set is looked at when a file is finished.
"""

import argparse
import hashlib
import json
import logging
import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.data import Dataset, load_dataset
from edgepress.export.companions.packed import pack
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.export.tflite.convert import to_integers
from edgepress.export.tflite.finish import finish_tflite
from edgepress.runtime import Picture, load
from edgepress.runtime.bundle.embedded import Embedded
from edgepress.runtime.contract import Contract
from edgepress.runtime.tasks import Task
from edgepress.train import build_mlp, open_keras, save_keras
from edgepress.train.fitting.augment import Distortion, make_pool
from edgepress.train.fitting.checkpoint import Checkpoint
from edgepress.train.fitting.distill import PoolEpochs, teach
from edgepress.train.fitting.epochs import one_hot
from edgepress.train.fitting.feed import predictor
from edgepress.train.fitting.fit import FitPlan, Validation, fit
from edgepress.train.fitting.rates import rate_schedule
from edgepress.train.record.environment import describe_environment, make_deterministic

from .lowbit import LowBit, build_lowbit_mlp, lowbit_weights
from .lowbit_tflite import write_lowbit_tflite
from .structured import drop_dead_units, keep_strongest_units

SETTINGS = Path(__file__).with_suffix(".toml")
_CALIBRATION_IMAGES = 500
_CNN_WEIGHT_DECAY = 5e-5
_log = logging.getLogger("edgepress")


@dataclass(frozen=True)
class Point:
    """One row of the table."""

    title: str
    reference: str
    file: str
    most_bytes: int
    most_error: float
    """Percent of the 10,000 test images."""


POINTS = {
    "cnn": Point("CNN, int8", "99.0 to 99.3 % (LeNet-5 tutorials)", "cnn-int8.tflite", 100_000, 0.40),
    "mlp": Point("784-128-64-10, int8", "96.8 to 98 % (tutorials)", "mlp-int8.tflite", 122_000, 0.70),
    "raw": Point(
        "raw `.tflite` for stock LiteRT, input averaged 2 x 2",
        "27 KB at 1.58 % error (Deep Compression's coded form)",
        "raw.tflite", 12_000, 1.58,
    ),
    "packed-200x": Point(
        "LeNet-300-100, packed for download",
        "27 KB, 40x, at 1.58 % error (Han et al. 2016)",
        "packed-200x.tflite.xz", 5_300, 1.58,
    ),
    "packed-250x": Point(
        "the same, lower accuracy",
        "64x at 1.94 % (soft weight-sharing), about 113x at 1.8 % (sparse variational dropout)",
        "packed-250x.tflite.xz", 4_300, 1.90,
    ),
}  # fmt: skip


class Study:
    """The stages, each made once and kept in the work folder."""

    def __init__(self, work: Path, settings: dict[str, Any], dataset: Dataset) -> None:
        """Begin, or go on with what is in the work folder.

        Args:
            work: Stages and checkpoints; made where it is missing.
            settings: As in study.toml.
            dataset: Pictures of 28 x 28 in ten classes.
        """
        self.work = work
        self.settings = settings
        self.seed = int(settings["seed"])
        self.dataset = dataset
        make_deterministic(self.seed)
        work.mkdir(parents=True, exist_ok=True)
        split = self.dataset.split(self.seed)
        self.images, self.labels = self.dataset.x_train[split.fit], self.dataset.y_train[split.fit]
        held_back = self.dataset.y_train[split.validation]
        self.validation = Validation(self.dataset.x_train[split.validation], held_back, one_hot(held_back, 10))
        self.contract, self.task = Picture(28, 28), Task("multiclass", "logits", self.dataset.labels)
        self.embedded = Embedded(Contract({"": self.contract}), self.task)

    def pool(self, name: str) -> NDArray[np.uint8]:
        """Training images and their distorted copies."""
        settings = dict(self.settings["pools"][name])
        copies = settings.pop("copies")
        path = self.work / f"pool-{name}.npy"
        return make_pool(self.images, path, [Distortion(**settings)] * copies, seed=self.seed)

    def teacher_logits(self, pool: str) -> NDArray[np.float16]:
        """What the convolutional network says about every image of a pool."""
        return teach(
            self.pool(pool), predictor(_in_bfloat16(self.cnn()), self.contract), self.work / f"teacher-{pool}.npy"
        )

    def cnn(self) -> Any:
        """The convolutional network of its point, float32."""
        how = self.settings["cnn"]
        return self.fitted("cnn", how, lambda: build_cnn(how["filters"]))

    def fitted(self, name: str, how: dict[str, Any], build: Callable[[], Any]) -> Any:
        """A float32 model, fitted as the settings say; read from the work folder where it has been before."""
        path = self.work / f"{name}.keras"
        if not self.has(path, how):
            make_deterministic(self.seed)
            model = _in_bfloat16(build())
            self.fit(name, model, how)
            plain = build()
            plain.set_weights(model.get_weights())
            save_keras(plain, path)
        return open_keras(path).model

    def has(self, path: Path, how: dict[str, Any]) -> bool:
        """Whether the file is there and was made with these settings."""
        note = path.with_suffix(".json")
        return path.exists() and json.loads(note.read_text())["settings"] == how

    def fit(self, name: str, model: Any, how: dict[str, Any]) -> None:
        """Train on a pool, with the teacher's answers where the settings ask for them."""
        pools = how["pool"].split("+")
        source = PoolEpochs(
            self.reduced(_joined([self.pool(pool) for pool in pools]), how),
            one_hot(self.labels, 10, how.get("smoothing", 0.0)),
            seed=(self.seed,),
            logits=_joined([self.teacher_logits(pool) for pool in pools]) if how.get("distill") else None,
            share=how.get("distill", 0.0),
            temperature=how.get("temperature", 1.0),
            passes=how.get("passes", 1),
        )
        plan = FitPlan(
            name, how["epochs"], how["batch_size"], _warm_cosine(how["learning_rate"]), how["epochs"], (self.seed,),
            settle=round(how.get("choose_from", 0.97) * (how["epochs"] - 1)),
            weight_decay=how.get("weight_decay", 0.0),
        )  # fmt: skip
        held = self.reduced(self.validation.held[None], how)[0]
        validation = Validation(held, self.validation.answers, self.validation.targets)
        fingerprint = hashlib.sha256(json.dumps([how, self.seed, self.dataset.sha256]).encode()).hexdigest()
        checkpoint = Checkpoint(self.work / f"{name}.checkpoint.npz", fingerprint)
        state = fit(
            model, source, validation, plan,
            examples=len(source), contract=self.contract, task=self.task, checkpoint=checkpoint,
        )  # fmt: skip
        seconds = sum(epoch["seconds"] for epoch in state.epochs)
        waited = sum(epoch["wait_seconds"] for epoch in state.epochs)
        note = {
            "settings": how,
            "validation_accuracy": state.epochs[state.best_epoch or 0]["validation_accuracy"],
            "minutes": round((seconds + waited) / 60, 1),
            "share_waiting_for_data": round(waited / (seconds + waited), 4),
        }
        write_file(self.work / f"{name}.json", json.dumps(note).encode())
        checkpoint.remove()

    def reduced(self, pool: NDArray[np.uint8], how: dict[str, Any]) -> NDArray[np.uint8]:
        """The pool as the model's first dense layer sees it: blocks averaged where the settings say so."""
        size = how.get("average", 1)
        if size == 1:
            return pool
        copies, count, height, width = pool.shape
        out = np.empty((copies, count, height // size, width // size), np.uint8)
        for copy, images in zip(out, pool, strict=True):
            blocks = images.reshape(count, height // size, size, width // size, size)
            copy[:] = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32))
        return out

    def int8(self, name: str, model: Any) -> bytes:
        """The model as an int8 `.tflite`, ranges measured on training images."""
        source = Source(name, Path(), "", model, None)
        some = self.images[:_CALIBRATION_IMAGES].reshape(-1, *model.input_shape[1:])
        samples = Samples({model.input_names[0]: self.contract.normalize(some)}, None)
        content = to_integers(source, samples)
        return finish_tflite(
            content,
            name,
            keras_name=model.name,
            input_names=model.input_names,
            output_names=model.output_names,
            embedded=self.embedded,
        )

    def lowbit(self, name: str, how: dict[str, Any]) -> bytes:
        """A low-bit MLP, trained from LeNet-300-100 where the settings name widths to keep of it."""
        path = self.work / f"{name}.tflite"
        if self.has(path, how):
            return path.read_bytes()
        make_deterministic(self.seed)
        layers = [
            LowBit(how["levels"], density, how.get("neighbour", 1.0), how["bias_step"]) for density in how["density"]
        ]
        steps = how["epochs"] * how.get("passes", 1) * (len(self.labels) // how["batch_size"])
        ramp = tuple(round(share * steps) for share in how["ramp"])
        side = 28 // how.get("average", 1)
        model = build_lowbit_mlp(side * side, 10, how["widths"], layers, ramp)
        if "start" in how:
            start = self.settings[how["start"]]
            lenet = self.fitted(how["start"], start, lambda: build_mlp(784, 10, start["widths"]))
            for layer, arrays in zip(model.layers, keep_strongest_units(lenet, how["widths"]), strict=True):
                layer.kernel.assign(arrays[0])
                layer.bias.assign(arrays[1])
        self.fit(name, model, how)
        found = drop_dead_units(lowbit_weights(model), group=8 // layers[0].bits)
        shapes = " - ".join(str(len(layer.integers)) for layer in found)
        _log.info("%s: units %s, non-zeros %d", name, shapes, sum(np.count_nonzero(x.integers) for x in found))
        essentials = {
            "labels": list(self.task.labels),
            "output": "logits",
            "preprocessing": {"height": 28, "width": 28},
            "unknown_threshold": None,
        }
        text = json.dumps(essentials, separators=(",", ":"))
        pool = (28, 28, how["average"]) if "average" in how else None
        content = write_lowbit_tflite(found, layers[0].bits, essentials=text, pool=pool)
        write_file(path, content)
        return content


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Pools, or what was said about them, as one; a single one stays on disk."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def build_cnn(filters: list[int]) -> Any:
    """Five convolutions for 28 x 28 images, each with batch normalisation and ReLU, and a global average.

    5 x 5, halved, two of 3 x 3, halved, two of 3 x 3: most of the work happens on small pictures. Export folds the
    normalisations.
    """
    import tf_keras

    layers = tf_keras.layers
    stack = [layers.Input((28, 28, 1), name="pixels")]
    for number, (channels, kernel, padding) in enumerate(
        zip(filters, (5, 3, 3, 3, 3), ("valid", "same", "same", "same", "valid"), strict=True), 1
    ):
        decay = tf_keras.regularizers.L2(_CNN_WEIGHT_DECAY)
        stack += [
            layers.Conv2D(
                channels, kernel, padding=padding, use_bias=False, kernel_regularizer=decay, name=f"conv{number}"
            ),
            layers.BatchNormalization(momentum=0.95, name=f"norm{number}"),
            layers.ReLU(name=f"relu{number}"),
        ]
        if number in (1, 3):
            stack.append(layers.MaxPooling2D(name=f"half{number}"))
    stack += [layers.GlobalAveragePooling2D(name="average"), layers.Dense(10, name="logits")]
    return tf_keras.Sequential(stack, name="cnn")


def _warm_cosine(highest: float) -> Callable[[float], float]:
    """Up to the highest rate over the first tenth of the steps, then down to zero along a half cosine."""
    fall = rate_schedule("cosine", highest)
    return lambda progress: highest * progress / 0.1 if progress < 0.1 else fall((progress - 0.1) / 0.9)


def _in_bfloat16(model: Any) -> Any:
    """A copy that computes in bfloat16 and keeps its weights in float32: half the time where processors know it.

    Elsewhere bfloat16 is emulated and takes four times float32's time: there the model comes back as it is.
    """
    import tf_keras

    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(cpuinfo.read_text().split()):
        return model
    config = model.get_config()
    for layer in config["layers"]:
        if layer["class_name"] != "InputLayer" and layer["config"]["name"] != "logits":
            layer["config"]["dtype"] = "mixed_bfloat16"
    fast = type(model).from_config(config)
    fast.set_weights(model.get_weights())
    assert isinstance(fast, tf_keras.Model)
    return fast


def make_point(study: Study, name: str) -> bytes:
    """The finished file of one point."""
    how = study.settings[name]
    if name == "cnn":
        return study.int8(name, study.cnn())
    if name == "mlp":
        return study.int8(name, study.fitted(name, how, lambda: build_mlp(784, 10, how["widths"])))
    content = study.lowbit(name, how)
    return content if name == "raw" else pack(content)


def measure(study: Study, path: Path) -> dict[str, float]:
    """Accuracy of a finished file on LiteRT, through the runtime that people load it with."""
    held_back, dataset = study.validation, study.dataset
    with load(path, backend="litert") as model:
        return {
            "validation_accuracy": float((model.predict(held_back.held).indices == held_back.answers).mean()),
            "test_accuracy": float((model.predict(dataset.x_test).indices == dataset.y_test).mean()),
        }


def finish_point(study: Study, name: str, out: Path) -> None:
    """Make one point's file and measure it; where its record is there already, nothing is done."""
    point = POINTS[name]
    record_path = out / "frontier" / f"{name}.json"
    settings = study.settings[name]
    if record_path.exists() and json.loads(record_path.read_text())["settings"] == settings:
        return
    content = make_point(study, name)
    path = out / "frontier" / point.file
    write_file(path, content)
    note = json.loads((study.work / f"{name}.json").read_text())
    record = {
        "file": point.file,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **measure(study, path),
        "minutes": note["minutes"],
        "share_waiting_for_data": note["share_waiting_for_data"],
        "settings": settings,
        "environment": describe_environment(),
    }
    write_file(record_path, (json.dumps(record, indent=2) + "\n").encode())
    _log.info("%s: %d bytes, test accuracy %.4f", name, len(content), record["test_accuracy"])


def write_page(out: Path) -> None:
    """docs/frontier.md from the records that are there."""
    rows, waiting = [], []
    for name, point in POINTS.items():
        record_path = out / "frontier" / f"{name}.json"
        if not record_path.exists():
            continue
        record = json.loads(record_path.read_text())
        size, error = record["bytes"], 100 * (1 - record["test_accuracy"])
        met = size <= point.most_bytes and error <= point.most_error + 1e-9
        rows.append(
            (
                point.title, point.reference, f"{point.most_bytes:,} bytes, {point.most_error:.2f} %",
                f"[{size:,} bytes](frontier/{point.file}), {error:.2f} %", "yes" if met else "no",
                f"{100 * (1 - record['validation_accuracy']):.2f} %", record["minutes"],
            )
        )  # fmt: skip
        waiting.append(record["share_waiting_for_data"])
    text = (SETTINGS.parent / "study.md.in").read_text()
    head = ("point", "to beat", "target", "reached", "met", "validation error", "minutes")
    text = text.replace("{table}", "\n".join(markdown_table(head, rows, columns="l")))
    text = text.replace("{waiting}", f"{100 * max(waiting):.1f} %")
    write_file(out / "frontier.md", text.encode())


def main() -> None:
    """Make and measure the points that are asked for, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("runs/frontier"), help="stages and checkpoints")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where frontier.md goes")
    parser.add_argument("--only", nargs="*", choices=list(POINTS), default=list(POINTS), help="points to make")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    dataset = load_dataset("mnist")
    if dataset.name != "mnist":
        raise SystemExit(f"found {dataset.name}: the frontier needs all of MNIST; set EDGEPRESS_DATA_DIR")
    study = Study(options.work, tomllib.loads(SETTINGS.read_text()), dataset)
    for name in options.only:
        finish_point(study, name, options.out)
    write_page(options.out)


if __name__ == "__main__":
    main()
