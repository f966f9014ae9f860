"""Small data and small runs, real all the same."""

import numpy as np
import pytest

from edgepress.data import Dataset
from edgepress.train import TrainConfig


def blobs(seed: int = 0, train: int = 600, test: int = 200, shape: tuple[int, ...] = (8, 8)) -> Dataset:
    """Three classes: a bright quarter of the picture tells which, noise everywhere."""
    rng = np.random.default_rng(seed)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(3, size=count)
        images = rng.integers(0, 90, (count, *shape))
        half = shape[0] // 2
        for index, label in enumerate(labels):
            rows, columns = divmod(int(label), 2)
            images[index, rows * half : (rows + 1) * half, columns * half : (columns + 1) * half] += 100
        return images.astype(np.uint8), labels

    return Dataset("blobs", *draw(train), *draw(test), labels=("a", "b", "c"))


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return blobs()


@pytest.fixture(scope="session")
def config() -> TrainConfig:
    return TrainConfig(widths=(16, 8), epochs=6, prune_epochs=5, quantize_epochs=2, batch_size=32, patience=10)


@pytest.fixture
def seeded():
    """First weights that do not depend on the tests before."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
