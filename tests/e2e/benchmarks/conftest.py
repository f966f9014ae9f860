"""A float model trained here, its re-export and its damaged copy, in one bundle."""

import os
from pathlib import Path

import numpy as np
import pytest

from edgepress.base.files import write_file
from edgepress.data import Dataset, load_dataset

DAMAGED_CLASS = 8


@pytest.fixture(scope="session")
def dataset():
    """10,000 training images and every test image of the MNIST at hand."""
    found = load_dataset("mnist")
    return Dataset(found.name, found.x_train[:10_000], found.y_train[:10_000], found.x_test, found.y_test, found.labels)


@pytest.fixture(scope="session")
def models(dataset, tmp_path_factory):
    """Keras files: float, again (the same model once more), broken (its class 8 is never answered)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras = pytest.importorskip("tf_keras", reason="needs the toolkit extra")
    from edgepress.train import save_keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(48, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(dataset.x_train / np.float32(255), dataset.y_train, batch_size=64, epochs=6, verbose=0)
    folder = tmp_path_factory.mktemp("models")
    weights = model.get_weights()
    for name in ("float", "again", "broken"):
        if name == "broken":
            weights[-2][:, DAMAGED_CLASS] = 0
            weights[-1][DAMAGED_CLASS] = -10
            model.set_weights(weights)
        save_keras(model, folder / f"{name}.keras")
    return folder


@pytest.fixture(scope="session")
def bundle(models, dataset, tmp_path_factory):
    """All three exported; not to be changed."""
    from edgepress.export import export

    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    names = {name: models / f"{name}.keras" for name in ("broken", "again", "float")}
    export(names, dataset, folder, variants=["tflite:float32", "tflite:int8", "onnx:float32"])
    return folder


@pytest.fixture(scope="session")
def data_file(dataset, tmp_path_factory):
    """The data set as the command line takes it."""
    path = tmp_path_factory.mktemp("data") / f"{dataset.name}.npz"
    np.savez_compressed(
        path, x_train=dataset.x_train, y_train=dataset.y_train, x_test=dataset.x_test, y_test=dataset.y_test
    )
    return path


@pytest.fixture(scope="session")
def report(bundle, models, dataset):
    """The whole benchmark, quickly."""
    from edgepress.benchmarks import benchmark

    return benchmark(bundle, dataset, float_model=models / "float.keras", preset="quick")


@pytest.fixture
def gate_file(tmp_path):
    """A drop of at most a point."""
    write_file(tmp_path / "gate.toml", "max_drop_points = 1.0\n")
    return Path(tmp_path / "gate.toml")
