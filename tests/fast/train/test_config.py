"""Configs check themselves; presets are readable and complete; models are what their names say."""

import dataclasses

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.runtime.contract import Audio, Features, Picture, Signal
from edgepress.runtime.tasks import Task
from edgepress.train import PRESETS, TrainConfig, base_of, sections_of
from edgepress.train.fitting.rates import SCHEDULES, rate_schedule
from edgepress.train.meaning import meaning_of
from edgepress.train.models import MODELS, build_network, usual_model


@pytest.mark.parametrize("name", PRESETS)
def test_presets_open_and_survive_the_round_trip(name):
    config = TrainConfig.preset(name, seed=7)
    assert config.seed == 7
    assert TrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("widths", [128, 0]),
        ("widths", [1.5]),
        ("epochs", 0),
        ("epochs", True),
        ("dropout", 1.0),
        ("sparsity", -0.1),
        ("sparsity", float("nan")),
        ("learning_rate", 0),
        ("model", "resnet"),
        ("schedule", "step"),
        ("pruning", "magnitude"),
        ("block", [4]),
        ("clusters", 2),
        ("layer_sparsity", {"logits": 1.0}),
        ("epochs", "many"),
        ("learning_rate", "fast"),
    ],
)
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=r"training (config|" + field + ")"):
        TrainConfig.from_dict({field: value})


COLOURS = np.random.default_rng(0).integers(0, 255, (20, 12, 12, 3)).astype(np.uint8)
ROWS = np.random.default_rng(0).normal(size=(20, 3))


@pytest.mark.parametrize(
    ("data", "task", "expected"),
    [
        ((COLOURS, np.arange(20) % 2), None, {"colour"}),
        ((COLOURS[..., 0], np.arange(20) % 2), None, set()),
        ((ROWS, np.arange(20) % 2), None, {"features"}),
        ((ROWS, ROWS[:, 0]), None, {"features", "regression"}),
        ((COLOURS[..., 0], None), "anomaly", {"anomaly"}),
        ((ROWS.reshape(10, 2, 3), np.arange(10) % 2), None, {"signal"}),
    ],
)
def test_a_presets_tables_hold_for_the_data_that_they_are_named_after(data, task, expected):
    assert sections_of(dataset_of_arrays("some", data), task) == expected


def test_a_table_takes_the_place_of_the_presets_values(tmp_path):
    (tmp_path / "mine.toml").write_text(
        "epochs = 3\n[features]\nepochs = 5\ndropout = 0.3\n[regression]\nepochs = 7\n[signal]\nepochs = 9\n"
    )
    path = str(tmp_path / "mine.toml")
    assert TrainConfig.preset(path).epochs == 3
    both = TrainConfig.preset(path, {"regression", "features"})
    assert (both.epochs, both.dropout) == (7, 0.3)


def test_a_mistake_in_a_table_is_told_whatever_the_data(tmp_path):
    (tmp_path / "mine.toml").write_text("[signal]\nepoch = 9\n")
    with pytest.raises(InputError, match="unknown keys \\['epoch'\\]"):
        TrainConfig.preset(str(tmp_path / "mine.toml"))


def test_an_unknown_key_is_named():
    with pytest.raises(InputError, match="sparsty"):
        TrainConfig.from_dict({"sparsty": 0.5})


def test_a_file_serves_as_preset(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 3\n[layer_sparsity]\nlogits = 0.5\n")
    config = TrainConfig.preset(str(tmp_path / "mine.toml"))
    assert (config.epochs, config.layer_sparsity) == (3, {"logits": 0.5})


def test_a_file_builds_on_a_preset_whose_tables_come_after_what_it_says(tmp_path):
    path, quick = str(tmp_path / "mine.toml"), TrainConfig.preset("quick", {"colour"})
    (tmp_path / "mine.toml").write_text('base = "quick"\nsparsity = 0.25\n[colour]\nepochs = 3\n')
    found = TrainConfig.preset(path, {"colour"})
    assert quick.shift != TrainConfig.preset("quick").shift
    assert found == dataclasses.replace(quick, sparsity=0.25, epochs=3)
    assert [base_of(path), base_of("quick")] == ["quick", "quick"]
    (tmp_path / "mine.toml").write_text("sparsity = 0.25\n")
    assert TrainConfig.preset(path) == TrainConfig(sparsity=0.25)
    assert base_of(path) == ""


def test_what_a_file_builds_on_is_one_of_ours(tmp_path):
    (tmp_path / "mine.toml").write_text('base = "quik"\n')
    with pytest.raises(InputError, match=r"mine\.toml: base 'quik': allowed are quick, default, frontier"):
        TrainConfig.preset(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("content", ["epochs = ", "epochs = 3\nepochs = 4"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(InputError, match=r"mine\.toml"):
        TrainConfig.preset(str(tmp_path / "mine.toml"))


def test_an_unknown_preset_is_named():
    with pytest.raises(InputError, match="no preset 'quik'"):
        TrainConfig.preset("quik")


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


TEN = Task("multiclass", "logits", tuple("0123456789"))
SEVEN = Task("multiclass", "logits", tuple("abcdefg"))
NUMBERS = Task("regression", "values", ("price",))
ANOMALY = Task("anomaly", "reconstruction")
INPUTS = {
    "grey": Picture(28, 28),
    "colour": Picture(16, 20, order="rgb"),
    "features": Features(("a", "b", "c")),
    "signal": Signal(40, ("x", "y")),
    "audio": Audio(8000, 4000),
}


@pytest.mark.parametrize("contract", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("name", MODELS)
def test_models_take_what_their_row_says_and_give_logits(name, contract):
    task = next(task for task in (SEVEN, ANOMALY) if task.kind in MODELS[name].tasks)
    if contract.kind not in MODELS[name].takes:
        with pytest.raises(InputError, match=f"model {name} is for|no model of its own"):
            build_network(name, contract, task)
        return
    model = build_network(name, contract, task, dropout=0.1)
    assert int(np.prod(model.input_shape[1:])) == contract.size
    assert model.output_shape == (None, 7 if task is SEVEN else contract.size)
    assert meaning_of(model, task.kind) == task.meaning


def test_every_kind_of_input_has_a_usual_model_for_every_task():
    for contract in INPUTS.values():
        assert contract.kind in MODELS[usual_model(contract, SEVEN)].takes
        assert "regression" in MODELS[usual_model(contract, NUMBERS)].tasks


def test_a_binary_model_has_one_output():
    model = build_network("mlp", INPUTS["features"], Task("binary", "logits", ("no", "yes")))
    assert model.output_shape == (None, 1)


def test_weights_are_as_many_as_the_literature_says():
    assert build_network("lenet-300-100", INPUTS["grey"], TEN).count_params() == 266_610
    assert build_network("lenet-5", INPUTS["grey"], TEN).count_params() == 61_706
    assert build_network("mlp", INPUTS["grey"], TEN).count_params() == 109_386


def test_a_picture_too_small_for_a_convolution_is_refused():
    with pytest.raises(InputError, match="take an mlp"):
        build_network("cnn", Picture(8, 8), TEN)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_stay_within_zero_and_the_highest(name):
    rate = rate_schedule(name, 0.01)
    rates = [rate(step / 100) for step in range(101)]
    assert all(0 <= value <= 0.01 * (1 + 1e-9) for value in rates)
    assert max(rates) == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.01 if name == "constant" else 0)


def test_one_cycle_rises_and_falls():
    rate = rate_schedule("one-cycle", 0.01)
    assert rate(0) < rate(0.15) < rate(0.3) > rate(0.6) > rate(1)
