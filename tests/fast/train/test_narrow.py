"""Which inputs int8 files cut off."""

import keras
import numpy as np
import pytest

from edgepress.runtime.tasks import Task
from edgepress.train.compress.narrow import narrowed
from edgepress.train.engines import own

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(64, 5))


def quiet(*, loud=0.0, often=0.0):
    """Numbers around 0 with a deviation of 0.05, and a share of them that are as loud as that."""
    x = RANDOM.normal(0, 0.05, (200, 64))
    at = RANDOM.random(x.shape) < often
    x[at] = loud * RANDOM.choice([-1, 1], at.sum())
    return x.astype(np.float32)


def saturating(x):
    return {"y": np.tanh(10 * x) @ WEIGHTS}


def sums(x):
    return {"y": np.tanh(x.sum(axis=1, keepdims=True))}


def linear(x):
    return {"y": x @ WEIGHTS}


def nothing_named(answers):
    return None


def names(answers):
    return answers["y"].argmax(axis=1)


def ends(x):
    return float(x.min()), float(x.max())


def test_numbers_far_out_are_cut_off_where_the_answers_are_truer_for_it():
    x = quiet(loud=20.0, often=0.0005)
    clip = narrowed(x, ends(x), saturating, names)
    assert clip is not None
    assert (clip.percentile, round(clip.high, 1), round(clip.low, 1)) == (99.9, 0.2, -0.2)
    assert clip.whole_sqnr_db < 10
    assert clip.sqnr_db > 30


@pytest.mark.parametrize(
    ("x", "say"),
    [
        pytest.param(quiet(), saturating, id="nothing far out"),
        pytest.param(quiet(loud=0.5, often=0.0005), saturating, id="steps fine enough"),
        pytest.param(quiet(loud=5.0, often=0.0005), linear, id="what is far out is what it answers with"),
        pytest.param(quiet(loud=20.0, often=0.2), saturating, id="not a few of them"),
        pytest.param(np.eye(2, 2000, dtype=np.float32), sums, id="all but a few are 0"),
        pytest.param(np.zeros((5, 64), np.float32), saturating, id="all are 0"),
        pytest.param(np.full((5, 64), np.nan, np.float32), saturating, id="no numbers"),
        pytest.param(np.append(quiet(), np.full((1, 64), np.inf, np.float32), 0), saturating, id="without end"),
    ],
)
def test_everything_is_kept_elsewhere(x, say):
    assert narrowed(x, ends(x), say, nothing_named) is None


def test_the_mildest_percentile_that_is_as_good_is_taken():
    # A tenth of a thousandth at either end holds what is far out.
    x = quiet(loud=20.0, often=0.0001)
    clip = narrowed(x, ends(x), saturating, nothing_named)
    assert clip is not None
    assert clip.percentile == 99.99


def test_what_costs_labels_is_not_cut_off():
    x = quiet(loud=20.0, often=0.0005)
    asked = []

    def worse_each_time(answers):
        asked.append(answers)
        return np.arange(200) + (np.arange(200) < 10 * (len(asked) - 1))

    assert narrowed(x, ends(x), saturating, worse_each_time) is None
    assert len(asked) == 3


def test_ends_are_those_of_all_examples_and_hold_0():
    x = np.abs(quiet())
    clip = narrowed(x, (0.01, 20.0), saturating, nothing_named)
    assert clip is not None
    assert clip.low == 0
    assert clip.high < 0.3


@pytest.mark.parametrize(
    ("task", "largest"),
    [
        (Task("multiclass", "logits", tuple("abcde")), pytest.approx(0.2, abs=0.05)),
        (Task("regression", "values", tuple("abcde")), pytest.approx(0.2, abs=0.05)),
        # What lies far out is what it looks for.
        (Task("anomaly", "reconstruction"), 20),
    ],
)
def test_ranges_are_learned_of_inputs_that_are_cut_off(task, largest):
    layers = keras.layers
    model = keras.Sequential([keras.Input((64,)), layers.Rescaling(10), layers.Activation("tanh"), layers.Dense(5)])
    model.layers[-1].set_weights([WEIGHTS, np.zeros(5)])
    assert np.abs(own._cut_off(model, task, quiet(loud=20.0, often=0.0005))).max() == largest
