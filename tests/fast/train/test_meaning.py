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
