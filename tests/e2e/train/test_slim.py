"""Border pixels and units leave, the function stays as far as it is said to."""

import dataclasses

import numpy as np
import pytest
import tf_keras

from edgepress.runtime.contract import Picture
from edgepress.runtime.tasks import Task
from edgepress.train import build_mlp, build_network, learned_ranges, open_keras, press_model, train_baseline
from edgepress.train.compress.slim import slim
from edgepress.train.fitting.feed import predictor

layers = tf_keras.layers

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def framed():
    """Noise inside a frame of constant pixels: one row above, two below, three columns at the right."""
    images = np.full((300, 9, 10), 120, np.uint8)
    images[:, 1:7, :7] = np.random.default_rng(0).integers(0, 255, (300, 6, 7))
    return images


TASK = Task("multiclass", "logits", ("a", "b", "c"))


def contract(images):
    order = "grey" if images.ndim == 3 else "rgb"
    return Picture(*images.shape[1:3], order=order)


def logits(model, images):
    return predictor(model, contract(images))(images)


def slimmed(model, images, **losses):
    return slim(model, images, contract(images), **losses)


def test_a_constant_frame_leaves_and_what_it_said_stays(framed):
    model = build_mlp(90, 3, (7,))
    slimmer = slimmed(model, framed, pixel_loss=1e-6)
    assert slimmer.input_shape == (None, 9, 10, 1)
    assert slimmer.get_layer("hidden1").kernel.shape == (42, 7)
    np.testing.assert_allclose(logits(slimmer, framed), logits(model, framed), atol=1e-4)


def test_a_flattened_picture_in_colour_is_cropped_too(framed):
    images = np.repeat(framed[..., None], 3, axis=-1)
    model = tf_keras.Sequential([layers.Input((9, 10, 3)), layers.Flatten(), layers.Dense(4, use_bias=False)])
    slimmer = slimmed(model, images, pixel_loss=1e-6)
    assert [type(layer).__name__ for layer in slimmer.layers] == ["InputLayer", "Cropping2D", "Flatten", "Dense"]
    assert slimmer.layers[-1].kernel.shape == (6 * 7 * 3, 4)
    np.testing.assert_allclose(logits(slimmer, images), logits(model, images), atol=1e-4)


def test_no_more_than_the_share_leaves(framed):
    images = np.random.default_rng(1).integers(0, 255, (500, 9, 10)).astype(np.uint8)
    model = build_mlp(90, 3, (7,))
    variance = (images.reshape(500, -1) / 255).var(axis=0) * np.square(model.layers[0].kernel.numpy()).sum(axis=1)
    slimmer = slimmed(model, images, pixel_loss=0.25)
    (top, bottom), (left, right) = slimmer.layers[1].cropping
    inside = variance.reshape(9, 10)[top : 9 - bottom, left : 10 - right].sum()
    assert 0.6 < inside / variance.sum() < 1
    assert inside / variance.sum() >= 0.75


def test_even_numbers_stay():
    """LiteRT computes nonsense of 4-bit rows of odd length."""
    images = np.random.default_rng(0).integers(0, 255, (400, 9, 9)).astype(np.uint8)
    for loss in (0.2, 0.3, 0.4):
        slimmer = slimmed(build_mlp(81, 3, (12, 7)), images, pixel_loss=loss, unit_loss=loss)
        assert [layer.kernel.shape[0] % 2 for layer in slimmer.layers if hasattr(layer, "kernel")][:2] == [0, 0]
        assert slimmer.get_layer("hidden2").units in (2, 4, 6, 7)


def test_units_that_never_change_leave(framed):
    model = build_mlp(90, 3, (6,), dropout=0.1)
    kernel, bias = model.get_layer("hidden1").get_weights()
    # The others fire on some pictures.
    kernel[:, [1, 4]], bias[:] = 0, (3, 2, 3, 3, -2, 3)
    model.get_layer("hidden1").set_weights([kernel, bias])
    slimmer = slimmed(model, framed, unit_loss=1e-7)
    assert [layer.units for layer in slimmer.layers if hasattr(layer, "units")] == [4, 3]
    np.testing.assert_allclose(logits(slimmer, framed), logits(model, framed), atol=1e-4)


def test_channels_of_a_convolution_leave(framed):
    model = tf_keras.Sequential(
        [
            layers.Input((9, 10, 1)),
            layers.Conv2D(4, 3, activation="relu", name="one"),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, use_bias=False, name="two"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    one = model.get_layer("one")
    kernel, bias = one.get_weights()
    kernel[..., [0, 2]], bias[[0, 2]] = 0, (-1, 1.5)
    one.set_weights([kernel, bias])
    slimmer = slimmed(model, framed, unit_loss=1e-9)
    assert slimmer.get_layer("one").filters == 2
    assert slimmer.get_layer("two").kernel.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(logits(slimmer, framed), logits(model, framed), atol=1e-4)


def test_what_cannot_leave_stays(framed):
    """A convolution's picture; units whose variance is all that a layer is told."""
    inputs = layers.Input((90,))
    one, two = layers.Dense(5, name="one")(inputs), layers.Dense(5, name="two")(inputs)
    three = layers.Dense(6, name="three")(layers.Add()([one, two]))
    outputs = layers.Add()([layers.Dense(2, name="left")(three), layers.Dense(2, name="right")(three)])
    summed = tf_keras.Model(inputs, outputs)
    assert slimmed(summed, framed, pixel_loss=0.3, unit_loss=1e-6).count_params() == summed.count_params()
    # What nobody is told leaves, through additions and out of all layers that read it.
    for name, rows in (("three", [0, 3]), ("left", [1, 4]), ("right", [1, 4])):
        kernel, bias = summed.get_layer(name).get_weights()
        kernel[rows] = 0
        summed.get_layer(name).set_weights([kernel, bias])
    slimmer = slimmed(summed, framed, unit_loss=1e-6)
    assert [slimmer.get_layer(name).units for name in ("one", "two", "three")] == [4, 4, 4]
    np.testing.assert_allclose(logits(slimmer, framed), logits(summed, framed), atol=1e-4)
    lenet = build_network("lenet-5", Picture(28, 28), TASK)
    images = np.random.default_rng(0).integers(0, 255, (20, 28, 28)).astype(np.uint8)
    slimmer = slimmed(lenet, images, pixel_loss=0.5, unit_loss=0.2)
    assert slimmer.input_shape == lenet.input_shape
    assert slimmer.get_layer("conv2").filters < 16
    assert slimmer.get_layer("hidden1").units < 120


def test_a_slimmed_model_is_pressed(dataset, config, tmp_path):
    config = dataclasses.replace(config, sparsity=0.5, pixel_loss=0.15, unit_loss=0.05)
    baseline = train_baseline(dataset, config, tmp_path / "float.keras")
    path = press_model(dataset, baseline.path, config, tmp_path / "m.keras").path
    plain = open_keras(path).model
    assert learned_ranges(path, plain)
    assert plain.get_layer("hidden1").kernel.shape[0] < 64
    assert plain.count_params() < open_keras(baseline.path).model.count_params()
    assert (logits(plain, dataset.x_test).argmax(axis=1) == dataset.y_test).mean() > 0.9
