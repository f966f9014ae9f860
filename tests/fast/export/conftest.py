import numpy as np
import pytest

from edgepress.data import Dataset
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.runtime import Preprocessing
from edgepress.runtime.bundle.embedded import Embedded

CLASSES = 4


@pytest.fixture(scope="session")
def quadrants() -> Dataset:
    """8 x 8 images with one bright quadrant each: a problem that a tiny model solves."""
    random = np.random.default_rng(1)

    def images(count):
        labels = random.integers(0, CLASSES, count)
        pixels = random.integers(0, 120, (count, 8, 8))
        for image, label in zip(pixels, labels, strict=True):
            row, column = 4 * (label // 2), 4 * (label % 2)
            image[row : row + 4, column : column + 4] += 100
        return pixels.astype(np.uint8), labels

    return Dataset("quadrants", *images(2400), *images(200), labels=("nw", "ne", "sw", "se"))


@pytest.fixture(scope="session")
def tiny(quadrants) -> Source:
    """A trained MLP, 64-32-16-4."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    model = tf_keras.Sequential(
        [
            tf_keras.Input((64,), name="pixels"),
            # Names of their own: Keras counts unnamed ones through the whole process.
            tf_keras.layers.Dense(32, activation="relu", name="dense"),
            tf_keras.layers.Dense(16, activation="relu", name="dense_1"),
            tf_keras.layers.Dense(CLASSES, name="logits"),
        ],
        name="quadrant_finder",
    )
    model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(quadrants.x_train.reshape(-1, 64) / 255.0, quadrants.y_train, epochs=4, verbose=0)
    return Source("tiny", None, "", model, None, "logits")


@pytest.fixture(scope="session")
def samples(quadrants) -> Samples:
    real = (quadrants.x_train[:300].reshape(-1, 64) / 255).astype(np.float32)
    return Samples({"pixels": real}, quadrants.y_train[:300])


@pytest.fixture(scope="session")
def embedded(quadrants) -> Embedded:
    return Embedded(quadrants.labels, "logits", Preprocessing(8, 8, fit="resize", polarity="as-is"), 0.5)


@pytest.fixture(scope="session")
def files(tiny, samples, embedded, tmp_path_factory):
    """Every variant of the tiny model, by key."""
    from edgepress.export.convert import Converter
    from edgepress.export.variants import VARIANTS

    folder = tmp_path_factory.mktemp("files")
    converter = Converter(tiny, samples, samples, embedded)
    return {variant.key: converter.write(variant, folder) for variant in VARIANTS.values()}
