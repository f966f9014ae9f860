"""How a model takes its input: what a file states, and what is tried."""

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.train.contract import candidates, stated_inputs, suited

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
