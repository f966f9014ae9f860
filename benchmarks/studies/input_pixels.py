"""What leaving out pixels gains: border rows and columns cropped, or single pixels gathered by their indices.

    python -m edgepress.benchmarks.studies.input_pixels runs/mnist-default-1/float.keras --data mnist

Takes a trained MLP, leaves out the pixels that tell least in both ways, as many, quantizes each to int8 and measures it
in alternating rounds; nothing is trained again. Prints a Markdown table.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.base.tables import markdown_table
from edgepress.data import Dataset, load_dataset
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.export.tflite.convert import to_integers
from edgepress.runtime import Picture
from edgepress.train import open_keras
from edgepress.train.compress.slim import slim
from edgepress.train.fitting.feed import predictor

_ROUNDS = 15
_CALLS = 2_000


def gathered(model: Any, dataset: Dataset, count: int) -> Any:
    """The MLP reading its `count` strongest pixels, the others replaced by their mean."""
    tf, keras = require("tensorflow", extra="toolkit"), require("tf_keras", extra="toolkit")
    first, *others = [layer for layer in model.layers if layer.weights]
    kernel, bias = first.get_weights()
    pixels = dataset.x_train[dataset.split(0).fit].reshape(-1, len(kernel))[:10_000] / np.float32(255)
    cost = pixels.var(axis=0) * np.square(kernel).sum(axis=1)
    kept = np.sort(np.argsort(-cost, kind="stable")[:count])
    gone = np.setdiff1d(np.arange(len(kernel)), kept)
    inputs = keras.Input((len(kernel),), name="pixels")
    x = keras.layers.Dense(first.units, activation="relu", name=first.name)(tf.gather(inputs, kept, axis=1))
    for layer in others:
        x = keras.layers.Dense(layer.units, activation=layer.activation, name=layer.name)(x)
    smaller = keras.Model(inputs, x)
    smaller.get_layer(first.name).set_weights([kernel[kept], bias + pixels.mean(axis=0)[gone] @ kernel[gone]])
    for layer in others:
        smaller.get_layer(layer.name).set_weights(layer.get_weights())
    return smaller


def int8(model: Any, dataset: Dataset) -> bytes:
    """Quantized after training, on training images."""
    source = Source("model", Path(), "", model, None)
    images = dataset.x_train[dataset.split(0).fit][:500].reshape(-1, *model.input_shape[1:]) / np.float32(255)
    return to_integers(source, Samples({model.input_names[0]: images}, None))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--pixel-loss", type=float, default=0.02)
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    split = dataset.split(0)
    whole = open_keras(options.model).model
    contract = Picture(*dataset.x_train.shape[1:3])
    cropped = slim(whole, dataset.x_train[split.fit], contract, pixel_loss=options.pixel_loss)
    count = next(layer.kernel.shape[0] for layer in cropped.layers if layer.weights)
    models = {"whole": whole, "cropped": cropped, "gathered": gathered(whole, dataset, count)}
    lite = require("tensorflow", extra="toolkit").lite
    files = {name: int8(model, dataset) for name, model in models.items()}
    interpreters = {name: lite.Interpreter(model_content=content, num_threads=1) for name, content in files.items()}
    for interpreter in interpreters.values():
        interpreter.allocate_tensors()
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(_ROUNDS):
        for name, interpreter in interpreters.items():
            start = time.perf_counter()
            for _ in range(_CALLS):
                interpreter.invoke()
            times[name].append((time.perf_counter() - start) / _CALLS)
    head = (f"{dataset.name}, int8", "pixels", "bytes", "time of `invoke`, x whole", "right, held-back images %")
    rows = []
    for name, model in models.items():
        ratio = statistics.median(a / b for a, b in zip(times[name], times["whole"], strict=True))
        outputs = predictor(model, contract)(dataset.x_train[split.validation])
        right = (outputs.argmax(axis=1) == dataset.y_train[split.validation]).mean()
        pixels = count if name != "whole" else dataset.x_train[0].size
        rows.append((name, pixels, f"{len(files[name]):,}", f"{ratio:.2f}", f"{100 * right:.2f}"))
    print("\n".join(markdown_table(head, rows, columns="lr")))


if __name__ == "__main__":
    main()
