"""What travels to another machine reads there as what it was here."""

import io
import tarfile

import numpy as np
import pytest

from edgepress.benchmarks.remote import pack
from edgepress.data import dataset_of_arrays, load_dataset, with_normal
from edgepress.runtime import InputError

X = np.random.default_rng(0).normal(0, 1, (60, 3)).astype(np.float32)


def there(bundle, dataset, folder, task):
    with tarfile.open(fileobj=io.BytesIO(pack(bundle, dataset))) as tar:
        (folder / f"{dataset.name}.npz").write_bytes(tar.extractfile(f"{dataset.name}.npz").read())
    return load_dataset(folder / f"{dataset.name}.npz", task=task)


@pytest.mark.parametrize(
    ("targets", "task", "names"),
    [
        (np.arange(60) % 3, "multiclass", ("a", "b", "c")),
        (X[:, :1], "regression", ()),
        ((X > 0).astype(np.int64), "multilabel", ()),
        (None, "raw", ()),
    ],
)
def test_targets_of_every_kind(bundle, tmp_path, targets, task, names):
    halves = [(X[part], None if targets is None else targets[part]) for part in (slice(30), slice(30, None))]
    here = dataset_of_arrays("table", *halves, names=names)
    again = there(bundle, here, tmp_path, task)
    assert again.targets.kind == here.targets.kind
    assert again.sha256 == here.sha256
    if names:
        assert again.targets.names == names


def test_anomalies_keep_which_is_normal(bundle, tmp_path):
    classes = np.arange(60) % 3
    here = with_normal(dataset_of_arrays("table", (X, classes), (X, classes), names=("good", "bad", "worse")), None)
    again = with_normal(there(bundle, here, tmp_path, "anomaly"), None)
    assert np.array_equal(again.y_test, here.y_test)
    assert again.targets.names == here.targets.names


def test_several_inputs_are_refused(bundle):
    data = dataset_of_arrays("pairs", ({"left": X, "right": X}, X[:, :1]))
    with pytest.raises(InputError, match="has the inputs left, right"):
        pack(bundle, data)
