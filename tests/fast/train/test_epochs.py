"""What epochs change about examples, and what they leave."""

from functools import partial

import numpy as np
import pytest

from edgepress.data.gathered import store_rows
from edgepress.data.rows import in_pieces
from edgepress.runtime.contract import Contract, Features, Tensor
from edgepress.train import TrainConfig
from edgepress.train.fitting.changes import disturb_recordings, each_by_its_own, jitter, move_pictures
from edgepress.train.fitting.epochs import EpochInPieces, LabelledEpochs
from edgepress.train.fitting.together import Together
from edgepress.train.run import _augmentation as augmentation_of


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _changed(augment, examples, rng, **settings):
    return augment(len(examples), rng, **settings)(examples, slice(0, len(examples)))


def test_recordings_move_within_the_window(rng):
    click = np.zeros((200, 100), np.float32)
    click[:, 50] = 0.5
    moved = _changed(disturb_recordings, click, rng, samples=10, gain_db=0, noise=0)
    places = moved.argmax(axis=1)
    assert (places.min(), places.max()) == (40, 60)
    np.testing.assert_allclose(moved.max(axis=1), 0.5)


def test_recordings_change_their_loudness_and_stay_waveforms(rng):
    waves = np.tile(np.sin(np.arange(400) / 3).astype(np.float32) * 0.6, (300, 1))
    louder = _changed(disturb_recordings, waves, rng, samples=0, gain_db=6, noise=0)
    gains = louder.std(axis=1) / waves.std(axis=1)
    assert 0.5 <= gains.min() < 0.6
    assert gains.max() > 1.4
    assert np.abs(louder).max() <= 1
    assert louder.dtype == np.float32


def test_noise_is_a_share_of_each_recordings_own_deviation(rng):
    waves = np.tile(np.sin(np.arange(4000) / 3).astype(np.float32), (50, 1)) * np.array(
        [[0.01], [0.1]] * 25, np.float32
    )
    noise = (_changed(disturb_recordings, waves, rng, samples=0, gain_db=0, noise=0.2) - waves).std(axis=1) / waves.std(
        axis=1
    )
    assert 0.15 < noise.max() <= 0.21
    # Silence stays silent.
    assert not _changed(disturb_recordings, np.zeros((3, 50), np.float32), rng, samples=5, gain_db=6, noise=0.5).any()


def test_numbers_get_noise_of_the_deviation_asked_for(rng):
    assert _changed(jitter, np.zeros((100, 50), np.float32), rng, deviation=0.2).std() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("shape", [(40, 3, 4), (40, 3, 4, 3)])
def test_half_of_the_images_are_mirrored(rng, shape):
    images = rng.integers(0, 255, shape).astype(np.uint8)
    mirrored = _changed(move_pictures, images, rng, mirror=True, pixels=0)
    same = np.array([(a == b).all() for a, b in zip(mirrored, images, strict=True)])
    assert 8 < same.sum() < 32
    np.testing.assert_array_equal(mirrored[~same], images[~same][:, :, ::-1])


def test_pictures_move_by_up_to_so_many_pixels():
    images = np.zeros((300, 9, 9), np.uint8)
    images[:, 4, 4] = 1
    moved = _changed(move_pictures, images, np.random.default_rng(0), mirror=False, pixels=2)
    _, rows, columns = np.nonzero(moved)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)


CHANGES = {
    "as they are": (None, np.uint8),
    "pictures": (partial(move_pictures, mirror=True, pixels=1), np.uint8),
    "recordings": (partial(disturb_recordings, samples=2, gain_db=6, noise=0.1), np.float32),
    "numbers": (partial(jitter, deviation=0.1), np.float32),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_epoch_from_a_file_is_that_from_memory(name):
    augment, dtype = CHANGES[name]
    shape = (8, 8, 3) if name == "pictures" else (20,)
    examples = np.random.default_rng(1).integers(0, 255, (50, *shape)).astype(dtype)
    targets = np.arange(50, dtype=np.float32)[:, None]
    stored = store_rows(in_pieces(examples), shape, dtype)
    settings = {"seed": (3,), "augment": augment, "teacher": _sum_of, "teacher_share": 0.25, "passes": 2}
    wanted, answers = LabelledEpochs(examples, targets, **settings)(7)
    made = LabelledEpochs(stored, targets, **settings)(7)
    assert isinstance(made, EpochInPieces)
    read = [made.read(slice(start, start + 30)) for start in range(0, 100, 30)]
    np.testing.assert_array_equal(np.concatenate([given for given, _ in read]), wanted)
    np.testing.assert_array_equal(np.concatenate([given for _, given in read]), answers)


def _sum_of(examples):
    return examples.reshape(len(examples), -1).sum(axis=1, keepdims=True, dtype=np.float32)


def test_inputs_of_an_example_stay_together_and_change_each_by_its_own_kind():
    """Whatever stretches they come in, and whichever of them lie in a file."""
    waves = np.tile(np.arange(1, 91, dtype=np.float32)[:, None] / 100, (1, 40))
    rows, names = np.repeat(np.arange(90, dtype=np.float32), 3).reshape(90, 3), np.arange(90)
    augment = partial(
        each_by_its_own,
        augments=[partial(disturb_recordings, samples=2, gain_db=0, noise=0.02), partial(jitter, deviation=0.1), None],
    )
    stored = store_rows(in_pieces(rows, 20), (3,), np.float32)

    def epoch(table):
        held, right = Together((waves, table, names)), names.astype(np.float32)
        return LabelledEpochs(held, right, seed=(3,), augment=augment, passes=2)(1)

    (examples, targets), left = epoch(rows), epoch(stored)
    np.testing.assert_array_equal(examples.arrays[2], targets)
    np.testing.assert_allclose(examples.arrays[1].mean(axis=1), targets, atol=0.3)
    assert (examples.arrays[1].std(axis=1) > 0).all()
    np.testing.assert_allclose(np.median(examples.arrays[0], axis=1), (targets + 1) / 100, atol=4e-3)
    assert (np.abs(examples.arrays[0]).min(axis=1) < 0.1 * (targets + 1) / 100).any()
    assert isinstance(left, EpochInPieces)
    assert left.most >= 90
    pieces = [left.read(slice(start, start + 50)) for start in range(0, 180, 50)]
    for whole, parts in zip(examples.arrays, zip(*(piece.arrays for piece, _ in pieces), strict=True), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_noise_is_for_scaled_numbers_and_words_stay_what_they_are():
    words, row = Tensor((3,), "int32"), Features(("a", "b"))
    config = TrainConfig(noise=0.3)
    assert augmentation_of(Contract({"words": words}), config) is None
    held = Together((np.arange(30, dtype=np.int32).reshape(10, 3), np.zeros((10, 2), np.float32)))
    augment = augmentation_of(Contract({"words": words, "row": row}), config)
    changed = augment(10, np.random.default_rng(0))(held, slice(0, 10))
    assert changed.arrays[0] is held.arrays[0]
    assert changed.arrays[1].std() == pytest.approx(0.3, rel=0.5)
