"""Every kind of model, every variant, every backend: what it costs in accuracy, or why it does not work.

    python benchmarks/studies/export_matrix.py --data mnist --images 2000 --out docs/export-matrix.md

Trains one small model of each kind, exports every variant, runs each artifact in every backend that is here (delegates
on and off, twice in fresh processes), and writes the difference from the Keras model in percentage points.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.data import Dataset, load_dataset
from edgepress.export import VARIANTS, ExportResult, export
from edgepress.runtime.conformance import Cell, conformance, setting_name
from edgepress.runtime.selftest import Vectors, reference_outputs
from edgepress.train import open_keras, save_keras

SETTINGS = ("litert", "litert+delegate", "tflite-runtime", "tflite-runtime+delegate", "numpy", "onnxruntime")
TRAINING_IMAGES = 20_000


def mlp(keras: Any) -> Any:
    """Dense 784-128-64-10."""
    layers = keras.layers
    stack = [layers.Dense(128, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(10)]
    return keras.Sequential([keras.Input((784,), name="pixels"), *stack])


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


KINDS: dict[str, Callable[[Any], Any]] = {"mlp": mlp, "resnet": resnet, "separable": separable}


def train(build: Callable[[Any], Any], data: Dataset, path: Path, seed: int) -> None:
    """Three epochs on the first training images; enough to have something to lose."""
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    model = build(tf_keras)
    images = data.x_train[:TRAINING_IMAGES].reshape(-1, *model.inputs[0].shape[1:]) / np.float32(255)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.002), loss)
    model.fit(images, data.y_train[:TRAINING_IMAGES], epochs=3, batch_size=64, verbose=0)
    save_keras(model, path)


def keras_accuracy(path: Path, data: Dataset) -> float:
    """Of the model itself, on the same images."""
    model = open_keras(path).model
    images = data.x_test.reshape(-1, *model.inputs[0].shape[1:]) / np.float32(255)
    return float((model.predict(images, verbose=0).argmax(1) == data.y_test).mean())


def cell_text(cell: Cell | None, accuracy: float, notes: list[str]) -> str:
    """The difference in points, or a note with the reason."""
    if cell is None:
        return "other format"
    if cell.status == "pass" and cell.accuracy is not None:
        return f"{100 * (cell.accuracy - accuracy):+.2f}"
    return note(f"{cell.status}: {cell.reason}", notes)


def note(reason: str, notes: list[str]) -> str:
    """A footnote's number; equal reasons share one."""
    if reason not in notes:
        notes.append(reason)
    return f"[{notes.index(reason) + 1}]"


def table(kind: str, result: ExportResult, folder: Path, data: Dataset, accuracy: float, notes: list[str]) -> list[str]:
    """One kind of model as a table in Markdown."""
    images, labels = data.x_test, data.y_test
    matrix = conformance(folder, vectors=Vectors(images, labels, reference_outputs(folder, images)))
    cells = {(cell.artifact, setting_name(cell.backend, cell.delegate)): cell for cell in matrix.cells}
    withheld = {each.file: each.reason for each in result.withheld}
    lines = [f"### {kind}", "", f"Keras: {accuracy:.4f} on {len(images)} test images.", ""]
    lines += ["| variant | bytes | " + " | ".join(SETTINGS) + " |", "|---" * (len(SETTINGS) + 2) + "|"]
    sizes = {artifact.file: artifact.bytes for artifact in result.manifest.artifacts}
    for variant in VARIANTS.values():
        file = variant.file(kind)
        if file in withheld:
            texts = [note(f"withheld: {withheld[file]}", notes)] * len(SETTINGS)
        else:
            texts = [cell_text(cells.get((file, setting)), accuracy, notes) for setting in SETTINGS]
        lines.append(f"| {variant.key} | {sizes.get(file, '')} | " + " | ".join(texts) + " |")
    return [*lines, ""]


def main() -> int:
    """Run, write, exit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FILE", help="a trained model besides")
    parser.add_argument("--out", type=Path, default=Path("docs/export-matrix.md"))
    options = parser.parse_args()
    data = load_dataset(options.data)
    data = replace(data, x_test=data.x_test[: options.images], y_test=data.y_test[: options.images])
    notes: list[str] = []
    lines = [
        "# What each variant costs, and where it runs",
        "",
        "Accuracy difference from the Keras model in percentage points, by variant and backend (`+delegate`: with the",
        "default delegate). Written by",
        "",
        f"    python benchmarks/studies/export_matrix.py {' '.join(sys.argv[1:])}",
        "",
    ]
    with tempfile.TemporaryDirectory() as work:
        models = {name: Path(file) for name, file in (text.split("=", 1) for text in options.model)}
        for kind, build in KINDS.items():
            models[kind] = Path(work, f"{kind}.keras")
            train(build, data, models[kind], options.seed)
        for kind, path in models.items():
            folder = Path(work, kind)
            result = export({kind: path}, data, folder, variants=list(VARIANTS), seed=options.seed)
            lines += table(kind, result, folder, data, keras_accuracy(path, data), notes)
    lines += [f"[{number}] {text}  " for number, text in enumerate(notes, 1)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n")
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
