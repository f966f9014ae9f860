"""Layers of Keras' own tutorials: preprocessing inside the model, augmentation that training alone does; free sizes."""

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.train import open_keras, sized

keras = pytest.importorskip("keras", reason="needs the toolkit extra")
tf_keras = pytest.importorskip("tf_keras", reason="needs the toolkit extra")
L = keras.layers


def adapted(module):
    layer = module.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal([1e5, 0.5, 3], [600, 0.1, 2], (200, 3)).astype(np.float32))
    return layer


def augmentation():
    return keras.Sequential([keras.Input((32, 32, 3)), L.RandomFlip("horizontal"), L.RandomRotation(0.1)])


PICTURES = {
    "rescaling and augmentation": lambda: [L.Rescaling(1 / 255), L.RandomFlip(), L.RandomZoom(0.1), L.Conv2D(4, 3)],
    "augmentation as a model": lambda: [augmentation(), L.Rescaling(1 / 127.5, offset=-1), L.Conv2D(4, 3)],
    "augmentation of every kind": lambda: [
        L.RandomRotation(0.1), L.RandomTranslation(0.1, 0.1), L.RandomContrast(0.1), L.RandomBrightness(0.1),
        L.Conv2D(2, 3),
    ],
    "resizing": lambda: [L.Resizing(24, 20), L.Rescaling(1 / 255), L.Conv2D(4, 3)],
    "resizing, nearest": lambda: [L.Resizing(16, 16, interpolation="nearest"), L.Conv2D(4, 3)],
    "center crop": lambda: [L.CenterCrop(20, 24), L.Conv2D(4, 3)],
}  # fmt: skip
ROWS = {
    "adapted": lambda: [adapted(keras), L.Dense(2)],
    "stated": lambda: [L.Normalization(mean=[1e5, 0.5, 3.0], variance=[360000.0, 0.01, 4.0]), L.Dense(2)],
    "one for all": lambda: [L.Normalization(axis=None, mean=2.0, variance=9.0), L.Dense(2)],
}
WINDOWS = {
    "padding and cropping": lambda: [L.ZeroPadding1D(2), L.Cropping1D(1), L.Conv1D(4, 3)],
    "upsampling": lambda: [L.UpSampling1D(2), L.SpatialDropout1D(0.2), L.Conv1D(4, 3)],
}
CASES = {(32, 32, 3): PICTURES, (3,): ROWS, (20, 3): WINDOWS}


@pytest.mark.parametrize(("shape", "name"), [(shape, name) for shape, each in CASES.items() for name in each])
def test_it_opens_and_computes_as_keras_3_does(tmp_path, shape, name):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *CASES[shape][name](), L.Flatten(), L.Dense(3)])
    model.save(tmp_path / "m.keras")
    opened = open_keras(tmp_path / "m.keras").model
    x = np.random.default_rng(1).random((4, *shape), np.float32) * (200 if len(shape) == 3 else 3)
    wanted = model.predict(x, verbose=0)
    np.testing.assert_allclose(opened.predict(x, verbose=0), wanted, atol=1e-4 * max(1, np.abs(wanted).max()))
    assert not [layer for layer in opened.layers if type(layer).__name__.startswith("Random")]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_statistics_of_tf_keras_are_kept(tmp_path, suffix):
    model = tf_keras.Sequential([tf_keras.Input((3,)), adapted(tf_keras), tf_keras.layers.Dense(2)])
    model.save(tmp_path / f"m.{suffix}")
    opened = open_keras(tmp_path / f"m.{suffix}").model
    x = np.array([[1.01e5, 0.4, 1.0]], np.float32)
    np.testing.assert_allclose(opened.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)


def test_free_sizes_become_the_datas(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, None, 3)), L.Conv2D(4, 3), L.MaxPooling2D(), L.Conv2D(4, 3), L.GlobalAveragePooling2D()]
    )
    model.save(tmp_path / "m.keras")
    opened = open_keras(tmp_path / "m.keras").model
    x = np.random.default_rng(0).random((30, 20, 24, 3), np.float32)
    fixed = sized(opened, dataset_of_arrays("data", (x, None)))
    assert fixed.input_shape == (None, 20, 24, 3)
    np.testing.assert_allclose(fixed.predict(x, verbose=0), opened.predict(x, verbose=0), atol=1e-6)
    assert sized(fixed, dataset_of_arrays("data", (x, None))) is fixed
    with pytest.raises(InputError, match=r"takes anyxanyx3, and data has \(20, 24\)"):
        sized(opened, dataset_of_arrays("data", ((x[..., 0] * 255).astype(np.uint8), None)))


def test_free_lengths_become_the_datas():
    layers = tf_keras.layers
    free = tf_keras.Input((None, 3), name="seq")
    model = tf_keras.Model(free, layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3)(free)))
    windows = np.zeros((30, 50, 3), np.float32)
    assert sized(model, dataset_of_arrays("data", ({"seq": windows}, None))).input_shape == (None, 50, 3)
