"""A small bundle of each kind of contract and task: ONNX models of one layer, written by hand."""

import io
import wave
from pathlib import Path

import numpy as np
import onnx
from bundles import write_bundle
from onnx import TensorProto, helper, numpy_helper

from edgepress.base.files import write_file
from edgepress.runtime import Contract, Picture, Task
from edgepress.runtime.bundle.manifest import Manifest
from edgepress.runtime.conformance.golden import Vectors, reference_outputs
from edgepress.runtime.contract import Audio, Features, Signal, Tensor

WINE = Features(
    columns=("alcohol", "pressure", "colour", "sweet"),
    units=("%", "Pa", "", ""),
    categories={"colour": ("red", "white", "rosé"), "sweet": ("no", "yes")},
    missing={"pressure": 101325.0},
    mean=(13.0, 101325.0, 0.0, 0.0, 0.0, 0.5, 0.5),
    std=(0.8, 600.0, 1.0, 1.0, 1.0, 0.5, 0.5),
    one_hot=True,
)
MOTION = Signal(20, ("ax", "ay", "az"), ("m/s2",) * 3, rate=50.0, mean=(0.0, 0.0, 9.8), std=(1.0, 2.0, 3.0))
SOUND = Audio(8000, 800)
COLOURS = Picture(8, 12, order="bgr", fit="crop", polarity="as-is", resampling="bilinear", mean=(103.9, 116.8, 123.7),
                  std=(1.0, 2.0, 3.0))  # fmt: skip

KINDS = {
    "features": (WINE, Task("multiclass", "logits", ("Barolo", "Grignolino", "Barbera"), unknown_threshold=0.4), 3),
    "binary": (WINE._replace(one_hot=False, mean=(), std=()), Task("binary", "logits", ("stays", "leaves")), 1),
    "signal": (MOTION, Task("regression", "values", ("speed", "height"), units=("m/s", "m"), mean=(5.0, 1.0),
                            std=(2.0, 0.5)), 2),
    "audio": (SOUND, Task("multilabel", "logits", ("dog", "cat", "rain")), 3),
    "tensor": (Tensor((6,)), Task("anomaly", "reconstruction", threshold=0.5), 6),
    "picture": (COLOURS, Task("multiclass", "logits", ("ship", "frog")), 2),
    "raw": (Tensor((4,)), Task("raw", "raw"), 3),
    "several": ({"left": Tensor((4,)), "right": WINE}, Task("regression", "values", ("sum",)), 1),
}  # fmt: skip
"""Contract (by input name where there are several), task, numbers of the output."""


def _model(sizes, outputs, seed):
    """output = sum of input @ weights: inputs (n, ...) of so many numbers each."""
    rng = np.random.default_rng(seed)
    nodes, constants, flats = [], [], []
    for name, (shape, size) in sizes.items():
        weights = rng.normal(0, 1 / np.sqrt(size), (size, outputs)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"{name}_weights"))
        flat = name
        if len(shape) > 1:
            flat = f"{name}_flat"
            nodes.append(helper.make_node("Flatten", [name], [flat], axis=1))
        nodes.append(helper.make_node("MatMul", [flat, f"{name}_weights"], [f"{name}_sum"]))
        flats.append(f"{name}_sum")
    nodes.append(helper.make_node("Sum", flats, ["y"]))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, (shape, _) in sizes.items()
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", outputs])
    graph = helper.make_graph(nodes, "kind", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def make_kind(folder, kind, seed=0):
    """A bundle of that kind, with golden vectors."""
    contract, task, outputs = KINDS[kind]
    inputs = contract if isinstance(contract, dict) else {"x": contract}
    sizes = {name: (each.shape, each.size) for name, each in inputs.items()}
    folder = write_bundle(
        Path(folder),
        {f"{kind}-float32.onnx": _model(sizes, outputs, seed)},
        name=kind,
        contract=Contract(inputs),
        task=task,
    )
    rng, images, reals = np.random.default_rng(seed + 1), None, {}
    for name, each in inputs.items():
        if isinstance(each, Picture):
            images = rng.integers(0, 256, (4, *each.shape), np.uint8)
        elif isinstance(each, Features):
            reals[name] = each.normalize(each.numbers(wine_rows(4)))
        else:
            reals[name] = rng.normal(0, 0.2, (4, *each.shape)).clip(-1, 1).astype(np.float32)
    vectors = Vectors(images, None, {}, reals)
    Vectors(images, None, reference_outputs(folder, vectors.feed), reals).write(folder / "selftest.npz")
    manifest = Manifest.read(folder)._replace(selftest="selftest.npz")
    write_file(folder / "manifest.json", manifest.to_json())
    return folder


def wine_rows(count, seed=2):
    """Rows of `WINE` by column name."""
    rng = np.random.default_rng(seed)
    return [
        {
            "alcohol": round(float(rng.normal(13, 0.8)), 2),
            "pressure": None if i % 3 == 2 else round(float(rng.normal(101325, 600)), 1),
            "colour": str(rng.choice(WINE.categories["colour"])),
            "sweet": str(rng.choice(WINE.categories["sweet"])),
        }
        for i in range(count)
    ]


def wav(samples, rate=8000):
    """A WAV file of 16 bits, one channel, of samples between -1 and 1."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes((np.asarray(samples) * 32767).astype("<i2").tobytes())
    return file.getvalue()
