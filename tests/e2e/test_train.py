"""Training in processes of its own: killed, continued, and asked for by the command."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from edgepress.train import learned_ranges, open_keras

_RUN = """
import sys
from pathlib import Path
import numpy as np
from edgepress.data import dataset_of_arrays
from edgepress.train import TrainConfig, train
from edgepress.train.fitting.checkpoint import Checkpoint

saves, die_after = 0, int(sys.argv[2])
save = Checkpoint.save
def save_and_die(self, state):
    global saves
    save(self, state)
    saves += 1
    if saves == die_after:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
Checkpoint.save = save_and_die

rng = np.random.default_rng(0)
x, y = rng.integers(0, 255, (700, 8, 8)).astype(np.uint8), rng.integers(3, size=700)
dataset = dataset_of_arrays("noise", (x[:600], y[:600]), (x[600:], y[600:]), names=("a", "b", "c"))
config = TrainConfig(
    widths=(16, 8), dropout=0.2, epochs=5, prune_epochs=4, cluster_epochs=2, quantize_epochs=2, clusters=6,
    batch_size=32, patience=10,
)
train(dataset, config, Path(sys.argv[1]))
"""


def run(out, die_after=0):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, "-c", _RUN, out, str(die_after)], env=environment).returncode


def test_a_run_killed_in_every_fit_ends_with_the_same_weights(tmp_path):
    """Also: one seed gives the same weights in two processes."""
    quiet, disturbed = tmp_path / "quiet/model.keras", tmp_path / "disturbed/model.keras"
    assert run(quiet) == 0
    # In the baseline; in pruning; in clustering; in quantization-aware training.
    for die_after in (3, 4, 3, 2):
        assert run(disturbed, die_after) == -signal.SIGKILL
        assert not disturbed.exists()
    assert run(disturbed) == 0
    assert sorted(p.name for p in disturbed.parent.iterdir()) == sorted(p.name for p in quiet.parent.iterdir())
    for name in ("model.keras", "model-float.keras"):
        ours, theirs = (open_keras(path.with_name(name)).model.weights for path in (disturbed, quiet))
        for our, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(our.numpy(), their.numpy())


def test_the_command_trains_and_says_so(tmp_path, edgepress, offline_env):
    preset = tmp_path / "tiny.toml"
    preset.write_text("epochs = 2\nprune_epochs = 2\nquantize_epochs = 1\n")
    out = tmp_path / "model.keras"
    done = edgepress("train", "--preset", preset, "--out", out, "--json", env=offline_env)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["dataset"]["name"] == "mnist-5k"
    assert result["bytes"] == out.stat().st_size
    assert "prune 2/2" in done.stderr
    assert "cuda" not in done.stderr, "TensorFlow's own log lines among ours"
    again = edgepress("train", "--preset", preset, "--out", out, env=offline_env)
    assert again.returncode == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize("arguments", [("--preset", "quik"), ("--model", "no.keras"), ("--data", "nowhere")])
def test_a_wrong_argument_is_one_line_and_status_2(tmp_path, edgepress, offline_env, arguments):
    done = edgepress("train", *arguments, "--out", tmp_path / "model.keras", env=offline_env)
    assert done.returncode == 2
    assert len([line for line in done.stderr.splitlines() if line.startswith("edgepress: ")]) == 1
    assert not (tmp_path / "model.keras").exists()


@pytest.fixture
def tables(tmp_path):
    """A table of two classes, and one whose classes are not all among the training rows."""
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'},{a + b:.3f}" for a, b in rng.normal(size=(80, 2))]
    (tmp_path / "two.csv").write_text("a,b,bought,price\n" + "\n".join(lines) + "\n")
    x = rng.normal(size=(40, 3)).astype(np.float32)
    y_train, y_test = np.arange(30) % 3, np.arange(10) % 4
    np.savez(tmp_path / "unseen.npz", x_train=x[:30], y_train=y_train, x_test=x[30:], y_test=y_test)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("two.csv", "--label", "bought", "--model", "cnn"), "model cnn is for picture"),
        (("two.csv", "--label", "bought", "--task", "regression"), "numbers are needed here"),
        (("two.csv", "--label", "price", "--task", "multilabel"), "targets do not fit"),
        (("two.csv", "--label", "cost"), "cost"),
        (("two.csv", "--label", "bought", "--backbone", "mobilenet-v2"), "backbone mobilenet-v2 takes pictures"),
        (("two.csv", "--label", "bought", "--backbone", "m.keras", "--model", "mlp"), "not both"),
        (("unseen.npz",), "no training example of class"),
    ],
)
@pytest.mark.parametrize("verb", ["train", "press"])
def test_data_that_do_not_fit_are_one_line_and_status_2(tables, edgepress, offline_env, verb, arguments, told):
    out = tables / ("model.keras" if verb == "train" else "run")
    done = edgepress(verb, "--data", tables / arguments[0], *arguments[1:], "--out", out, env=offline_env)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("edgepress: ")]
    assert told in line
    assert not list(tables.rglob("*.keras"))


@pytest.mark.parametrize(
    ("label", "metric", "least"), [("bought", "accuracy", 0.8), ("price", "mae", 0.0)], ids=["binary", "regression"]
)
def test_a_table_is_pressed(tables, edgepress, offline_env, label, metric, least):
    preset = tables / "short.toml"
    preset.write_text("epochs = 8\nquantize_epochs = 2\n[features]\nprune_epochs = 0\nwidths = [16]\n")
    out = tables / "model.keras"
    done = edgepress(
        "train", "--data", tables / "two.csv", "--label", label, "--preset", preset, "--out", out, "--json",
        env=offline_env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[f"validation_{metric}"] >= least
    assert learned_ranges(out, open_keras(out).model)
