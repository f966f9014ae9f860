"""What is asked of a model: where it and the data disagree, both are named."""

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.train import task_of

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
CLASSES = np.arange(30) % 3


@pytest.fixture(scope="module")
def layers():
    import tf_keras

    return tf_keras.layers


def model_of(layers, *outputs):
    import tf_keras

    inputs = layers.Input((4,))
    made = [layer(inputs) for layer in outputs]
    return tf_keras.Model(inputs, made if len(made) > 1 else made[0])


def test_a_softmax_is_not_judged_as_a_regressor_in_silence(layers):
    """Soft targets are numbers: a classifier's mean error in them says little."""
    model = model_of(layers, layers.Dense(3, activation="softmax"))
    soft = dataset_of_arrays("soft", (X, np.eye(3)[CLASSES] * 0.9 + 0.1 / 3))
    with pytest.raises(InputError, match=r"ends in a softmax.* the targets of soft are numbers: give the class"):
        task_of(model, soft)
    assert task_of(model, soft, "regression").kind == "regression"


def test_several_outputs_leave_the_targets_out_and_say_so(layers, caplog):
    model = model_of(layers, layers.Dense(3), layers.Dense(1))
    assert task_of(model, dataset_of_arrays("d", (X, CLASSES))).kind == "raw"
    assert "has 2 outputs: its files are compared with it alone (task raw), without the targets of d" in caplog.text
    caplog.clear()
    task_of(model, dataset_of_arrays("d", (X, None)))
    task_of(model, dataset_of_arrays("d", (X, CLASSES)), "raw")
    assert not caplog.text


def softmax(layers, count=3):
    return layers.Dense(count, activation="softmax")


YES_NO = CLASSES % 2
SETS = np.stack([CLASSES % 2, CLASSES > 0, CLASSES == 1], axis=1).astype(np.int64)
NUMBERS = X[:, :1] * 2
ENDS = {
    "softmax": (lambda L: [softmax(L)], CLASSES, "multiclass probabilities"),
    "logits": (lambda L: [L.Dense(3)], CLASSES, "multiclass logits"),
    "a layer of its own": (lambda L: [L.Dense(3), L.Softmax()], CLASSES, "multiclass probabilities"),
    "an activation": (lambda L: [L.Dense(3), L.Activation("softmax")], CLASSES, "multiclass probabilities"),
    "reshaped": (
        lambda L: [softmax(L), L.Reshape((1, 1, 3)), L.Reshape((3,))], CLASSES, "multiclass probabilities",
    ),
    "flattened": (lambda L: [softmax(L), L.Reshape((1, 3)), L.Flatten()], CLASSES, "multiclass probabilities"),
    "dropped": (lambda L: [softmax(L), L.Dropout(0.5)], CLASSES, "multiclass probabilities"),
    "over another axis": (
        lambda L: [L.Dense(3), L.Reshape((3, 1)), L.Softmax(axis=1), L.Flatten()], CLASSES, "multiclass probabilities",
    ),
    "one sigmoid": (lambda L: [L.Dense(1, activation="sigmoid")], YES_NO, "binary probabilities"),
    "one logit": (lambda L: [L.Dense(1)], YES_NO, "binary logits"),
    "two sigmoids": (lambda L: [L.Dense(2, activation="sigmoid")], YES_NO, "binary probabilities"),
    "two logits": (lambda L: [L.Dense(2)], YES_NO, "binary logits"),
    "labels": (lambda L: [L.Dense(3, activation="sigmoid")], SETS, "multilabel probabilities"),
    "logits of labels": (lambda L: [L.Dense(3)], SETS, "multilabel logits"),
    "a number": (lambda L: [L.Dense(1)], NUMBERS, "regression values"),
}  # fmt: skip
"""Last layers, right answers, and what is asked."""


@pytest.mark.parametrize("end", ENDS)
def test_what_is_asked_is_told_by_the_last_layers_and_the_targets(layers, end):
    import tf_keras

    made, targets, asked = ENDS[end]
    found = inputs = layers.Input((4,))
    for layer in made(layers):
        found = layer(found)
    task = task_of(tf_keras.Model(inputs, found), dataset_of_arrays("d", (X, targets)))
    assert f"{task.kind} {task.meaning}" == asked


@pytest.mark.parametrize(("second", "meaning"), [("softmax", "probabilities"), (None, "logits")])
def test_an_average_is_what_all_its_branches_are(layers, second, meaning):
    import tf_keras

    inputs = layers.Input((4,))
    branches = [softmax(layers)(inputs), layers.Dense(3, activation=second)(inputs)]
    model = tf_keras.Model(inputs, layers.Average()(branches))
    assert task_of(model, dataset_of_arrays("d", (X, CLASSES))).meaning == meaning


@pytest.mark.parametrize(
    "targets",
    [
        CLASSES,
        CLASSES[:, None],
        np.eye(3)[CLASSES],
        CLASSES.astype(np.float32),
        np.array(["run", "sit", "walk"])[CLASSES],
    ],
    ids=["indices", "a column", "one-hot", "floats", "names"],
)
def test_classes_in_any_form_are_classes(layers, targets):
    """Samples whose labels were no indices were judged as numbers, or raised."""
    task = task_of(model_of(layers, softmax(layers)), dataset_of_arrays("d", (X, targets)))
    assert (task.kind, len(task.labels)) == ("multiclass", 3)


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        (7, YES_NO, r"gives \(7,\), and d has 2 classes: one output each"),
        (1, CLASSES, r"gives \(1,\), and d has 3 classes"),
        (2, NUMBERS, r"gives \(2,\), and d has 1 numbers as targets"),
    ],
)
def test_sizes_that_do_not_agree_name_both(layers, outputs, targets, message):
    with pytest.raises(InputError, match=message):
        task_of(model_of(layers, layers.Dense(outputs)), dataset_of_arrays("d", (X, targets)))
