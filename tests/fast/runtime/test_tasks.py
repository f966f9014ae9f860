"""What comes out: decoding, task by task."""

import json

import numpy as np
import pytest

from edgepress.runtime import InputError
from edgepress.runtime.tasks import Task
from edgepress.runtime.tasks.anomaly import anomalies
from edgepress.runtime.tasks.multiclass import probabilities
from edgepress.runtime.tasks.multilabel import label_sets
from edgepress.runtime.tasks.numeric import logistic, softmax
from edgepress.runtime.tasks.regression import values


def test_a_task_comes_back_from_json():
    task = Task("regression", "values", ("price",), ("EUR",), mean=(2.0,), std=(3.0,))
    assert Task.from_dict(json.loads(json.dumps({**task.to_dict(), "news": 1}))) == task


@pytest.mark.parametrize(
    "task",
    [
        Task("guess", "raw"),
        Task("regression", "logits"),
        Task("regression", "values", ("a",), ("m", "s")),
        Task("regression", "values", mean=(1.0,), std=(0.0,)),
    ],
)
def test_what_cannot_be_is_refused(task):
    with pytest.raises(InputError):
        task.check()


def test_one_output_is_the_second_class():
    logits = np.array([[-50.0], [0.0], [50.0]], np.float32)
    found = probabilities(Task("binary", "logits", ("cat", "dog")), logits)
    np.testing.assert_allclose(found, [[1, 0], [0.5, 0.5], [0, 1]], atol=1e-6)
    said = probabilities(Task("binary", "probabilities", ("cat", "dog")), np.array([[0.8]], np.float32))
    np.testing.assert_allclose(said, [[0.2, 0.8]], atol=1e-6)


def test_two_sigmoids_are_brought_to_a_sum_of_one():
    found = probabilities(Task("binary", "probabilities", ("cat", "dog")), np.array([[0.9, 0.6]], np.float32))
    np.testing.assert_allclose(found, [[0.6, 0.4]], atol=1e-6)


def test_fewer_labels_than_outputs_name_both():
    with pytest.raises(InputError, match=r"7 numbers.*2 classes"):
        probabilities(Task("multiclass", "logits", ("a", "b")), np.zeros((1, 7), np.float32))


def test_each_label_by_itself():
    found = label_sets(Task("multilabel", "logits", ("a", "b", "c")), np.array([[3.0, -3.0, 0.1], [-1, -1, -1]]))
    assert found.labels == [("a", "c"), ()]
    assert found.rows()[0]["labels"] == ["a", "c"]


def test_values_have_names_units_and_their_own_scale():
    task = Task("regression", "values", ("co2",), ("ppm",), mean=(400.0,), std=(9.0,))
    found = values(task, np.array([[1.0], [-1.0]], np.float32))
    np.testing.assert_allclose(found.values[:, 0], [409, 391])
    assert found.rows()[0] == {"values": {"co2": 409.0}, "units": {"co2": "ppm"}}
    np.testing.assert_allclose(task.encode(found.values), [[1], [-1]], atol=1e-6)


def test_what_is_not_given_back_is_an_anomaly():
    inputs = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = anomalies(Task("anomaly", "reconstruction", threshold=0.5), inputs, np.zeros((2, 2)))
    np.testing.assert_allclose(found.scores, [0, 1])
    assert found.normal.tolist() == [True, False]


def test_large_logits_do_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        assert logistic(np.array([-1e4, 1e4], np.float64)).tolist() == [0.0, 1.0]
        assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
