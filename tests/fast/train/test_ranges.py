"""Ranges of activations: where a model rounds, how they begin, and that nothing of it stays behind."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from edgepress.train import TrainConfig
from edgepress.train.compress.engine.points import points_of, without_a_place
from edgepress.train.compress.engine.ranges import INPUT, Ranges, fits, nudged, rounding
from edgepress.train.engines import own, tfmot


def residual(library, ends="softmax"):
    layers = library.layers
    picture = library.Input((8, 8, 3), name="picture")
    first = layers.Conv2D(4, 3, padding="same", use_bias=False, name="first")(picture)
    first = layers.ReLU(name="clip")(layers.BatchNormalization(name="norm")(first))
    second = layers.DepthwiseConv2D(3, padding="same", activation="relu6", name="second")(first)
    both = layers.Activation("relu", name="joined")(layers.Add(name="sum")([first, second]))
    gate = layers.Dense(4, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(name="mean")(both))
    small = layers.Flatten(name="flat")(layers.Multiply(name="gated")([layers.MaxPooling2D(name="half")(both), gate]))
    return library.Model(picture, layers.Dense(3, activation=ends, name="head")(small))


@pytest.fixture(scope="module", params=[keras, tf_keras], ids=["keras", "tf_keras"])
def model(request):
    request.param.utils.set_random_seed(0)
    return residual(request.param)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype(np.float32)


def test_what_one_operator_computes_is_rounded_once(model):
    places = ["clip", "second", "joined", "mean", "gate/before", "gated", "head/before"]
    assert sorted(point.name for point in points_of(model) if point.takes is None) == sorted(places)
    assert without_a_place(model) == ""


def test_what_keeps_its_scale_is_rounded_to_it(model):
    """A gate's sigmoid to 256ths, which files always use; not what the model answers, which a loss is taken of."""
    assert {point.name: point.takes for point in points_of(model) if point.takes is not None} == {
        "gate/after": (0.0, 255 / 256)
    }


@pytest.mark.parametrize(
    ("before", "scale"),
    [
        (lambda layers: layers.Activation("linear"), INPUT),
        (lambda layers: layers.MaxPooling2D(name="before"), INPUT),
        (lambda layers: layers.Conv2D(2, 1, name="before"), "before"),
        (lambda layers: layers.Conv2D(2, 1, activation="tanh", name="before"), (-1.0, 127 / 128)),
    ],
)
@pytest.mark.parametrize(
    "averaging",
    [
        lambda layers: layers.AveragePooling2D(2, name="mean"),
        lambda layers: layers.UpSampling2D(interpolation="bilinear", name="mean"),
    ],
)
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_an_average_is_rounded_to_the_scale_of_what_it_averages(library, averaging, before, scale, pictures):
    layers = library.layers
    model = library.Sequential([library.Input((8, 8, 3)), before(layers), averaging(layers), layers.Flatten()])
    (point,) = (point for point in points_of(model) if point.name == "mean")
    assert point.takes == scale
    found = Ranges(model, [pictures]).found
    assert "mean" not in found
    low, high = found[scale] if isinstance(scale, str) else scale
    with rounding(model, found):
        steps = np.asarray(model(pictures)) / ((high - low) / 255)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (lambda layers, x: layers.LSTM(3, name="odd")(layers.Reshape((8, 24))(x)), "odd (LSTM)"),
        (lambda layers, x: layers.Dense(3, activation="gelu", name="odd")(x), "odd (gelu)"),
        (
            lambda layers, x: layers.BatchNormalization(axis=1, name="odd")(layers.MaxPooling2D()(x)),
            "odd (BatchNormalization along axis 1, not alone behind",
        ),
        (lambda layers, x: layers.ReLU(max_value=3, name="odd")(x), "odd (ReLU)"),
        (lambda layers, x: keras.ops.exp(x), "exp (Exp)"),
    ],
)
def test_a_layer_with_unknown_places_is_named(layer, told):
    picture = keras.Input((8, 8, 3))
    assert told in without_a_place(keras.Model(picture, layer(keras.layers, picture)))


def test_an_engine_asked_for_ranges_says_what_it_does_not_know():
    model = keras.Sequential([keras.Input((8, 3)), keras.layers.LSTM(4, name="steps"), keras.layers.Dense(4)])
    asked = TrainConfig(engine="own", ranges="learned")
    assert own.refuses(model, asked, "") == (
        "where it rounds activations is not known of steps (LSTM); ranges = 'measured' is allowed"
    )
    assert own.refuses(model, TrainConfig(engine="own"), "") == ""
    assert "always" in tfmot.refuses(model, TrainConfig(ranges="measured"), "")


def test_both_ways_to_round_give_the_same_and_leave_the_model_as_it_was(model, pictures):
    plain = np.asarray(model(pictures))
    ranges = Ranges(model, [pictures[:16], pictures[16:]])
    found = ranges.found
    with ranges.active():
        trained = np.asarray(model(pictures))
    with rounding(model, found):
        exported = np.asarray(model(pictures))
    np.testing.assert_allclose(trained, exported, atol=1e-6)
    assert 0 < np.abs(trained - plain).max() < 0.05
    np.testing.assert_array_equal(np.asarray(model(pictures)), plain)
    assert fits(model, found)


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-128.0, 127.0), (-255.0, 0.0)])
def test_halves_go_away_from_the_integers_zero(low, high):
    """As TensorFlow Lite averages int8: -127.5 becomes -128, and 0.5 becomes 1."""
    model = keras.Sequential([keras.Input((4, 1)), keras.layers.AveragePooling1D(2)])
    pairs = np.array([[low, low + 1, high - 1, high]], np.float32)[..., None]
    for context in (
        rounding(model, {INPUT: (low, high)}, exactly=True), Ranges(model, [pairs]).active(),
    ):  # fmt: skip
        with context:
            np.testing.assert_allclose(np.asarray(model(pairs))[0, :, 0], [low, high], atol=1e-3)


@pytest.mark.parametrize("norm", [False, True], ids=["own", "folded"])
@pytest.mark.parametrize("kind", ["Dense", "Conv1D", "DepthwiseConv1D"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_biases_are_whole_multiples_of_what_files_add_up(library, kind, norm):
    """Steps of 1 come in, and the largest weight is 127: biases are whole numbers, times the normalization's factor."""
    layers = library.layers
    size = {"Dense": (2,), "Conv1D": (2, 1), "DepthwiseConv1D": (1,)}[kind]
    stack = [
        getattr(layers, kind)(*size, use_bias=not norm, name="line"),
        *([layers.BatchNormalization(name="norm")] * norm),
    ]
    model = library.Sequential([library.Input((4, 2)), *stack])
    weights, constants = model.layers[0].get_weights(), np.array([0.4, -2.6], np.float32)
    model.layers[0].set_weights([np.full(weights[0].shape, 127.0), *([constants] if not norm else [])])
    if norm:
        # The factor is 2, so that only even numbers can be added.
        model.layers[1].set_weights([np.full(2, 2.0), constants, np.zeros(2), np.full(2, 1 - model.layers[1].epsilon)])
    ranges = {INPUT: (0.0, 255.0), model.layers[-1].name: (-12.8, 12.7)}
    nothing, whole = np.zeros((1, 4, 2), np.float32), [0, -2 if norm else -3]
    with rounding(model, ranges):
        np.testing.assert_allclose(np.asarray(model(nothing))[0, 0], constants, atol=1e-3)
    with rounding(model, ranges, exactly=True):
        np.testing.assert_allclose(np.asarray(model(nothing))[0, 0], whole, atol=1e-3)
    np.testing.assert_allclose(np.asarray(model(nothing))[0, 0], constants, atol=1e-3)


def test_gradients_reach_every_range(model, pictures):
    ranges = Ranges(model, [pictures])
    with ranges.active(), tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.math.log(model(pictures)[:, 0] + 1e-3))
    gradient = tape.gradient(loss, ranges.variable.value)
    # A lowest number of 0 stays one; where no number was cut off, an end still has its share of the rounding.
    assert (np.abs(np.asarray(gradient)).max(axis=1) > 0).all()


def test_they_begin_with_what_examples_bring_about(pictures):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.ReLU(name="clip")])
    found = Ranges(model, [pictures[:16], pictures[16:]]).found
    step = float(pictures.max() - pictures.min()) / 255
    assert found[INPUT] == pytest.approx((float(pictures.min()), float(pictures.max())), abs=step)
    assert found["clip"] == pytest.approx((0, float(pictures.max())), abs=1e-4)


def test_a_layer_may_be_called_input(pictures):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Dense(2, name="input")])
    found = Ranges(model, [pictures]).found
    assert set(found) == {INPUT, "input"}
    assert found[INPUT] != found["input"]


@pytest.mark.parametrize("ends", [(-1.0, 3.0), (0.0, 6.0), (-0.3, 0.0), (-7.31, 2.9)])
def test_zero_is_a_whole_number_of_steps(ends):
    low, high = nudged(*ends)
    step = (high - low) / 255
    assert low / step == pytest.approx(round(low / step), abs=1e-9)
    x = np.linspace(-8, 8, 4001, dtype=np.float32)
    ours = np.floor((np.clip(x, low, high) - low) / step + 0.5) * step + low
    theirs = tf.quantization.fake_quant_with_min_max_args(x, *ends).numpy()
    assert np.abs(ours - theirs).max() < 1.01 * step
    assert np.mean(np.abs(ours - theirs) > 1e-4) < 1e-3


@pytest.mark.parametrize(
    "change",
    [
        lambda found: None,
        lambda found: {},
        lambda found: found | {"more": (0.0, 1.0)},
        lambda found: found | {INPUT: (0.5, 1.0)},
        lambda found: found | {INPUT: (0.0, float("nan"))},
        lambda found: found | {INPUT: (0.0, float("inf"))},
        lambda found: found | {INPUT: (0.0, 0.0)},
        lambda found: found | {INPUT: "01"},
        lambda found: found | {INPUT: [0.0, True]},
    ],
)
def test_what_a_file_says_is_not_believed(change, model, pictures):
    assert not fits(model, change(Ranges(model, [pictures]).found))


def test_what_files_compute_in_two_steps_is_rounded_between_them(pictures):
    layers, picture = keras.layers, keras.Input((8, 8, 3))
    x = layers.Rescaling(0.5, -1.0, name="scaled")(layers.Rescaling(1.0, name="same")(picture))
    x = layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="hard_silu", name="swish")(x))
    x = layers.Activation("hard_sigmoid", name="gate")(layers.BatchNormalization(name="norm")(x))
    model = keras.Model(picture, layers.Dense(2, name="head")(layers.Flatten()(x)))
    assert without_a_place(model) == ""
    assert [(point.name, point.takes) for point in points_of(model)] == [
        ("scaled/inside", None), ("scaled", None), ("swish/before", None), ("swish", None), ("norm/inside", None),
        ("norm", None), ("gate/inside", (0.0, 6.0)), ("gate/after", (0.0, 1.0)), ("head", None),
    ]  # fmt: skip
    norm = model.get_layer("norm")
    norm.set_weights([np.random.default_rng(1).uniform(0.5, 1.5, 4).astype(np.float32) for _ in range(4)])
    plain = np.asarray(model(pictures))
    ranges = Ranges(model, [pictures])
    with ranges.active():
        near = np.asarray(model(pictures, training=False))
        learning = np.asarray(model(pictures, training=True))
    # A number between two steps may fall either way, and what follows takes it on.
    low, high = ranges.found["head"]
    with rounding(model, ranges.found, exactly=True):
        np.testing.assert_allclose(np.asarray(model(pictures, training=False)), near, atol=2.01 * (high - low) / 255)
    assert 0 < np.abs(plain - near).max() < 0.05
    assert np.isfinite(learning).all()


def test_keras_2_has_another_hard_sigmoid():
    layers = tf_keras.layers
    model = tf_keras.Sequential([tf_keras.Input((4,)), layers.Dense(3, activation="hard_sigmoid", name="odd")])
    assert without_a_place(model) == "odd (hard_sigmoid of tf-keras)"
