"""Perturbed pictures are what their names say."""

import numpy as np
import pytest

from edgepress.benchmarks.statistics import robustness
from edgepress.data.gathered import store_rows
from edgepress.data.rows import in_pieces


def perturb(images, seed):
    """Every perturbation of all images, whole."""
    return ((name, np.concatenate(list(pieces))) for name, pieces in robustness.perturb(images, seed=seed))


@pytest.fixture
def images():
    """A bright square on black, away from the edges."""
    images = np.zeros((40, 28, 28), np.uint8)
    images[:, 10:18, 12:16] = 200
    return images


@pytest.fixture
def perturbed(images):
    return dict(perturb(images, seed=0))


def test_all_keep_shape_and_type(images, perturbed):
    assert list(perturbed) == [
        "shift 1 px", "shift 2 px", "rotation 10 degrees", "rotation 20 degrees", "noise sigma 32", "noise sigma 64",
        "thicker", "thinner", "inverted",
    ]  # fmt: skip
    for pictures in perturbed.values():
        assert pictures.shape == images.shape
        assert pictures.dtype == np.uint8


def test_shift_moves_everything_by_as_much(images, perturbed):
    for pixels in (1, 2):
        moved = perturbed[f"shift {pixels} px"]
        assert (moved.sum(axis=(1, 2)) == images[0].sum()).all()
        offsets = {tuple(np.argwhere(picture)[0] - (10, 12)) for picture in moved}
        assert {abs(c) for offset in offsets for c in offset} == {0, pixels}
        assert (0, 0) not in offsets
        assert len(offsets) == 8


def test_rotation_turns_around_the_centre(images):
    tall = np.zeros((2, 29, 29), np.uint8)
    tall[:, 4:25, 14] = 255
    turned = dict(perturb(np.repeat(tall, 10, axis=0), seed=0))["rotation 20 degrees"].astype(float)
    for picture in turned:
        y, x = np.mgrid[:29, :29] - 14.0
        slope = (picture * x * y).sum() / (picture * y * y).sum()
        assert abs(np.degrees(np.arctan(slope))) == pytest.approx(20, abs=1.5)
        assert picture.sum() == pytest.approx(21 * 255, rel=0.05)


def test_noise_has_its_sigma(images):
    grey = np.full((20, 28, 28), 128, np.uint8)
    noisy = dict(perturb(grey, seed=1))["noise sigma 32"].astype(float)
    assert noisy.std() == pytest.approx(32, rel=0.03)


def test_thickness_and_inversion(images, perturbed):
    assert (perturbed["thicker"] >= images).all()
    assert (perturbed["thicker"] > 0).sum() == 40 * 9 * 5
    assert (perturbed["thinner"] > 0).sum() == 40 * 7 * 3
    assert (perturbed["inverted"] == 255 - images).all()


def test_the_seed_decides_and_colour_works(images):
    colour = np.repeat(images[..., None], 3, axis=3)
    one, two = (list(perturb(colour, seed=4)) for _ in range(2))
    assert all((a[1] == b[1]).all() for a, b in zip(one, two, strict=True))
    pairs = list(zip(perturb(images, seed=4), one, strict=True))
    assert len(pairs) == 9
    for (name, grey), (_, rgb) in pairs:
        assert rgb.shape == (*grey.shape, 3)
        # A picture of three equal channels is changed as the grey one is; noise is drawn for each channel anew.
        for channel in np.moveaxis(rgb, -1, 0):
            assert np.array_equal(channel, grey) != name.startswith("noise"), name


def test_how_many_are_read_at_a_time_changes_nothing(monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (50, 9, 7, 3), dtype=np.uint8)
    whole = dict(perturb(images, seed=5))
    stored = store_rows(in_pieces(images), images.shape[1:], images.dtype)
    monkeypatch.setattr(robustness, "_PIECE_BYTES", 7 * images[0].nbytes)
    assert len(list(dict(robustness.perturb(stored, seed=5))["inverted"])) == 8
    for name, pictures in perturb(stored, seed=5):
        np.testing.assert_array_equal(pictures, whole[name], name)
