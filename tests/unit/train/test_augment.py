"""Distortion moves ink and keeps it; pools are whole or not there."""

import numpy as np
import pytest

from edgepress.runtime import InputError
from edgepress.train.augment import Distortion, distort, make_pool
from edgepress.train.distill import PoolEpochs, teach


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
    pool = np.array(make_pool(images, path, copies=2, seed=3))
    np.testing.assert_array_equal(pool[0], images)
    written = path.stat().st_mtime_ns
    make_pool(images, path, copies=2, seed=3)
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(make_pool(images, tmp_path / "again.npy", copies=2, seed=3), pool)
    with pytest.raises(InputError, match="is wanted: remove it"):
        make_pool(images, path, copies=5, seed=3)


def test_epochs_pair_each_copy_with_what_the_teacher_said_about_it(images, tmp_path):
    pool = np.arange(3, dtype=np.uint8)[:, None, None, None] * 12 + np.arange(12, dtype=np.uint8)[:, None, None]
    pool = np.broadcast_to(pool, (3, 12, 20, 20)).copy()

    def teacher(pixels):
        return np.eye(40, dtype=np.float32)[pixels[:, 0, 0]] * 50

    logits = teach(pool, teacher, tmp_path / "logits.npy")
    labels = np.arange(12) % 40
    source = PoolEpochs(pool, labels, classes=40, seed=(0,), logits=logits, share=1.0, temperature=1.0, passes=3)
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
