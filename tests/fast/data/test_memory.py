"""What people have in a notebook."""

import sys

import numpy as np
import pytest

from edgepress.data import as_dataset
from edgepress.runtime import InputError

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 3


def test_a_data_set_is_itself():
    data = as_dataset((X, Y))
    assert as_dataset(data) is data


@pytest.mark.parametrize(
    ("data", "counts"),
    [
        ((X, Y), (24, 6)),
        ((X[:20], Y[:20], X[20:], Y[20:]), (20, 10)),
        (((X[:20], Y[:20]), (X[20:], Y[20:])), (20, 10)),
        ({"train": (X[:20], Y[:20]), "Test": (X[20:], Y[20:])}, (20, 10)),
        ({"train": (X[:20], Y[:20]), "val": (X[20:], Y[20:])}, (20, 10)),
        (list(zip(X, Y, strict=True)), (24, 6)),
        ((list(zip(X[:20], Y[:20], strict=True)), list(zip(X[20:], Y[20:], strict=True))), (20, 10)),
        ((X.tolist(), Y.tolist()), (24, 6)),
    ],
)
def test_forms(data, counts):
    made = as_dataset(data, name="mine")
    assert (len(made.train), len(made.test)) == counts
    assert (made.name, made.targets.kind, made.labels) == ("mine", "classes", ("0", "1", "2"))
    assert sorted(np.concatenate([made.x_train, made.x_test])[:, 0]) == sorted(X[:, 0])


def test_without_targets_and_with_several_inputs():
    assert as_dataset(X).targets.kind == "nothing"
    assert as_dataset((X,)).targets.kind == "nothing"
    made = as_dataset({"left": X, "right": X + 1})
    assert set(made.inputs) == {"left", "right"}
    made = as_dataset([({"left": x, "right": x}, y) for x, y in zip(X, Y, strict=True)])
    assert set(made.inputs) == {"left", "right"}


def keras_class(name):
    return type(name, (), {"__module__": "keras.src.trainers.data_adapters.py_dataset_adapter"})


@pytest.mark.parametrize("name", ["PyDataset", "Sequence"])
def test_batches_of_keras(name):
    class Mine(keras_class(name)):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index >= 3:
                raise AssertionError("only len() of them are there")
            part = slice(10 * index, 10 * index + 10)
            return X[part], Y[part], np.ones(10)

    made = as_dataset(Mine())
    assert len(made.train) + len(made.test) == 30
    assert len(as_dataset((Mine(), Mine())).test) == 30


def test_a_sequence_of_the_users_own_holds_examples():
    class Mine:
        def __len__(self):
            return 30

        def __getitem__(self, index):
            return X[index], Y[index]

    assert as_dataset(Mine()).train.x.shape == (24, 4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "int: data are"),
        ((X, Y, X), "a tuple of 3"),
        ([], "no examples"),
        ([(X[0], 1), (X[1][:2], 0)], "do not agree"),
        ([(X[0], 1), X[1]], "some have none"),
        ({"test": (X, Y)}, "none to train on"),
        ((X, Y[:9]), "as many of each"),
    ],
)
def test_refused(data, message):
    with pytest.raises(InputError, match=message):
        as_dataset(data)


def test_nothing_heavy_is_imported():
    before = set(sys.modules)
    as_dataset((X, Y))
    new = {name.split(".")[0] for name in set(sys.modules) - before}
    assert not new & {"tensorflow", "keras", "pandas", "pyarrow"}


@pytest.mark.parametrize(
    ("data", "inputs", "counts"),
    [
        ({"x_train": X[:20], "y_train": Y[:20], "x_test": X[20:], "y_test": Y[20:]}, {""}, (20, 10)),
        ({"wind": X, "labels": Y}, {"wind"}, (24, 6)),
        ({"wind": X.tolist(), "sun": X[:, :2].tolist(), "target": Y.tolist()}, {"wind", "sun"}, (24, 6)),
    ],
)
def test_a_dict_of_arrays_is_what_an_archive_of_them_is(tmp_path, data, inputs, counts):
    """Its labels were an input more, and there was nothing to learn."""
    np.savez(tmp_path / "d.npz", **data)
    for found in (as_dataset(data), as_dataset(tmp_path / "d.npz")):
        assert (set(found.inputs), len(found.train), len(found.test)) == (inputs, *counts)
        assert (found.targets.kind, found.labels) == ("classes", ("0", "1", "2"))


def test_texts_as_pandas_keeps_them():
    names = np.array(["ant", "bee", "cow"], object)[Y]
    assert as_dataset((X, names)).labels == ("ant", "bee", "cow")
    with pytest.raises(InputError, match="targets are Python objects"):
        as_dataset((X, np.array([None, "bee", "cow"], object)[Y]))


def test_columns_of_one_name_are_refused_in_one_line():
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(np.c_[X[:, :2], Y], columns=["a", "a", "y"])
    with pytest.raises(
        InputError, match=r"is no table \(Duplicate column names found.*: give each column a name of its own"
    ):
        as_dataset(frame, label="y")
