"""Models with several inputs: fitted, pressed, exported; killed or not, from a file or from memory."""

import dataclasses

import keras
import numpy as np
import pytest
from dying import dying_after

from edgepress.data import CLASSES, Dataset, Part, Targets
from edgepress.data.gathered import store_rows
from edgepress.data.rows import in_pieces
from edgepress.export import export
from edgepress.runtime import Contract, InputError, load
from edgepress.runtime.contract import Features, Picture, Signal
from edgepress.train import History, TrainConfig, adopt_baseline, open_keras, press_model, train_baseline
from edgepress.train.fitting import epochs

CONFIG = TrainConfig(
    epochs=12, structured_epochs=1, prune_epochs=3, quantize_epochs=1, batch_size=32, learning_rate=0.01,
    structured=0.7, sparsity=0.5, noise=0.05,
)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    """What tells two classes apart is half in a window of a signal, half in a row of a table."""
    rng = np.random.default_rng(0)
    waves = rng.normal(size=(700, 10, 2)).astype(np.float32)
    rows = rng.normal(20, 3, (700, 4)).astype(np.float32)
    labels = ((rows[:, 0] - 20) / 3 + 3 * waves[:, :, 0].mean(axis=1) > 0).astype(np.int64)

    def part(which):
        return Part({"wave": waves[which], "row": rows[which]}, labels[which])

    # The model takes them in the other order.
    described = {"wave": Signal(10, ("x", "y")), "row": Features(tuple("abcd"))}
    return Dataset("pairs", part(slice(500)), part(slice(500, 700)), described, Targets(CLASSES, ("no", "yes")))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    keras.utils.set_random_seed(0)
    layers, row, wave = keras.layers, keras.Input((4,), name="row"), keras.Input((10, 2), name="wave")
    ours = layers.Dense(24, activation="relu")(row)
    theirs = layers.GlobalAveragePooling1D()(layers.Conv1D(16, 3, activation="relu")(wave))
    path = tmp_path_factory.mktemp("own") / "two.keras"
    keras.Model([row, wave], layers.Dense(2)(layers.Concatenate()([ours, theirs])), name="two").save(path)
    return path


def test_a_press_is_the_same_from_a_file_and_killed_and_its_files_answer(data, own, tmp_path, monkeypatch):
    stated = tmp_path / "input.toml"
    stated.write_text("[row]\nmean = [20, 20, 20, 20]\nstd = [3, 3, 3, 3]\n[wave]\n")
    baseline = train_baseline(data, CONFIG, tmp_path / "float.keras", model=own, input=str(stated))
    assert list(Contract.from_dict(History.of(baseline.path).contract).inputs) == ["row", "wave"]
    assert baseline.validation[1] > 0.85
    whole = press_model(data, baseline.path, CONFIG, tmp_path / "whole.keras")
    assert list(whole.history.fits) == ["structured", "prune", "quantize"]
    assert {fit.get("engine") for fit in whole.history.fits.values()} == {None, "own"}
    assert whole.validation[1] > 0.8

    # One of them is read in pieces, several of which make an epoch.
    monkeypatch.setattr(epochs, "PIECE_BYTES", 100 * 4 * (20 + 4))
    stored = store_rows(in_pieces(data.train.inputs["wave"], 50), (10, 2), np.float32)
    left = dataclasses.replace(data.train, inputs={**data.train.inputs, "wave": stored})
    in_a_file = dataclasses.replace(data, train=left)
    with dying_after(3), pytest.raises(KeyboardInterrupt):
        press_model(in_a_file, baseline.path, CONFIG, tmp_path / "killed.keras")
    again = press_model(in_a_file, baseline.path, CONFIG, tmp_path / "killed.keras")
    first, second = (open_keras(each.path).model.get_weights() for each in (whole, again))
    assert all(map(np.array_equal, first, second))

    made = export({"pressed": whole.path}, data, tmp_path / "bundle", variants=["tflite:int8"], bounds={"int8": 3})
    (file,) = made.manifest.artifacts
    with load(tmp_path / "bundle") as model:
        right = model.predict(data.test.inputs).indices == data.test.targets
    assert right.mean() > 0.8
    assert file.metrics["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit_loss": 0.1}, "two has 2 inputs, and pixels and units leave models with one: .* structured"),
        ({"engine": "tfmot"}, "tfmot: it presses models of one input here"),
        ({"ranges": "learned", "engine": "own"}, r"not known of two \(2 inputs\); ranges = 'measured' is allowed"),
    ],
)
def test_what_takes_one_input_says_so_before_anything_is_trained(data, own, tmp_path, changes, message):
    config = dataclasses.replace(CONFIG, **{"structured": 1.0, **changes})
    adopted = adopt_baseline(data, config, own, tmp_path / "float.keras", accept_chance=True).path
    with dying_after(1), pytest.raises(InputError, match=message):
        press_model(data, adopted, config, tmp_path / "pressed.keras")


def test_copies_are_of_the_pictures_of_models_with_one_input(data, own, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (2, 60, 8, 8)).astype(np.uint8)
    part = Part(dict(zip(("left", "right"), pixels, strict=True)), np.arange(60) % 2)
    seen = Dataset("seen", part, part, dict.fromkeys(part.inputs, Picture(8, 8)), Targets(CLASSES, ("no", "yes")))
    layers = keras.layers
    ends = [keras.Input((8, 8), name=name) for name in ("left", "right")]
    flat = [layers.Flatten()(each) for each in ends]
    keras.Model(ends, layers.Dense(2)(layers.Concatenate()(flat)), name="eyes").save(tmp_path / "eyes.keras")
    with pytest.raises(InputError, match=r"copies bend the pictures of models with one input: .* of 0 are allowed"):
        adopt_baseline(
            seen, TrainConfig(copies=2), tmp_path / "eyes.keras", tmp_path / "float.keras", input="pixels/255",
            accept_chance=True,
        )  # fmt: skip


def test_several_outputs_are_not_trained_and_that_is_said(data, tmp_path):
    ends = [keras.Input((4,), name="row"), keras.Input((10, 2), name="wave")]
    told = [keras.layers.Dense(2)(keras.layers.Flatten()(each)) for each in ends]
    keras.Model(ends, told, name="both").save(tmp_path / "both.keras")
    with pytest.raises(InputError, match="task raw: no model is trained for that; export and benchmark take one"):
        adopt_baseline(data, CONFIG, tmp_path / "both.keras", tmp_path / "float.keras")
