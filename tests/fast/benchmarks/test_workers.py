"""A process that measures and hangs, or dies, is one row's failure with its reason."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from edgepress.benchmarks.measure import workers
from edgepress.benchmarks.measure.workers import Worker, WorkerError
from edgepress.benchmarks.models.subjects import _file_order, artifact_order
from edgepress.runtime import Manifest, load
from edgepress.runtime.backends.isolated import IsolatedSession


@pytest.fixture
def worker(bundle, dataset, tmp_path):
    np.save(tmp_path / "images.npy", dataset.x_test[:2])
    order = artifact_order(bundle, Manifest.read(bundle), "digits-int8.tflite", "numpy")
    with Worker(order, tmp_path / "images.npy") as worker:
        yield worker


def test_one_that_hangs_is_killed_after_its_time(worker, monkeypatch):
    monkeypatch.setattr(workers, "_PATIENCE_S", 0.5)
    with pytest.raises(WorkerError, match=r"digits-int8\.tflite: .* ended: no answer after 0\.5 s"):
        worker.ask("work", seconds=600)


def test_one_that_dies_says_how(worker):
    os.kill(worker._process.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"ended: killed by SIGKILL"):
        worker.ask("work", seconds=0.1)


def test_one_that_fails_goes_on(worker):
    with pytest.raises(WorkerError, match="FileNotFoundError"):
        worker.ask("answer", examples="/nowhere.npy", out="/nowhere")
    assert worker.ask("work", seconds=0.01)["images"] > 0


def test_what_is_measured_is_not_the_way_to_a_child():
    path = Path(__file__).parents[2] / "golden" / "normalized.tflite"
    with load(path) as model:
        assert isinstance(model._session, IsolatedSession)
    order = _file_order(path, path.name, "litert", 1)
    with Worker(order) as worker:
        children = f"/proc/{worker._process.pid}/task/{worker._process.pid}/children"
        assert Path(children).read_text() == ""
