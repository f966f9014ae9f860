"""Answers that are kept beside a report, and what a later run says against them."""

from dataclasses import replace

import numpy as np
import pytest

from edgepress.benchmarks import parse_report, read_report, write_report
from edgepress.benchmarks.gate import check_baseline
from edgepress.benchmarks.report.answers import FILE, Kept, keep
from edgepress.runtime import InputError

KEY = ("c/net-int8.tflite", "litert", 1)


def kept(kind, truth, values):
    return Kept.read(keep(kind, truth, {KEY: values}).write())


@pytest.fixture
def truth():
    return np.random.default_rng(0).integers(0, 5, 4000)


def right(truth, wrong):
    answers = np.eye(5, dtype=np.float32)[truth]
    answers[:wrong] = np.roll(answers[:wrong], 1, axis=1)
    return answers


def test_a_small_loss_shows_in_pairs(truth):
    old = kept("multiclass", truth, right(truth, 100))
    assert len(old.write()) < 5_000
    same = old.since(old, KEY)
    assert same.gain == 0
    assert same.interval[0] < 0 < same.interval[1]
    worse = kept("multiclass", truth, right(truth, 112)).since(old, KEY)
    assert worse.gain == pytest.approx(-0.3)
    assert worse.interval[1] < 0
    better = old.since(kept("multiclass", truth, right(truth, 112)), KEY)
    assert better.interval[0] > 0


def test_other_examples_are_not_compared(truth):
    old = kept("multiclass", truth, right(truth, 100))
    assert kept("multiclass", truth[::-1], right(truth, 100)).since(old, KEY) is None
    assert old.since(old, ("other.tflite", "litert", 1)) is None
    assert keep("raw", None, {}) is None
    with pytest.raises(InputError, match="holds no answers"):
        Kept.read(b"PK nothing")


@pytest.mark.parametrize("kind", ["regression", "anomaly", "multilabel"])
def test_every_task(kind):
    rng = np.random.default_rng(1)
    truth, noise = {
        "regression": (rng.normal(0, 1, (800, 2)), rng.normal(0, 1, (800, 2))),
        "anomaly": (rng.integers(0, 2, 800), rng.normal(0, 1, 800)),
        "multilabel": (rng.integers(0, 2, (800, 3)), rng.normal(0, 1, (800, 3))),
    }[kind]
    good, bad = (kept(kind, truth, (truth + share * noise).astype(np.float32)) for share in (0.5, 0.8))
    assert good.since(bad, KEY).interval[0] > 0
    assert bad.since(good, KEY).interval[1] < 0


def test_a_report_finds_its_answers_again(report, tmp_path, truth):
    report = parse_report(report)
    row = report.rows[1]
    assert report.kept is None
    old = replace(report, kept=keep("multiclass", truth, {row.key: right(truth, 100)}))
    new = replace(report, kept=keep("multiclass", truth, {row.key: right(truth, 112)}))
    write_report(old, tmp_path)
    read = read_report(tmp_path / "report.json")
    assert not [check for check in check_baseline(old, read) if not check.passed]
    (broken,) = [check for check in check_baseline(new, read) if not check.passed]
    assert (broken.row, broken.limit) == (row.name, "paired")
    assert "-0.3 points since the earlier report" in broken.reason
    # Reports without answers are compared by their totals, as before.
    (tmp_path / FILE).write_bytes(new.kept.write())
    assert read_report(tmp_path / "report.json").kept is None
    (tmp_path / FILE).unlink()
    assert not [check for check in check_baseline(new, read_report(tmp_path / "report.json")) if not check.passed]
