"""How a model takes its input: what a file states, and what is tried."""

from dataclasses import replace

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.runtime.tasks import Task
from edgepress.train import NoBetterThanChanceError
from edgepress.train.contract import candidates, find_contract, stated_inputs, suited

_rng = np.random.default_rng(0)
COLOURS = _rng.integers(0, 256, (400, 8, 8, 3)).astype(np.uint8)
ROWS = _rng.normal(50, 9, (400, 3)).astype(np.float32)
LABELS = np.arange(400) % 2


def stated(folder, text, inputs=COLOURS):
    (folder / "input.toml").write_text(text)
    return stated_inputs(str(folder / "input.toml"), dataset_of_arrays("d", (inputs, LABELS)))


def ways(inputs, **options):
    dataset = dataset_of_arrays("d", (inputs, LABELS))
    found = candidates(dataset, dataset.train, raw=set(), ranks=dict.fromkeys(dataset.inputs, 2), tried=True)
    return dict(found)


@pytest.mark.parametrize("head", ["", "[picture]\n", "[anything]\n"])
def test_a_file_states_mean_and_deviation(tmp_path, head):
    """One input's table may be called anything: it was left out in silence."""
    (picture,) = stated(tmp_path, head + 'order = "bgr"\nmean = [1.0, 2.0, 3.0]\nstd = 50').values()
    assert (picture.order, picture.mean, picture.std) == ("bgr", (1.0, 2.0, 3.0), (50.0,))
    assert picture.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("means = [1]", "'means' of .*: picture has height, width"),
        ("mean = 255\nstd = -255", "std above 0; a model of inverted pictures needs a first layer"),
        ("mean = [1, 2]", "one number is allowed, or one a channel"),
        ("kind = 'film'", "kind 'film': allowed are picture, features"),
        ("[a]\nmean = 1\n[b]\nmean = 2", "'a' of "),
    ],
)
def test_what_a_file_cannot_say(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        stated(tmp_path, text)


def test_a_file_for_several_inputs(tmp_path):
    both = {"camera": COLOURS, "weather": ROWS}
    found = stated(tmp_path, "[camera]\nstd = 1\n[weather]\nmean = [1, 2, 3]\nstd = [4, 5, 6]", both)
    assert (found["camera"].std, found["weather"].mean) == ((1.0,), (1.0, 2.0, 3.0))
    with pytest.raises(InputError, match="wether is no input: a table for each of camera, weather"):
        stated(tmp_path, "[camera]\nstd = 1\n[wether]\nmean = [1, 2, 3]", both)


def test_colours_are_tried_in_both_orders():
    found = ways(COLOURS)
    assert list(found)[:2] == ["pixels/255", "pixels/127.5-1"]
    assert {way for way, each in found.items() if each.only.order == "bgr"} == {
        "caffe", "pixels/255, bgr", "pixels/127.5-1, bgr", "pixels, bgr",
    }  # fmt: skip
    assert not any("bgr" in way for way in ways(COLOURS[..., 0]))


def test_inputs_of_several_kinds_are_tried_in_all_ways_together():
    found = ways({"camera": COLOURS, "weather": ROWS})
    pairs = {(each.inputs["camera"].std, bool(each.inputs["weather"].mean)) for each in found.values()}
    assert pairs >= {((255.0,), False), ((255.0,), True), ((127.5,), False), ((127.5,), True), ((1.0,), False)}
    assert next(iter(found)) == "camera: pixels/255, weather: as they are"


def test_rows_that_are_centred_and_scaled_are_not_scaled_again():
    assert list(ways(ROWS)) == ["as they are", "standardized"]
    assert list(ways((ROWS - 50) / 9)) == ["as they are"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 8, 8), r"takes \(3, 8, 8\), d has examples of \(8, 8, 3\): channels come first there; put .*\(3, 1, 2\)"),
        ((6, 32), "equal sizes are allowed"),
        ((8, 24), None),
        ((192,), None),
    ],
)
def test_numbers_in_another_order_are_not_taken_for_a_models_input(shape, message):
    """As many numbers, and none in its place: channels first was fed with channels last."""
    import tf_keras

    inputs = tf_keras.Input(shape)
    model = tf_keras.Model(inputs, tf_keras.layers.Flatten()(inputs))
    dataset = dataset_of_arrays("d", (COLOURS, LABELS))
    if message is None:
        assert list(suited(model, dataset).inputs) == model.input_names
    else:
        with pytest.raises(InputError, match=message):
            suited(model, dataset)


def a_reconstruction_of(scaled, *, worthless=False):
    """A linear autoencoder of 8 numbers, with the weights that principal components give."""
    import tf_keras

    flat = scaled.reshape(len(scaled), -1)
    mean = flat.mean(axis=0)
    directions = np.linalg.svd(flat - mean, full_matrices=False)[2][:8]
    inputs = tf_keras.Input(scaled.shape[1:])
    code = tf_keras.layers.Dense(8, name="code")(tf_keras.layers.Flatten()(inputs))
    out = tf_keras.layers.Dense(flat.shape[1], name="out")(code)
    model = tf_keras.Model(inputs, tf_keras.layers.Reshape(scaled.shape[1:])(out))
    model.get_layer("code").set_weights([directions.T, -directions @ mean])
    model.get_layer("out").set_weights([0 * directions if worthless else directions, mean + 99 * worthless])
    return model


SMOOTH = np.cumsum(_rng.normal(0, 9, (400, 64)), axis=1).reshape(400, 8, 8)
SMOOTH = (np.clip(SMOOTH + 120, 0, 255)).astype(np.uint8)
NORMAL = Task("anomaly", "reconstruction")


@pytest.mark.parametrize("way", ["pixels/255", "pixels/127.5-1", "pixels"])
@pytest.mark.parametrize("targets", [None, np.zeros(400, np.int64)])
def test_normal_examples_alone_tell_how_a_detector_takes_them(way, targets):
    """All are normal: no right answer tells the ways apart, and what is left after reconstruction does."""
    known = dataset_of_arrays("d", (SMOOTH, None))
    model = a_reconstruction_of(known.picture.with_normalization(way).normalize(SMOOTH))
    dataset = suited(model, known)
    held_back = dataset.train if targets is None else replace(dataset.train, targets=targets[: len(dataset.train)])
    contract = find_contract(model, dataset, NORMAL, fitted=held_back, held_back=held_back)
    assert (contract.found["by"], contract.found["why"]) == ("tried", way)


def test_a_detector_that_reconstructs_nothing_is_refused():
    model = a_reconstruction_of(SMOOTH.astype(np.float32), worthless=True)
    dataset = suited(model, dataset_of_arrays("d", (SMOOTH, None)))
    both = {"fitted": dataset.train, "held_back": dataset.test}
    with pytest.raises(
        NoBetterThanChanceError, match=r"reconstructs nothing however it is fed \(share left on 80"
    ) as caught:
        find_contract(model, dataset, NORMAL, **both)
    assert "\n" not in str(caught.value)
    assert find_contract(model, dataset, NORMAL, **both, accept_chance=True).found["chance"] is True


def test_inputs_stand_in_the_models_order():
    import tf_keras

    inputs = [tf_keras.Input((8, 8, 3), name="camera"), tf_keras.Input((3,), name="weather")]
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(1)(inputs[1]))
    dataset = dataset_of_arrays("d", ({"weather": ROWS, "camera": COLOURS}, LABELS))
    assert list(suited(model, dataset).inputs) == ["camera", "weather"]
