"""A bundle of the golden models, and digits to feed them."""

import numpy as np
import pytest
from bundles import golden, real_digits, write_bundle


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
