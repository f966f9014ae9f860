"""Data are read as Keras and TensorFlow read them."""

import os

import numpy as np
import pytest
from PIL import Image

from edgepress.data import as_dataset, load_dataset

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")


def folder(root, sizes, *, mode="RGB", suffix="png", exif=False):
    rng = np.random.default_rng(0)
    for name in ("b class", "a class"):
        (root / name / "inner").mkdir(parents=True)
        for i, (height, width) in enumerate(sizes):
            levels = rng.integers(0, 256, (height, width, 3), np.uint8)
            options = {}
            if exif:
                options["exif"] = Image.Exif()
                options["exif"][0x0112] = 6
            place = root / name / ("inner" if i == 1 else ".") / f"{i}.{suffix}"
            Image.fromarray(levels).convert(mode).save(place, **options)
    (root / ".hidden").mkdir()
    Image.new("RGB", (9, 9)).save(root / ".hidden" / "0.png")
    return root


def in_keras(root, size, mode):
    data = keras.utils.image_dataset_from_directory(
        root, image_size=size, color_mode=mode, shuffle=False, batch_size=None, verbose=False
    )
    return data.class_names, list(data.as_numpy_iterator())


SEVERAL = [(30, 40), (61, 17), (200, 150), (24, 24), (25, 31), (1, 9)]


@pytest.mark.parametrize(
    ("mode", "suffix", "size"),
    [
        ("RGB", "png", (24, 24)),
        ("RGB", "png", (33, 50)),
        ("RGB", "bmp", (24, 24)),
        ("L", "png", (24, 24)),
        ("RGBA", "png", (24, 24)),
    ],
)
def test_class_folders_are_what_keras_makes_of_them(tmp_path, mode, suffix, size):
    root = folder(tmp_path / "set", SEVERAL, mode=mode, suffix=suffix)
    names, expected = in_keras(root, size, "grayscale" if mode == "L" else "rgb")
    data = load_dataset(root, input_shape=size)
    assert list(data.labels) == names
    # Both go through classes and files in the order of their names; ours takes every fifth for the test.
    unused = {"train": iter(zip(data.x_train, data.y_train, strict=True))}
    unused["test"] = iter(zip(data.x_test, data.y_test, strict=True))
    for index, (theirs, label) in enumerate(expected):
        part = "test" if index % len(SEVERAL) % 5 == 0 else "train"
        ours, own = next(unused[part])
        assert own == label
        assert np.abs(ours - theirs.reshape(ours.shape)).max() <= 1
    assert all(next(rest, None) is None for rest in unused.values())


def test_orientation_is_ignored_by_both(tmp_path):
    root = folder(tmp_path / "set", [(20, 30)] * 6, exif=True, suffix="jpg")
    _, expected = in_keras(root, (20, 30), "rgb")
    data = load_dataset(root)
    assert data.x_test.shape == (4, 20, 30, 3)
    # The decoders of JPEG differ by some levels, and not by a quarter turn.
    assert np.abs(data.x_test[0] - expected[0][0]).mean() < 5


def test_what_image_dataset_from_directory_returns_is_data(tmp_path):
    root = folder(tmp_path / "set", SEVERAL)
    made = keras.utils.image_dataset_from_directory(root, image_size=(24, 24), shuffle=False, verbose=False)
    data = as_dataset(made)
    assert data.labels == ("a class", "b class")
    assert (data.picture.shape, len(data.train) + len(data.test)) == ((24, 24, 3), 12)


X = np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32)
Y = np.arange(32) % 2


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: data.batch(5),
        lambda data: data.batch(8, drop_remainder=True).cache().prefetch(1),
        lambda data: data.batch(8, drop_remainder=True).unbatch(),
        lambda data: data.batch(8).map(lambda x, y: (x, y)),
        lambda data: data.map(lambda x, y: (x, tf.one_hot(y, 2))),
        lambda data: data.map(lambda x, y: (x, tf.one_hot(y, 2))).batch(8, drop_remainder=True),
    ],
)
def test_tensorflow_data_sets(change):
    data = as_dataset(change(tf.data.Dataset.from_tensor_slices((X, Y))))
    assert data.inputs[""].shape == (5,)
    assert (len(data.train) + len(data.test), data.labels) == (32, ("0", "1"))


def test_a_keras_pydataset():
    class Mine(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]

    data = as_dataset((Mine(), Mine()))
    assert (len(data.train), len(data.test)) == (32, 32)
