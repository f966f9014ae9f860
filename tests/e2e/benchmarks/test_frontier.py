"""The study of the frontier, small: few images, few epochs, all of its stages."""

import json
import tomllib
from dataclasses import replace

import pytest

from edgepress.benchmarks.studies.frontier.study import POINTS, SETTINGS, Study, finish_point, write_page
from edgepress.data import load_dataset
from edgepress.runtime import load

SMALL = {"copies": 1, "epochs": 6, "passes": 4, "batch_size": 32}


@pytest.fixture(scope="module")
def digits():
    whole = load_dataset("mnist")
    return replace(whole, train=whole.train[:1500], test=whole.test[:200])


@pytest.fixture(scope="module")
def settings():
    """The study's own, but for how long it takes."""

    def smaller(values):
        return {
            key: smaller(value) if isinstance(value, dict) else SMALL.get(key, value) for key, value in values.items()
        }

    return smaller(tomllib.loads(SETTINGS.read_text()))


def written(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}


def test_every_point_is_made_once_and_measured(digits, settings, tmp_path):
    work, out = tmp_path / "work", tmp_path / "out"
    finish_point(Study(work, settings, digits), "packed-200x", out)
    stages = written(work)
    assert {"cnn.keras", "teacher-mild.npy", "lenet.keras", "packed-200x.tflite"} <= set(stages)
    for name in POINTS:
        finish_point(Study(work, settings, digits), name, out)
    # A run that goes on makes nothing twice.
    assert written(work).items() >= stages.items()
    assert not list(work.glob("*.checkpoint.npz"))
    made = written(out / "frontier")
    for name in POINTS:
        finish_point(Study(work, settings, digits), name, out)
    assert written(out / "frontier") == made
    write_page(out)
    page = (out / "frontier.md").read_text()
    for name, point in POINTS.items():
        record = json.loads((out / "frontier" / f"{name}.json").read_text())
        assert record["bytes"] == (out / "frontier" / point.file).stat().st_size
        assert f"[{record['bytes']:,} bytes](frontier/{point.file})" in page
        with load(out / "frontier" / point.file) as model:
            prediction = model.predict(digits.x_test)
            assert model.labels == digits.labels
        assert (prediction.indices == digits.y_test).mean() == pytest.approx(record["test_accuracy"], abs=0.02)
        assert record["settings"] == settings[name]
        assert record["test_accuracy"] > 0.8
    assert "{" not in page
