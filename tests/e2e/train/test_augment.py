"""Distortion moves ink and keeps it; pools are whole or not there."""

import dataclasses

import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.runtime import InputError
from edgepress.train import TrainConfig, open_keras, train, train_baseline
from edgepress.train.fitting.augment import STRONG, Distortion, distort, make_pool
from edgepress.train.fitting.distill import PoolEpochs, teach
from edgepress.train.fitting.epochs import one_hot


@pytest.fixture
def pictures():
    """Two classes of 12 x 12: bright above or below."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    images = rng.integers(0, 90, (400, 12, 12)).astype(np.uint8)
    images[labels == 0, :6] += 120
    images[labels == 1, 6:] += 120
    return dataset_of_arrays("halves", (images[:320], labels[:320]), (images[320:], labels[320:]), names=("a", "b"))


@pytest.fixture
def images():
    blank = np.zeros((12, 20, 20), np.uint8)
    blank[:, 6:14, 8:12] = 200
    return blank


def test_no_distortion_changes_nothing(images):
    still = Distortion(rotation=0, scale=0, shear=0, shift=0, elastic=0)
    np.testing.assert_array_equal(distort(images, np.random.default_rng(0), still), images)


def test_copies_differ_and_keep_most_ink(images):
    copies = distort(images, np.random.default_rng(0))
    assert len({copy.tobytes() for copy in copies}) == len(copies)
    ink = copies.sum((1, 2), dtype=float) / images.sum((1, 2), dtype=float)
    assert 0.8 < np.median(ink) < 1.25
    assert (ink > 0.5).all()


def test_a_shift_moves_by_no_more_than_it_says(images):
    copies = distort(images, np.random.default_rng(1), Distortion(rotation=0, scale=0, shear=0, shift=2, elastic=0))
    rows = np.arange(20)
    centres = (copies.sum(2, dtype=float) * rows).sum(1) / copies.sum((1, 2), dtype=float)
    moved = centres - 9.5
    assert np.abs(moved).max() <= 2 + 1e-2
    assert moved.std() > 0.5


def test_a_pool_is_made_once_and_is_the_same_again(images, tmp_path):
    path = tmp_path / "pool.npy"
    two = [Distortion(), STRONG]
    pool = np.array(make_pool(images, path, two, seed=3))
    np.testing.assert_array_equal(pool[0], images)
    written = path.stat().st_mtime_ns
    make_pool(images, path, two, seed=3)
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(make_pool(images, tmp_path / "again.npy", two, seed=3), pool)
    with pytest.raises(InputError, match="is wanted: remove it"):
        make_pool(images, path, two * 2, seed=3)


def test_epochs_pair_each_copy_with_what_the_teacher_said_about_it(images, tmp_path):
    pool = np.arange(3, dtype=np.uint8)[:, None, None, None] * 12 + np.arange(12, dtype=np.uint8)[:, None, None]
    pool = np.broadcast_to(pool, (3, 12, 20, 20)).copy()

    def teacher(pixels):
        return np.eye(40, dtype=np.float32)[pixels[:, 0, 0]] * 50

    logits = teach(pool, teacher, tmp_path / "logits.npy")
    targets = one_hot(np.arange(12), 40)
    source = PoolEpochs(pool, targets, seed=(0,), logits=logits, share=1.0, passes=3)
    pixels, targets = source(4)
    assert len(pixels) == len(source) == 36
    np.testing.assert_array_equal(targets.argmax(1), pixels[:, 0, 0])
    assert sorted(set(pixels[:, 0, 0] // 12)) == [0, 1, 2]
    again, _ = source(4)
    np.testing.assert_array_equal(again, pixels)
    assert (source(5)[0] != pixels).any()


@pytest.mark.parametrize("wrong", [{"rotation": -1.0}, {"elastic": float("nan")}, {"smoothness": (0.0, 1.0)}])
def test_impossible_distortions_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Distortion(**wrong)


def test_a_teacher_and_copies_make_a_run_that_leaves_nothing_behind(tmp_path, pictures):
    config = TrainConfig(
        widths=(8,), epochs=3, prune_epochs=0, quantize_epochs=1, batch_size=32,
        copies=2, strong_copies=1, teacher="cnn", teacher_epochs=2, distill=0.8,
    )  # fmt: skip
    result = train(pictures, config, tmp_path / "small.keras")
    assert result.validation is not None
    assert result.validation[1] > 0.4
    assert not list(tmp_path.glob(".*"))
    assert (tmp_path / "small-float-teacher.keras").exists()
    alone = train_baseline(pictures, dataclasses.replace(config, teacher=""), tmp_path / "alone.keras")
    taught = open_keras(tmp_path / "small-float.keras").model.get_weights()
    untaught = open_keras(alone.path).model.get_weights()
    assert any((a != b).any() for a, b in zip(taught, untaught, strict=True))
