"""What a network learned of some classes helps it to learn others from few pictures."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from edgepress.data import Dataset, dataset_of_arrays, load_dataset
from edgepress.quality import QUALITY, bootstrap
from edgepress.train import TrainConfig, open_keras, sections_of, train_baseline
from edgepress.train.fitting.feed import predictor

CLASSES_LEARNED_FIRST = 5
PICTURES = 50

pytestmark = pytest.mark.skipif(
    not Path(os.environ.get("EDGEPRESS_DATA_DIR", ""), "cifar10-jpeg.zip").exists(), reason="needs cifar10-jpeg.zip"
)


@pytest.fixture(scope="module")
def cifar() -> Dataset:
    return load_dataset(str(Path(os.environ["EDGEPRESS_DATA_DIR"], "cifar10-jpeg.zip")))


def part_of(data: Dataset, first: int, last: int, each: int | None = None) -> Dataset:
    """The classes from `first` to before `last`, with `each` training pictures of each."""

    def chosen(part, most):
        picked = [np.flatnonzero(part.targets == label)[:most] for label in range(first, last)]
        indices = np.concatenate(picked)
        return part.x[indices], part.targets[indices] - first

    return dataset_of_arrays("cifar-part", chosen(data.train, each), chosen(data.test, None))


def answers(path, data):
    contract = data.picture.with_normalization("pixels/255")
    return predictor(open_keras(path).model, contract)(data.test.x)


def test_other_classes_are_learned_from_fifty_pictures_each(cifar, tmp_path):
    known = part_of(cifar, 0, CLASSES_LEARNED_FIRST)
    config = dataclasses.replace(TrainConfig.preset("quick", sections_of(known)), epochs=30, patience=30)
    # A third of the study's epochs: what it has seen is enough to tell.
    backbone = train_baseline(known, dataclasses.replace(config, epochs=10), tmp_path / "backbone.keras").path

    few = part_of(cifar, CLASSES_LEARNED_FIRST, len(cifar.labels), PICTURES)
    alone = train_baseline(few, config, tmp_path / "alone.keras")
    sections = sections_of(few, backbone=True)
    transferring = dataclasses.replace(
        TrainConfig.preset("quick", sections), epochs=30, patience=30, model="", backbone=str(backbone)
    )
    taught = train_baseline(few, transferring, tmp_path / "taught.keras")
    assert list(taught.history.fits) == ["head", "float"]

    metric = QUALITY["multiclass"].metric
    gain, low, _ = bootstrap(metric, answers(taught.path, few), answers(alone.path, few), few.y_test, seed=0)
    assert gain >= 5
    assert low > 0
