"""A small bundle of golden models, real digits, and a report measured on them once."""

import copy
import shutil
from pathlib import Path

import pytest
from bundles import golden, real_digits, write_bundle

from edgepress.benchmarks import benchmark, report_to_dict
from edgepress.data import Dataset

FILES = ("digits-float32.tflite", "digits-int8.tflite", "digits-int8.onnx")


@pytest.fixture(scope="session")
def dataset():
    """2,000 test images."""
    images, labels = real_digits()
    return Dataset("digits", images[2000:2100], labels[2000:2100], images[:2000], labels[:2000], tuple("0123456789"))


@pytest.fixture(scope="session")
def _bundle(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("bench") / "bundle"
    return write_bundle(folder, golden(*FILES), model="float", vectors=dataset.x_test[:64])


@pytest.fixture
def bundle(_bundle, tmp_path):
    """Three golden models with golden vectors; a copy, yours to spoil."""
    return Path(shutil.copytree(_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def _report(_bundle, dataset):
    return report_to_dict(benchmark(_bundle, dataset, preset="quick", seed=3))


@pytest.fixture
def report(_report):
    """What `benchmark` found on that bundle, as report.json holds it; a copy, yours to spoil."""
    return copy.deepcopy(_report)


@pytest.fixture(scope="session")
def _blind_report(_bundle):
    return report_to_dict(benchmark(_bundle, preset="quick"))


@pytest.fixture
def blind_report(_blind_report):
    """The same without a data set."""
    return copy.deepcopy(_blind_report)
