"""Fit, prune, quantize-aware training: what the files hold, and that a run can be repeated and continued."""

import dataclasses
import json

import numpy as np
import pytest
import tf_keras
from fixtures.trained import blobs, pixels_of

from edgepress.runtime import InputError
from edgepress.train import (
    adopt_baseline,
    draw_curves,
    learned_ranges,
    open_keras,
    press_model,
    rounding,
    save_keras,
    strip_quantization,
    train,
    train_baseline,
)
from edgepress.train.compress.prune import sparsity
from edgepress.train.fitting.feed import predictor


@pytest.fixture(scope="module")
def pressed(three_blobs, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return train(three_blobs, config, folder / "model.keras")


def accuracy(model, dataset):
    return (predictor(model, pixels_of(dataset))(dataset.x_test).argmax(axis=1) == dataset.y_test).mean()


def test_the_baseline_learns(pressed, dataset):
    assert accuracy(open_keras(pressed.path.with_name("model-float.keras")).model, dataset) > 0.95


def test_the_pressed_model_learns_and_is_sparse(pressed, dataset, config):
    model = open_keras(pressed.path).model
    assert accuracy(model, dataset) > 0.9
    ranges = learned_ranges(pressed.path, model)
    assert {each.name for each in model.layers if each.weights} < set(ranges)
    with rounding(model, ranges):
        assert accuracy(model, dataset) > 0.9
    kernels = [variable.numpy().ravel() for variable in model.trainable_variables if len(variable.shape) == 2]
    zeros = (np.concatenate(kernels) == 0).mean()
    # Of the model as a whole; rounding to 8 bits adds a few.
    assert config.sparsity - 1e-3 < zeros < config.sparsity + 0.02


def test_tfmot_presses_where_it_is_named(pressed, dataset, config, tmp_path):
    named = dataclasses.replace(config, engine="tfmot")
    result = press_model(dataset, pressed.path.with_name("model-float.keras"), named, tmp_path / "pressed.keras")
    assert {fit["engine"] for fit in result.history.fits.values()} == {"tfmot"}
    opened = open_keras(result.path)
    assert opened.quantized
    plain = strip_quantization(opened.model)
    for kernel in (variable.numpy() for variable in plain.trainable_variables if len(variable.shape) == 2):
        assert (kernel == 0).mean() == pytest.approx(config.sparsity, abs=0.5 / kernel.size + 1e-9)
    assert accuracy(plain, dataset) == pytest.approx(accuracy(opened.model, dataset), abs=0.03)


def test_the_history_tells_what_made_the_file(pressed, dataset, config):
    history = json.loads((pressed.path.parent / "model.history.json").read_text())
    assert history["config"] == config.to_dict()
    assert history["dataset"] == {"name": "blobs", "sha256": dataset.sha256}
    assert list(history["fits"]) == ["prune", "quantize"]
    assert len(history["fits"]["quantize"]["epochs"]) == config.quantize_epochs
    assert history["environment"]["op_determinism"] is True
    assert pressed.validation[0] == "accuracy"
    assert 0 < pressed.validation[1] <= 1


def test_nothing_but_the_two_models_and_their_histories_is_left(pressed):
    names = sorted(path.name for path in pressed.path.parent.iterdir())
    assert names == ["model-float.history.json", "model-float.keras", "model.history.json", "model.keras"]


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 10)])
def test_other_image_sizes(shape, config, tmp_path):
    data = blobs(shape=shape)
    result = train_baseline(data, dataclasses.replace(config, epochs=2), tmp_path / "m.keras")
    assert open_keras(result.path).model.input_shape == (None, int(np.prod(shape)))


def test_weight_decay_and_a_late_choice(dataset, config, tmp_path):
    config = dataclasses.replace(config, epochs=6, dropout=0.0)
    decayed = dataclasses.replace(config, weight_decay=0.9, choose_from=0.8)
    sizes = {}
    for name, how in (("free", config), ("decayed", decayed)):
        result = train_baseline(dataset, how, tmp_path / f"{name}.keras")
        sizes[name] = sum(np.abs(w).sum() for w in open_keras(result.path).model.get_weights() if w.ndim == 2)
    assert sizes["decayed"] < 0.95 * sizes["free"]
    assert result.history.fits["float"]["best_epoch"] == 5


def test_sparsity_counts_biases(pressed):
    plain = open_keras(pressed.path).model
    zeros = sum(int((v.numpy() == 0).sum()) for v in plain.trainable_variables)
    assert sparsity(plain) == pytest.approx(zeros / plain.count_params())


def test_an_existing_file_is_kept(pressed, dataset, config):
    before = pressed.path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        train(dataset, config, pressed.path)
    assert pressed.path.read_bytes() == before


def test_a_name_without_keras_is_refused(dataset, config, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.keras"):
        train(dataset, config, tmp_path / "model.h5")


def test_a_data_set_that_does_not_fit_is_refused(pressed, config):
    other = blobs(shape=(6, 6))
    with pytest.raises(InputError, match="equal sizes"):
        press_model(other, pressed.path.with_name("model-float.keras"), config, pressed.path.with_name("other.keras"))


def test_a_model_of_ones_own_is_the_start(pressed, dataset, config, tmp_path):
    start = pressed.path.with_name("model-float.keras")
    tuned = train(dataset, dataclasses.replace(config, epochs=1), tmp_path / "m.keras", model=start, baseline_only=True)
    before, after = (open_keras(path).model for path in (start, tuned.path))
    assert [layer.name for layer in before.layers] == [layer.name for layer in after.layers]
    assert accuracy(after, dataset) > 0.95
    again = train(dataset, config, tmp_path / "pressed.keras", model=start)
    assert again.history.fingerprint == pressed.history.fingerprint


def test_a_model_of_ones_own_is_the_float_one_as_it_is(pressed, dataset, config, tmp_path, caplog):
    start = pressed.path.with_name("model-float.keras")
    with caplog.at_level("INFO", "edgepress"):
        adopted = adopt_baseline(dataset, config, start, tmp_path / "float.keras")
    assert "its weights are the start; accuracy 1.0000 on held-back" in caplog.text
    assert adopted.validation is None
    for ours, theirs in zip(open_keras(adopted.path).model.weights, open_keras(start).model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(InputError, match="trained to 8 bits already: give the float model"):
        adopt_baseline(dataset, config, pressed.path, tmp_path / "other.keras")
    with pytest.raises(InputError, match="equal sizes are allowed"):
        adopt_baseline(blobs(shape=(6, 6)), config, start, tmp_path / "other.keras")


def test_a_model_that_tfmot_does_not_know_whole_is_pressed(dataset, config, tmp_path):
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.DepthwiseConv2D(3, depth_multiplier=4, name="depth"),
            layers.LayerNormalization(name="norm"),
            layers.Flatten(),
            layers.Dense(8, activation="relu", name="hidden"),
            layers.Dense(3),
        ]
    )
    save_keras(model, tmp_path / "new.keras")
    start = train_baseline(dataset, config, tmp_path / "own.keras", model=tmp_path / "new.keras").path
    result = press_model(dataset, start, config, tmp_path / "pressed.keras")
    assert {fit["engine"] for fit in result.history.fits.values()} == {"own"}
    model = open_keras(result.path).model
    kernels = [weight.numpy() for weight in model.trainable_weights if len(weight.shape) > 1]
    assert len(kernels) == 3
    zeros = sum((kernel == 0).sum() for kernel in kernels) / sum(kernel.size for kernel in kernels)
    assert zeros == pytest.approx(config.sparsity, abs=0.01)


def test_logs_for_tensorboard_hold_every_epoch(dataset, config, tmp_path):
    short = dataclasses.replace(config, epochs=2)
    train_baseline(dataset, short, tmp_path / "m.keras", tensorboard=tmp_path / "logs")
    (events,) = (tmp_path / "logs/float").iterdir()
    assert events.read_bytes().count(b"validation_accuracy") == 2


def test_curves_show_every_fit(pressed):
    figure = draw_curves(pressed.history)
    assert [text.get_text() for text in figure.axes[0].texts] == ["prune", "quantize"]
    assert all(len(axes.lines) == 8 for axes in figure.axes)
