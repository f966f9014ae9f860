"""Any Keras model compressed: by one call, in somebody's own training, by a press; on every backend of Keras."""

import dataclasses
import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras
from dying import dying_after

from edgepress.data import Dataset, as_dataset
from edgepress.runtime import InputError
from edgepress.train import compress, open_keras, press_model
from edgepress.train.compress.engine.kernels import kernels_of
from edgepress.train.pipeline import adopt_baseline

_STEPS, _CHANNELS = 12, 4


def motions(count=240, seed=0):
    """Windows of one of three slopes: what a network of any kind can tell apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    slopes = (labels - 1)[:, None, None] * np.linspace(-1, 1, _STEPS)[None, :, None]
    return (slopes + 0.2 * rng.normal(size=(count, _STEPS, _CHANNELS))).astype(np.float32), labels


def network(library):
    """Recurrent, separable, attending and dense."""
    layers, window = library.layers, library.Input((_STEPS, _CHANNELS))
    steps = layers.SeparableConv1D(8, 3, padding="same", activation="relu")(window)
    steps = layers.BatchNormalization()(steps)
    steps = layers.add([steps, layers.MultiHeadAttention(2, 4, name="multi_head_attention")(steps, steps)])
    last = layers.GRU(6, name="gru")(layers.Dropout(0.1)(steps))
    return library.Model(window, layers.Dense(3, activation="softmax")(last))


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = network(keras)
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*motions(), epochs=8, batch_size=32, verbose=0)
    return model


def arrays(model):
    return [(kernel, np.asarray(keras.ops.convert_to_numpy(kernel.variable))) for kernel in kernels_of(model)]


def on_grid(kernel, values, bits):
    axes = tuple(axis for axis in range(values.ndim) if axis not in kernel.channels)
    largest = np.abs(values).max(axis=axes, keepdims=True)
    integers = values / np.where(largest > 0, largest, 1) * (2 ** (bits - 1) - 1)
    return float(np.abs(integers - np.round(integers)).max()) < 1e-3


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_kernels_of_every_kind_are_found(library):
    shapes = sorted(tuple(kernel.variable.shape) for kernel in kernels_of(network(library)))
    assert shapes == sorted(
        [(3, 4, 1), (1, 4, 8), (8, 2, 4), (8, 2, 4), (8, 2, 4), (2, 4, 8), (8, 18), (6, 18), (6, 3)]
    )


def test_one_call(trained):
    before = trained.get_weights()
    pressed = compress(trained, motions(), epochs=6, batch_size=32, sparsity=0.5, weight_bits=4)
    assert all(map(np.array_equal, trained.get_weights(), before)), "the model itself stays"
    found = arrays(pressed)
    assert np.mean(np.concatenate([values.ravel() == 0 for _, values in found])) >= 0.5
    assert all(on_grid(kernel, values, 4) for kernel, values in found)
    assert pressed.evaluate(*motions(seed=1), verbose=0)[1] > 0.9


def test_a_model_of_tf_keras():
    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Input((_STEPS, _CHANNELS)), layers.Flatten(), layers.Dense(3)])
    model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    pressed = compress(model, motions(), epochs=4, clusters=8, sparsity=0.5)
    kernel = pressed.layers[-1].kernel.numpy()
    assert (kernel == 0).sum() >= kernel.size / 2
    assert len(np.unique(kernel)) <= 8


def test_shared_values_stay_shared_with_zeros_among_them(trained):
    pressed = compress(trained, motions(), epochs=3, clusters=8, sparsity=0.5, weight_bits=8, scope="layer")
    for _, values in arrays(pressed):
        assert len(np.unique(values)) <= 8
        assert (values == 0).sum() >= round(0.5 * values.size)


def test_somebody_elses_training(trained):
    model = keras.Sequential([keras.Input((_STEPS, _CHANNELS)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*motions(), epochs=2, verbose=0, callbacks=[compress.callback(model, pruning="2:4")])
    kernel = model.layers[-1].kernel.numpy()
    assert ((kernel != 0).reshape(12, 4, 3).sum(axis=1) == 2).all()


def test_what_cannot_be_compressed_is_told(trained):
    with pytest.raises(InputError, match="nothing to compress"):
        compress(trained, motions())
    with pytest.raises(InputError, match="layer_sparsity names nowhere"):
        compress(trained, motions(), layer_sparsity={"nowhere": 0.5})
    with pytest.raises(InputError, match="has no loss"):
        compress(network(keras), motions(), sparsity=0.5)
    plain = keras.Sequential([keras.Input((3,)), keras.layers.ReLU()])
    plain.compile("sgd", "mse")
    with pytest.raises(InputError, match="has no kernel"):
        compress(plain, (np.ones((4, 3)), np.ones((4, 3))), sparsity=0.5)

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    own = Own()
    own(np.ones((1, 3)))
    with pytest.raises(InputError, match=r"own(_\d+)? cannot be copied .*compress\.callback"):
        compress(own, motions(), sparsity=0.5)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return as_dataset((*motions(), *motions(60, seed=1)))


def test_a_press_that_was_killed_ends_as_one_that_was_not(trained, data, config, tmp_path):
    path = tmp_path / "own.keras"
    trained.save(path)
    asked = dataclasses.replace(
        config, structured=0.7, structured_epochs=2, structured_learning_rate=5e-3, sparsity=0.6, prune_epochs=4,
        quantize_epochs=2, scope="measured", weight_bits=6,
    )  # fmt: skip
    adopted = adopt_baseline(data, asked, path, tmp_path / "float.keras").path
    rows = motions(9)[0]
    np.testing.assert_allclose(open_keras(adopted).model(rows), trained.predict(rows, verbose=0), atol=1e-6)
    whole = press_model(data, adopted, asked, tmp_path / "whole.keras")
    assert list(whole.history.fits) == ["structured", "prune", "quantize"]
    assert {fit.get("engine") for fit in whole.history.fits.values()} == {None, "own"}
    smaller = whole.history.fits["structured"]
    assert smaller["channels"]["gru"] == [6, open_keras(whole.path).model.edgepress_inside.get_layer("gru").units]
    assert smaller["multiply_adds"][1] <= 0.7 * smaller["multiply_adds"][0]
    assert smaller["left_whole"] == {"multi_head_attention": "MultiHeadAttention"}
    assert whole.validation[1] > 0.9
    found = arrays(keras.saving.load_model(whole.path))
    assert np.mean(np.concatenate([values.ravel() == 0 for _, values in found])) >= 0.6
    shares, bits = whole.history.fits["prune"]["layer_sparsity"], whole.history.fits["quantize"]["layer_bits"]
    assert len(set(shares.values())) > 1
    assert set(bits.values()) == {4, 8}
    assert np.average([bits[kernel.layer] for kernel, _ in found], weights=[each.size for _, each in found]) <= 6
    assert all(on_grid(kernel, values, bits[kernel.layer]) for kernel, values in found)

    with dying_after(3), pytest.raises(KeyboardInterrupt):
        press_model(data, adopted, asked, tmp_path / "killed.keras")
    again = press_model(data, adopted, asked, tmp_path / "killed.keras")
    first, second = (open_keras(each.path).model.get_weights() for each in (whole, again))
    assert all(map(np.array_equal, first, second))


def test_an_engine_that_cannot_is_refused(trained, data, config, tmp_path):
    path = tmp_path / "own.keras"
    trained.save(path)
    with pytest.raises(InputError, match=r"cannot be pressed \(tfmot: layer .* is a SeparableConv1D"):
        press_model(data, path, dataclasses.replace(config, engine="tfmot"), tmp_path / "pressed.keras")


_ON_ANOTHER = """
import os, keras, numpy as np
from edgepress.train import compress
assert keras.backend.backend() == os.environ["KERAS_BACKEND"] != "tensorflow"
rng = np.random.default_rng(0)
y = rng.integers(0, 3, 200)
x = (np.eye(3)[y] + 0.1 * rng.normal(size=(200, 3))).astype("float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
model.fit(x, y, epochs=5, verbose=0)
pressed = compress(model, (x, y), epochs=5, structured=0.6, sparsity=0.5, scope="measured", weight_bits=4)
assert pressed.layers[0].units < 10
kernels = np.concatenate([layer.kernel.numpy().ravel() for layer in pressed.layers])
values = len(np.unique(pressed.layers[1].kernel.numpy()[:, 0]))
print(np.mean(kernels == 0), values, pressed.evaluate(x, y, verbose=0)[1])
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_another_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: pip install {backend}, and this runs")
    told = subprocess.run(
        [sys.executable, "-c", _ON_ANOTHER], env=os.environ | {"KERAS_BACKEND": backend}, text=True,
        capture_output=True, timeout=300, check=True,
    )  # fmt: skip
    zeros, values, accuracy = map(float, told.stdout.split()[-3:])
    assert zeros >= 0.5
    assert values <= 15
    assert accuracy > 0.95
