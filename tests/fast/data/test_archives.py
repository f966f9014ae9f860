"""Archives as people have them: labels (n, 1), one-hot, floats, features, series, other member names."""

import numpy as np
import pytest

from edgepress.data import load_dataset
from edgepress.runtime import InputError

N, T = 60, 20
_rng = np.random.default_rng(0)


def x(count, shape=(28, 28)):
    return _rng.integers(0, 256, (count, *shape)).astype(np.uint8)


def y(count, classes=10):
    return np.arange(count) % classes


def parts(change_x=lambda a: a, change_y=lambda a: a, shape=(28, 28), classes=10):
    return {
        "x_train": change_x(x(N, shape)),
        "y_train": change_y(y(N, classes)),
        "x_test": change_x(x(T, shape)),
        "y_test": change_y(y(T, classes)),
    }


def normal(shape, classes):
    return parts(lambda a: _rng.normal(size=a.shape).astype(np.float32), shape=shape, classes=classes)


TEN = tuple("0123456789")
GREY, COLOUR = ("picture", (28, 28)), ("picture", (32, 32, 3))
READ = {
    "plain": (parts(), GREY, TEN),
    "chan1": (parts(shape=(28, 28, 1)), GREY, TEN),
    "cifar": (parts(change_y=lambda a: a[:, None], shape=(32, 32, 3)), COLOUR, TEN),
    "onehot": (parts(change_y=lambda a: np.eye(10)[a]), GREY, TEN),
    "onehot_int": (parts(change_y=lambda a: np.eye(10, dtype=np.int64)[a]), GREY, TEN),
    "floatlabels": (parts(change_y=lambda a: a.astype(np.float32)), GREY, TEN),
    "boollabels": (parts(change_y=lambda a: a % 2 == 0), GREY, ("False", "True")),
    "strlabels": (parts(change_y=lambda a: np.array(["cat", "dog"])[a % 2]), GREY, ("cat", "dog")),
    "float01": (parts(lambda a: (a / 255).astype(np.float32)), GREY, TEN),
    "float255": (parts(lambda a: a.astype(np.float32)), GREY, TEN),
    "int64": (parts(lambda a: a.astype(np.int64)), GREY, TEN),
    "floatm1": (parts(lambda a: (a / 127.5 - 1).astype(np.float32)), GREY, TEN),
    "features": (normal((4,), 3), ("features", (4,)), ("0", "1", "2")),
    "series": (normal((128, 9), 6), ("signal", (128, 9)), TEN[:6]),
    "caps": ({key.replace("x", "X"): value for key, value in parts().items()}, GREY, TEN),
    "sk": ({"data": x(N), "target": y(N)}, GREY, TEN),
    "short": ({"x": x(N), "y": y(N)}, GREY, TEN),
    "images": ({"images": x(N), "labels": y(N)}, GREY, TEN),
    "arr_0": ({"arr_0": x(N)}, GREY, ()),
    "flat": (parts(shape=(784,)), ("features", (784,)), TEN),
    "rgba": (parts(shape=(32, 32, 4)), COLOUR, TEN),
    "fewer_in_test": (parts() | {"x_test": x(5), "y_test": y(5) % 3}, GREY, TEN),
    "fortran": (parts(np.asfortranarray), GREY, TEN),
    "joined": ({key.replace("_", ""): value for key, value in parts().items()}, GREY, TEN),
    "other_way_round": (
        {"trainX": x(N), "trainY": y(N), "testX": x(T), "testY": y(T)},
        GREY,
        TEN,
    ),
    "bytes": (parts(change_y=lambda a: np.array([b"cat", "dög".encode()])[a % 2]), GREY, ("cat", "dög")),
    "spaces": (parts(change_y=lambda a: np.array(["cat", "cat ", "dog"])[a % 3]), GREY, ("cat", "dog")),
    "narrow": (
        parts(lambda a: a, shape=(32, 3), classes=3),
        ("signal", (32, 3)),
        ("0", "1", "2"),
    ),
    "named": (parts() | {"class_names": np.array(list("abcdefghij"))}, GREY, tuple("abcdefghij")),
}
REFUSED = {
    "chfirst": (parts(shape=(3, 32, 32)), "channels first"),
    "onebased": (parts(change_y=lambda a: a + 1), "labels run from 1 to 10 and none is 0"),
    "names": (parts() | {"class_names": np.array(["t-shirt", "b"])}, "2 names for 10 outputs"),
    "obj": (parts(change_y=lambda a: a.astype(str).astype(object)), "y_train is no plain array"),
    "gap": (parts(change_y=lambda a: np.where(a > 4, 9, a)), "no training example of class '5'"),
    "two_numbers": (parts(change_y=lambda a: a % 2 + 1.0), "labels run from 1 to 2 and none is 0"),
    "plus_minus": (parts(change_y=lambda a: a % 2 * 2.0 - 1), "labels run from -1 to 1: .* number them 0, 1, 2"),
    "empty_names": (parts(change_y=lambda a: np.array(["cat", "", "dog"])[a % 3]), "targets are empty"),
    "pairs_of_names": (parts(change_y=lambda a: np.array([["a", "b"]] * len(a))), r"texts of shape \(60, 2\)"),
    "no_rows": (parts(lambda a: a[:0], lambda a: a[:0]), "train has no examples"),
    "unlike": ({"one": x(N), "other": x(T)}, r"unlike numbers of examples \(one 60, other 20\)"),
    "unnamed": ({"arr_0": x(N), "arr_1": y(N)}, "arr_0, arr_1, which does not say what is what"),
    "ranges": (parts() | {"x_test": (x(T) / 255).astype(np.float32)}, "run from 0 to 255, 0 to 1: bring all parts"),
    "only_labels": ({"labels": y(N)}, "an array for each input"),
    "two_targets": ({"a": x(N), "labels": y(N), "target": y(N)}, "one array of targets"),
}


@pytest.mark.parametrize("name", READ)
def test_read(tmp_path, name):
    members, (kind, shape), names = READ[name]
    np.savez(tmp_path / f"{name}.npz", **members)
    data = load_dataset(tmp_path / f"{name}.npz")
    only = next(iter(data.inputs.values()))
    assert (only.kind, only.shape) == (kind, shape)
    assert (data.targets.kind, data.labels) == ("classes" if names else "nothing", names)
    test = next((len(array) for key, array in members.items() if key.lower() in ("x_test", "xtest", "testx")), None)
    assert (len(data.train), len(data.test)) == ((48, 12) if test is None else (N, test))
    assert data.train.x.dtype == (np.uint8 if kind == "picture" else np.float32)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(tmp_path, name):
    members, message = REFUSED[name]
    np.savez(tmp_path / f"{name}.npz", **members)
    with pytest.raises(InputError, match=message) as refused:
        load_dataset(tmp_path / f"{name}.npz")
    assert "\n" not in str(refused.value)


def test_three_parts_in_other_words(tmp_path):
    members = {f"{part}_images": x(N) for part in ("train", "val", "test")}
    members |= {f"{part}_labels": y(N)[:, None] for part in ("train", "val", "test")}
    np.savez(tmp_path / "m.npz", **members)
    data = load_dataset(tmp_path / "m.npz")
    assert list(data.parts) == ["train", "validation", "test"]
    np.testing.assert_array_equal(data.parts["validation"].x, members["val_images"])


def test_names_as_targets_of_samples(tmp_path):
    """`labels` beside an input by name are its targets, not what classes are called."""
    names = np.array(["walk", "run", "sit"])[y(N, 3)]
    np.savez(tmp_path / "d.npz", window=_rng.normal(size=(N, 16, 3)), labels=names)
    dataset = load_dataset(tmp_path / "d.npz")
    assert dataset.labels == ("run", "sit", "walk")
    assert len(dataset.train.targets) == len(dataset.train)


def test_names_as_targets_in_the_models_order(tmp_path):
    names = np.array(["walk", "run", "sit"])
    np.savez(tmp_path / "d.npz", window=_rng.normal(size=(N, 16, 3)), labels=names[y(N, 3)], class_names=names)
    dataset = load_dataset(tmp_path / "d.npz")
    assert dataset.labels == ("walk", "run", "sit")
    assert np.bincount(dataset.train.targets).tolist() == [np.sum(dataset.train.targets == i) for i in range(3)]


def test_pictures_in_arrays_are_brought_to_a_size(tmp_path):
    np.savez(tmp_path / "d.npz", **parts(shape=(32, 32, 3)))
    dataset = load_dataset(tmp_path / "d.npz", input_shape=(24, 20))
    assert dataset.picture.shape == dataset.x_test.shape[1:] == (24, 20, 3)
    assert dataset.picture.resampling == "bilinear"
    assert load_dataset(tmp_path / "d.npz", input_shape=(32, 32)).picture.resampling == "area"
    with pytest.raises(InputError, match="have 3"):
        load_dataset(tmp_path / "d.npz", input_shape=(24, 20, 1))
    np.savez(tmp_path / "d.npz", **normal((4,), 3))
    with pytest.raises(InputError, match=r"--input-shape is for pictures, and d has features \(4,\)"):
        load_dataset(tmp_path / "d.npz", input_shape=(24, 20))


def test_targets_that_no_task_knows_are_for_raw(tmp_path):
    np.savez(tmp_path / "m.npz", camera=x(N), labels=np.zeros((N, 28, 28), np.int64))
    with pytest.raises(InputError, match=r"targets of shape \(60, 28, 28\).* --task raw"):
        load_dataset(tmp_path / "m.npz")
    assert load_dataset(tmp_path / "m.npz", task="raw").targets.kind == "nothing"


def test_what_is_in_no_part_is_said_to_be_left_out(tmp_path, caplog):
    np.savez(tmp_path / "m.npz", **parts(), ids=np.arange(N))
    load_dataset(tmp_path / "m.npz")
    assert "members ids are left out" in caplog.text
