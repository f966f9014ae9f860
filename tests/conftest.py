"""What all tests share: digits, the golden models, and what `bundle`, `dataset` and `report` mean in each folder."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from bundles import golden, real_digits, write_bundle

# Tests run two at a time: no machine of theirs is idle, and no time of theirs decides anything.
os.environ["EDGEPRESS_WAIT_S"] = "0"
pytest_plugins = [f"fixtures.{name}" for name in ("compared", "exported", "measured", "paged", "served", "trained")]

# The fixture that a folder's tests mean. Fixtures of a module or session name it themselves.
MEANINGS = {
    ("fast/runtime", "bundle"): "golden_bundle",
    ("e2e/runtime", "bundle"): "golden_bundle",
    ("fast/benchmarks", "bundle"): "measured_bundle",
    ("fast/benchmarks", "dataset"): "measured_digits",
    ("fast/benchmarks", "report"): "measured_report",
    ("e2e/measure", "bundle"): "measured_bundle",
    ("e2e/measure", "dataset"): "measured_digits",
    ("e2e/measure", "report"): "measured_report",
    ("e2e/benchmarks", "bundle"): "compared_bundle",
    ("e2e/benchmarks", "dataset"): "mnist_part",
    ("e2e/benchmarks", "report"): "compared_report",
    ("fast/train", "dataset"): "three_blobs",
    ("e2e/train", "dataset"): "three_blobs",
    ("e2e", "bundle"): "offline_bundle",
}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Layers and models count their names anew (dense, dense_1, ...), whatever ran before in this process."""
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session(free_memory=False)
    if "tf_keras" in sys.modules:
        sys.modules["tf_keras"].backend.reset_uids()


def _meant(request):
    folder = request.path.parent.relative_to(Path(__file__).parent).as_posix()
    return request.getfixturevalue(MEANINGS[folder, request.fixturename])


@pytest.fixture
def bundle(request):
    """The bundle that the folder's tests are about."""
    return _meant(request)


@pytest.fixture
def dataset(request):
    """The data set that the folder's tests are about."""
    return _meant(request)


@pytest.fixture
def report(request):
    """The report that the folder's tests are about."""
    return _meant(request)


@pytest.fixture(scope="session")
def digits():
    """Real digits: uint8 (n, 28, 28) and their labels (n,)."""
    return real_digits()


@pytest.fixture(scope="session")
def many_digits(digits):
    """10,000 uint8 pictures (10000, 28, 28): real digits, moved a little where there are fewer of them."""
    images = digits[0]
    moved = [np.roll(images, (row, column), (1, 2)) for row, column in ((0, 0), (1, -1), (-2, 1))]
    return np.concatenate(moved)[:10_000]


@pytest.fixture
def bundle_of(tmp_path):
    """Makes a bundle of the golden models that are named."""
    return lambda *names: write_bundle(tmp_path / "bundle", golden(*names), model="digits", unknown_threshold=0.6)


@pytest.fixture(scope="session")
def golden_bundle(tmp_path_factory):
    """All golden models. Not to be changed: copy it first."""
    return write_bundle(tmp_path_factory.mktemp("golden") / "bundle", golden(), unknown_threshold=0.6)
