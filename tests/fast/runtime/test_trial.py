"""Processes that hang, take long or die, seen from the other side."""

import numpy as np
import pytest
from bundles import golden, write_bundle

from edgepress.runtime import load
from edgepress.runtime.conformance import trial
from edgepress.runtime.conformance.trial import run_trial

FILE = "digits-float32.tflite"
SLOW = 'for i in 1 2 3 4 5; do sleep 0.3; touch "$2/alive"; done; echo "slow" > "$2/0.txt"'


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle", golden(FILE, "digits-int8.tflite"))


def tried(bundle, script):
    """What becomes of a file whose process is a shell that runs `script`; its $2 is the trial's folder."""
    images = np.zeros((1, 28, 28), np.uint8)
    return run_trial(bundle, [FILE], images, backend="numpy", delegate=False, python=["sh", "-c", script])[FILE]


def test_a_process_that_hangs_is_ended(bundle, monkeypatch):
    monkeypatch.setattr(trial, "_SECONDS", 1)
    assert tried(bundle, "exec sleep 60").killed == "no sign of life for 1 s"


def test_one_that_takes_long_and_lives_is_not(bundle, monkeypatch):
    monkeypatch.setattr(trial, "_SECONDS", 1)
    assert tried(bundle, SLOW).refused == "slow\n"


@pytest.mark.parametrize(
    ("script", "end"),
    [("kill -SEGV $$", "killed by SIGSEGV"), ("echo one; echo two >&2; exit 3", "exit status 3: two")],
)
def test_how_one_ended_is_told(bundle, script, end):
    assert tried(bundle, script).killed == end


def test_portions_are_joined_in_order(bundle):
    images = np.random.default_rng(0).integers(0, 256, (600, 28, 28), np.uint8)
    answer = run_trial(bundle, [FILE], images, backend="numpy", delegate=False)[FILE]
    with load(bundle / FILE, backend="numpy") as model:
        np.testing.assert_array_equal(answer.output, model.raw_outputs(images))
