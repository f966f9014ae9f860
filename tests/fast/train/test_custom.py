"""Layers of the user's own: opened with the file that defines them, and only with it."""

import hashlib
import importlib.util

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.runtime import InputError
from edgepress.train import custom_layers, model_file, open_keras, unrolled

LAYERS = """
import {library}
from {library} import layers
from subprocess import Popen


def halved(x):
    return x / 2


@{library}.saving.register_keras_serializable(package="Own")
class Scaled(layers.Layer):
    def __init__(self, by=2.0, **options):
        super().__init__(**options)
        self.by = by

    def build(self, shape):
        self.offset = self.add_weight(shape=(shape[-1],), initializer="ones", name="offset")

    def call(self, x):
        return x * self.by + self.offset

    def get_config(self):
        return super().get_config() | {{"by": self.by}}


class Plain(layers.Layer):
    def call(self, x):
        return x - 1.0


class Whole({library}.Model):
    def __init__(self, units=3, **options):
        super().__init__(**options)
        self.units, self.last = units, layers.Dense(units)

    def call(self, x):
        return self.last(x) * 2

    def get_config(self):
        return super().get_config() | {{"units": self.units}}
"""
KERASES = {"keras": keras, "tf_keras": tf_keras}
ROWS = np.random.default_rng(0).random((4, 3), np.float32)


def module_at(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def layers_of(tmp_path):
    """A function that writes the file for a Keras; it gives the path and the module."""

    def write(library):
        path = tmp_path / f"layers_{library}.py"
        path.write_text(LAYERS.format(library=library))
        return path, module_at(path)

    return write


def network(library, own):
    L = KERASES[library].layers
    x = L.Input((3,), name="row")
    y = own.Plain(name="less")(L.Dense(4, activation=own.halved)(own.Scaled(3.0, name="scaled")(x)))
    return KERASES[library].Model(x, y)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(("library", "suffix"), [("keras", "keras"), ("tf_keras", "keras"), ("tf_keras", "h5")])
def test_layers_and_functions_of_a_named_file_open_and_compute_the_same(tmp_path, layers_of, library, suffix):
    path, own = layers_of(library)
    model = network(library, own)
    model.save(tmp_path / f"m.{suffix}")
    with pytest.raises(InputError, match=r"--custom layers\.py"):
        open_keras(tmp_path / f"m.{suffix}")
    with custom_layers(path):
        opened = open_keras(tmp_path / f"m.{suffix}")
    np.testing.assert_allclose(opened.model(ROWS), model(ROWS), atol=1e-6)
    assert opened.custom.record == {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    with pytest.raises(InputError, match=r"cannot be made smaller \(Plain, Scaled, halved of layers_"):
        opened.require_rebuilt("made smaller")


def test_a_file_for_keras_serves_models_that_tf_keras_wrote(tmp_path, layers_of):
    _, own = layers_of("tf_keras")
    model = network("tf_keras", own)
    model.save(tmp_path / "m.keras")
    for written in ("import keras", "from tensorflow import keras", "import tensorflow as tf; keras = tf.keras"):
        code = LAYERS.format(library="keras").replace("import keras", written, 1)
        code = code.replace("from keras import layers", "from tensorflow.keras import layers")
        (tmp_path / "layers.py").write_text(code)
        with custom_layers(tmp_path / "layers.py"):
            opened = open_keras(tmp_path / "m.keras")
        np.testing.assert_allclose(opened.model(ROWS), model(ROWS), atol=1e-6)
    import tensorflow

    assert keras.layers.Layer is tensorflow.keras.layers.Layer is not tf_keras.layers.Layer


def test_a_file_for_the_other_keras_is_told_so(tmp_path, layers_of):
    network("keras", layers_of("keras")[1]).save(tmp_path / "m.keras")
    path, _ = layers_of("tf_keras")
    with custom_layers(path), pytest.raises(InputError, match="derives it from tf_keras, and the model is one of ker"):
        open_keras(tmp_path / "m.keras")


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_a_model_of_the_users_own_class_becomes_one_that_knows_its_input(tmp_path, layers_of, library):
    path, own = layers_of(library)
    model = own.Whole(2)
    wanted = model(ROWS)
    with custom_layers(path), model_file(model) as file:
        opened = open_keras(file).model
    np.testing.assert_allclose(opened(ROWS), wanted, atol=1e-6)
    with pytest.raises(InputError, match="custom="), model_file(model):
        pass


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_reaches_no_further_than_layers(tmp_path, layers_of):
    path, own = layers_of("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Input((3,)), own.Plain(name="less")])
    model.save(tmp_path / "m.h5")
    import h5py

    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"Plain"', '"Popen"')
    with (
        custom_layers(path),
        pytest.raises(InputError, match=r"'less' is a Popen: .* defines Plain, Scaled, Whole, hal"),
    ):
        open_keras(tmp_path / "m.h5")


def test_a_layer_named_like_one_of_keras_is_the_users(tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(
        "import keras\n@keras.saving.register_keras_serializable()\nclass ReLU(keras.layers.Layer):\n"
        "    def call(self, x):\n        return x + 5.0\n"
    )
    model = keras.Sequential([keras.Input((3,)), module_at(path).ReLU()])
    model.save(tmp_path / "m.keras")
    with custom_layers(path):
        np.testing.assert_allclose(open_keras(tmp_path / "m.keras").model(ROWS), ROWS + 5, atol=1e-6)
    with pytest.raises(InputError, match=r"is layers\.ReLU"):
        open_keras(tmp_path / "m.keras")


def test_recurrent_layers_beside_own_ones_are_unrolled(tmp_path, layers_of):
    path, own = layers_of("keras")
    model = keras.Sequential([keras.Input((5, 3)), own.Plain(), keras.layers.LSTM(4)])
    model.save(tmp_path / "m.keras")
    steps = np.random.default_rng(0).random((2, 5, 3), np.float32)
    with custom_layers(path):
        straight = unrolled(open_keras(tmp_path / "m.keras").model)
        np.testing.assert_allclose(straight(steps), model(steps), atol=1e-5)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nimport no_such_module", r"line 2: ModuleNotFoundError: No module named 'no_such_module': mend"),
        ("def f(:\n", "line 1: SyntaxError"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_in_one_line(tmp_path, code, message):
    path = tmp_path / "layers.py"
    if code is not None:
        path.write_text(code)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "m.keras")
    with pytest.raises(InputError, match=message), custom_layers(path):
        open_keras(tmp_path / "m.keras")
