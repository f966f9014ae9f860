"""How a model takes its input: what several ways of feeding it tell."""

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError, Task
from edgepress.train import NoBetterThanChanceError, find_contract, suited


@pytest.fixture(scope="module")
def keras():
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    return tf_keras


def quadrants(count=600, noise=120):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, count)
    pixels = rng.integers(0, noise, (count, 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        row, column = 4 * (label // 2), 4 * (label % 2)
        image[row : row + 4, column : column + 4] += 100
    return pixels.astype(np.uint8), labels


def fitted_to(keras, scale, epochs=25, first=()):
    """A network of pixels under a scale."""
    images, labels = quadrants()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8)), *first, layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(4)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(scale(images.astype(np.float32)), labels, epochs=epochs, verbose=0)
    # Functional, as every model that is opened.
    return keras.Model(model.inputs, model.outputs)


TASK = Task("multiclass", "logits", ("0", "1", "2", "3"))


def found(model, **options):
    dataset = suited(model, dataset_of_arrays("quadrants", quadrants()))
    split = dataset.split(0)
    return find_contract(
        model, dataset, TASK, fitted=dataset.train[split.fit], held_back=dataset.train[split.validation], **options
    )


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (lambda x: x / 255, "pixels/255"),
        (lambda x: x / 127.5 - 1, "pixels/127.5-1"),
        (lambda x: x, "pixels"),
    ],
)
def test_the_way_that_training_fed_it_is_found(keras, scale, expected):
    contract = found(fitted_to(keras, scale))
    assert contract.found["by"] == "tried"
    assert contract.found["why"] == expected
    assert {each["input"] for each in contract.found["tried"]} >= {"pixels/255", "pixels/127.5-1", "pixels"}


def test_of_ways_that_are_right_equally_often_the_likeliest_is_taken(keras):
    """Fitted briefly, it is surer of itself, and no righter, with numbers 255 times as large."""
    model = fitted_to(keras, lambda x: x / 255, epochs=8)
    contract = found(model)
    loss = {each["input"]: each["loss"] for each in contract.found["tried"]}
    assert loss["pixels"] < loss["pixels/255"]
    assert contract.found["why"] == "pixels/255"


def test_a_first_layer_that_scales_says_that_pixels_come_in(keras):
    contract = found(fitted_to(keras, lambda x: x, first=[keras.layers.Rescaling(1 / 255)]))
    assert contract.found["by"] == "model"
    assert contract.only.std == (1.0,)


def test_a_model_at_chance_is_refused_with_what_was_tried(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(4, kernel_initializer="zeros")])
    model = keras.Model(model.inputs, model.outputs)
    with pytest.raises(NoBetterThanChanceError, match=r"pixels/255 0\.\d+, .*; trivial 0\.\d+") as caught:
        found(model)
    assert "--input" in str(caught.value)
    assert "--accept-chance" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert found(model, accept_chance=True).found["chance"] is True


def test_sizes_that_do_not_fit_name_both(keras):
    model = keras.Sequential([keras.Input((9, 9)), keras.layers.Flatten(), keras.layers.Dense(4)])
    model = keras.Model(model.inputs, model.outputs)
    with pytest.raises(InputError, match=r"takes \(9, 9\), quadrants has examples of \(8, 8\)"):
        suited(model, dataset_of_arrays("quadrants", quadrants()))


def test_rows_that_are_scaled_already_are_taken_as_they_are(keras):
    """Standardized once more they are nearly the same: equally good, and the likelier way is to take them so."""
    rng = np.random.default_rng(0)
    x = rng.normal(0.02, 0.98, (600, 3)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    layers = keras.layers
    model = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(1)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x, y, epochs=20, verbose=0)
    model = keras.Model(model.inputs, model.outputs)
    dataset = suited(model, dataset_of_arrays("rows", (x, y)))
    contract = find_contract(
        model, dataset, Task("binary", "logits", ("0", "1")), fitted=dataset.train, held_back=dataset.test
    )
    assert contract.found["why"] == "as they are"
    assert contract.only.mean == ()


def test_classes_in_another_order_are_pointed_out(keras):
    model = fitted_to(keras, lambda x: x / 255)
    images, labels = quadrants()
    dataset = suited(model, dataset_of_arrays("turned", (images, (labels + 1) % 4), names=("nw", "ne", "sw", "se")))
    with pytest.raises(NoBetterThanChanceError, match=r"classes in the order ne, sw, se, nw it would be right 1\.00"):
        find_contract(
            model, dataset, TASK._replace(labels=dataset.labels), fitted=dataset.train, held_back=dataset.test
        )
