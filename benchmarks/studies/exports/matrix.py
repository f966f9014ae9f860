"""Every kind of model, every variant, every backend: what it costs in accuracy, or why it does not work.

    python -m edgepress.benchmarks.studies.exports.matrix --model mlp=runs/mnist-default-1/pressed.keras |
        python -m edgepress.benchmarks.studies.page.figures docs/export.md export-matrix -

Trains one small model of each kind, exports every variant, runs each artifact in every backend that is here (delegates
on and off, twice in fresh processes) on the test images, and notes the difference from the Keras model in percentage
points. The record is written kind by kind: a study that is stopped goes on after the last one in it. The long table
goes to `--page`, the short one to standard output.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.data import Dataset, dataset_of_arrays, load_dataset
from edgepress.export import VARIANTS, ExportResult, Variant, export
from edgepress.runtime import Picture
from edgepress.runtime.conformance.golden import Vectors, reference_outputs
from edgepress.runtime.conformance.matrix import Cell, conformance, setting_name
from edgepress.runtime.contract import Tensor
from edgepress.runtime.tasks import Task
from edgepress.train import build_network, open_keras, save_keras, strip_quantization

SETTINGS = {
    "tflite": ("litert", "litert+delegate", "tflite-runtime", "tflite-runtime+delegate", "numpy"),
    "onnx": ("onnxruntime",),
}
_TRAINING_IMAGES = 20_000
_SAMPLES = 10_000
"""Training images that calibrate and check the model with two inputs."""


def lenet_5(keras: Any) -> Any:
    """The package's own LeNet-5."""
    task = Task("multiclass", "logits", tuple("0123456789"))
    return build_network("lenet-5", Picture(28, 28), task)


def resnet(keras: Any) -> Any:
    """Three residual convolutions with batch normalization."""
    layers = keras.layers
    x = inputs = keras.Input((28, 28, 1), name="pixels")
    x = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu")(x))
    for filters, stride in ((8, 1), (16, 2)):
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(y))
        y = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        x = layers.ReLU()(layers.Add()([layers.Conv2D(filters, 1, strides=stride)(x) if stride > 1 else x, y]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def separable(keras: Any) -> Any:
    """Depthwise and pointwise convolutions."""
    layers = keras.layers
    x = inputs = keras.Input((28, 28, 1), name="pixels")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    for filters in (16, 32):
        x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(filters, 1, activation="relu")(x)
    x = layers.Dropout(0.1)(layers.Flatten()(layers.MaxPooling2D()(x)))
    return keras.Model(inputs, layers.Dense(10)(x))


def two_inputs(keras: Any) -> Any:
    """The upper half of a picture through convolutions, the lower through a dense layer, then joined."""
    layers = keras.layers
    upper, lower = keras.Input((14, 28, 1), name="upper"), keras.Input((14, 28), name="lower")
    x = layers.Flatten()(layers.Conv2D(8, 3, strides=2, activation="relu")(upper))
    y = layers.Dense(64, activation="relu")(layers.Flatten()(lower))
    return keras.Model([upper, lower], layers.Dense(10, name="logits")(layers.Concatenate()([x, y])))


KINDS: dict[str, Callable[[Any], Any]] = {
    "lenet-5": lenet_5,
    "resnet": resnet,
    "separable": separable,
    "two inputs": two_inputs,
}


def inputs_of(model: Any, images: Any) -> dict[str, Any]:
    """The pictures, as pixels / 255, for each input of a model; several inputs share the rows among them."""
    real = images / np.float32(255)
    parts = np.split(real, len(model.inputs), axis=1)
    shapes = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    return {name: part.reshape(-1, *shape) for name, part, shape in zip(model.input_names, parts, shapes, strict=True)}


def train(build: Callable[[Any], Any], data: Dataset, path: Path, seed: int) -> None:
    """Three epochs on the first training images; enough to have something to lose."""
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    model = build(tf_keras)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.002), loss)
    inputs = inputs_of(model, data.x_train[:_TRAINING_IMAGES])
    model.fit(inputs, data.y_train[:_TRAINING_IMAGES], epochs=3, batch_size=64, verbose=0)
    save_keras(model, path)


def study(kind: str, path: Path, data: Dataset, seed: int) -> dict[str, Any]:
    """One kind: `kind`, `accuracy` of the Keras model, and `rows` by variant: bytes, and `cells` by setting, each with
    `points` or with a `reason`."""
    opened = open_keras(path)
    model = strip_quantization(opened.model) if opened.quantized else opened.model
    tests = inputs_of(model, data.x_test)
    answers = model.predict([tests[name] for name in model.input_names], verbose=0)
    accuracy = float((answers.argmax(1) == data.y_test).mean())
    name = kind.replace(" ", "-")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "bundle")
        if len(tests) == 1:
            given = data
            vectors = Vectors(data.x_test, data.y_test)
        else:
            # The last training images: none of them was trained on.
            fitted = (inputs_of(model, data.x_train[-_SAMPLES:]), data.y_train[-_SAMPLES:])
            inputs = {name: Tensor(values.shape[1:]) for name, values in tests.items()}
            given = dataset_of_arrays(data.name, fitted, (tests, data.y_test), names=data.labels, inputs=inputs)
            vectors = Vectors(None, data.y_test, inputs=tests)
        result = export({name: path}, given, folder, variants=list(VARIANTS), seed=seed)
        vectors = replace(vectors, outputs=reference_outputs(folder, vectors.feed))
        cells = conformance(folder, vectors=vectors).cells
        found = {(cell.artifact, setting_name(cell.backend, cell.delegate)): cell for cell in cells}
        rows = {key: row_of(variant, name, result, found, accuracy) for key, variant in VARIANTS.items()}
    return {"kind": kind, "accuracy": accuracy, "images": len(data.x_test), "rows": rows}


def row_of(
    variant: Variant, name: str, result: ExportResult, found: Mapping[tuple[str, str], Cell], accuracy: float
) -> dict[str, Any]:
    """One variant of one kind."""
    file = variant.file(name)
    withheld = {each.file: each.reason for each in result.withheld}
    if file in withheld:
        reason = {"reason": f"withheld: {withheld[file]}"}
        return {"bytes": None, "cells": dict.fromkeys(SETTINGS[variant.format], reason)}
    cells: dict[str, dict[str, Any]] = {}
    for setting in SETTINGS[variant.format]:
        cell = found[file, setting]
        passed = cell.status == "pass" and cell.accuracy is not None
        points = (
            {"points": round(100 * (cell.accuracy - accuracy), 4)} if passed and cell.accuracy is not None else None
        )
        cells[setting] = points or {"reason": f"{cell.status}: {cell.reason}"}
    return {"bytes": result.manifest.artifact(file).bytes, "cells": cells}


class Notes:
    """Reasons under a table, each once."""

    def __init__(self) -> None:
        self._reasons: list[str] = []

    def mark(self, reason: str) -> str:
        """The mark that stands for it in the table."""
        if reason not in self._reasons:
            self._reasons.append(reason)
        return f"[{self._reasons.index(reason) + 1}]"

    def lines(self) -> Iterator[str]:
        """What stands below."""
        return (f"[{number}] {reason}  " for number, reason in enumerate(self._reasons, 1))


def long_table(kinds: list[dict[str, Any]], command: str) -> str:
    """A page with one table a kind."""
    notes = Notes()
    lines = [
        "# What each variant costs, and where it runs",
        "",
        "Accuracy difference from the Keras model in percentage points, by variant and backend (`+delegate`: with the",
        f"default delegate). Written by `{command}`.",
        "",
    ]
    settings = [setting for own in SETTINGS.values() for setting in own]
    for kind in kinds:
        lines += [f"### {kind['kind']}", "", f"Keras: {kind['accuracy']:.4f} on {kind['images']:,} test images.", ""]
        rows = []
        for key, row in kind["rows"].items():
            cells = [row["cells"].get(setting) for setting in settings]
            texts = ["other format" if cell is None else points(cell) or notes.mark(cell["reason"]) for cell in cells]
            rows.append((key, row["bytes"] or "", *texts))
        lines += [*markdown_table(("variant", "bytes", *settings), rows, columns="lr"), ""]
    return "\n".join([*lines, *notes.lines()]) + "\n"


def short_table(kinds: list[dict[str, Any]], command: str) -> str:
    """One line a variant and backend, one column a kind."""
    notes = Notes()
    rows = []
    for key in VARIANTS:
        for backend in dict.fromkeys(setting.partition("+")[0] for setting in SETTINGS[key.partition(":")[0]]):
            cells = [kind["rows"][key]["cells"] for kind in kinds]
            texts = [short_cell(each[backend], each.get(f"{backend}+delegate"), notes) for each in cells]
            rows.append((key, backend, *texts))
    accuracies = ", ".join(f"{k['kind']} {100 * k['accuracy']:.2f} % of {k['images']:,}" for k in kinds)
    lines = [
        *markdown_table(("variant", "backend", *(kind["kind"] for kind in kinds)), rows, columns="llr"),
        "",
        f"Points from the Keras model on test images of MNIST ({accuracies}); two values where the default "
        "delegate changes it. In brackets: what a withheld file lost on held-back images, more than its "
        "bound.  ",
        *notes.lines(),
        "",
        f"Written by `{command}`.",
    ]
    return "\n".join(lines)


def short_cell(plain: dict[str, Any], delegated: dict[str, Any] | None, notes: Notes) -> str:
    """Without and with the delegate."""
    texts = []
    for cell in (plain, delegated or plain):
        reason = cell.get("reason", "")
        lost = re.search(r"withheld: accuracy ([\d.]+) against the model's ([\d.]+)", reason)
        text = f"({100 * (float(lost[1]) - float(lost[2])):+.2f})" if lost else points(cell)
        texts.append(text or notes.mark(brief(reason)))
    return " / ".join(dict.fromkeys(texts))


def points(cell: dict[str, Any]) -> str:
    """The difference in points; empty where there is none."""
    return f"{cell['points']:+.2f}" if "points" in cell else ""


def brief(reason: str) -> str:
    """A reason without what differs from model to model."""
    for pattern, text in (
        (r"is off by \S+, \S+ is allowed", "answers wrongly"),
        (r"/\S+:\d+ ", ""),
        (r" ?Node number \d+ \((\w+)\) failed to prepare\..*", r" (\1)"),
        (r"\. An older version.*", ""),
    ):
        reason = re.sub(pattern, text, reason)
    return reason


def main() -> None:
    """Run what is missing in the record, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="a trained model besides")
    parser.add_argument("--images", type=int, help="test images for the models that are trained here; all by default")
    parser.add_argument("--record", type=Path, default=Path("docs/export-matrix.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/export-matrix.md"))
    options = parser.parse_args()
    command = " ".join(["python -m edgepress.benchmarks.studies.exports.matrix", *sys.argv[1:]])
    data = load_dataset(options.data)
    record: dict[str, Any] = {"command": command, "kinds": []}
    if options.record.exists() and (before := json.loads(options.record.read_text()))["command"] == command:
        record = before
    given = {name: Path(file) for name, file in (text.split("=", 1) for text in options.model)}
    done = {kind["kind"] for kind in record["kinds"]}
    for kind in [name for name in (*given, *KINDS) if name not in done]:
        with tempfile.TemporaryDirectory() as work:
            path = given.get(kind) or Path(work, "model.keras")
            if kind in KINDS:
                train(KINDS[kind], data, path, options.seed)
            count = None if kind in given else options.images
            tested = replace(data, test=data.test[:count])
            record["kinds"].append(study(kind, path, tested, options.seed))
        record["kinds"].sort(key=lambda each: [*given, *KINDS].index(each["kind"]))
        write_file(options.record, json.dumps(record, indent=1) + "\n")
    write_file(options.page, long_table(record["kinds"], command))
    print(short_table(record["kinds"], command))


if __name__ == "__main__":
    main()
