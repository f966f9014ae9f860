"""What epochs change about examples, and what they leave."""

import numpy as np
import pytest

from edgepress.train.fitting.epochs import disturb_recordings, jitter, mirror_images, shift_images


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_recordings_move_within_the_window(rng):
    click = np.zeros((200, 100), np.float32)
    click[:, 50] = 0.5
    moved = disturb_recordings(click, rng, samples=10, gain_db=0, noise=0)
    places = moved.argmax(axis=1)
    assert (places.min(), places.max()) == (40, 60)
    np.testing.assert_allclose(moved.max(axis=1), 0.5)


def test_recordings_change_their_loudness_and_stay_waveforms(rng):
    waves = np.tile(np.sin(np.arange(400) / 3).astype(np.float32) * 0.6, (300, 1))
    louder = disturb_recordings(waves, rng, samples=0, gain_db=6, noise=0)
    gains = louder.std(axis=1) / waves.std(axis=1)
    assert 0.5 <= gains.min() < 0.6
    assert gains.max() > 1.4
    assert np.abs(louder).max() <= 1
    assert louder.dtype == np.float32


def test_noise_is_a_share_of_each_recordings_own_deviation(rng):
    waves = np.tile(np.sin(np.arange(4000) / 3).astype(np.float32), (50, 1)) * np.array(
        [[0.01], [0.1]] * 25, np.float32
    )
    noise = (disturb_recordings(waves, rng, samples=0, gain_db=0, noise=0.2) - waves).std(axis=1) / waves.std(axis=1)
    assert 0.15 < noise.max() <= 0.21
    # Silence stays silent.
    assert not disturb_recordings(np.zeros((3, 50), np.float32), rng, samples=5, gain_db=6, noise=0.5).any()


def test_numbers_get_noise_of_the_deviation_asked_for(rng):
    assert jitter(np.zeros((100, 50), np.float32), rng, 0.2).std() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("shape", [(40, 3, 4), (40, 3, 4, 3)])
def test_half_of_the_images_are_mirrored(rng, shape):
    images = rng.integers(0, 255, shape).astype(np.uint8)
    mirrored = mirror_images(images, rng)
    same = np.array([(a == b).all() for a, b in zip(mirrored, images, strict=True)])
    assert 8 < same.sum() < 32
    np.testing.assert_array_equal(mirrored[~same], images[~same][:, :, ::-1])
    assert shift_images(images, rng, 1).shape == shape
