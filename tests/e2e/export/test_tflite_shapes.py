"""Layers that reshape, in the middle of a model."""

import numpy as np
import pytest

from edgepress.export.convert import Converter
from edgepress.export.inspect.describe import describe
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.export.variants import VARIANTS
from edgepress.runtime import Contract, Picture, Task, load
from edgepress.runtime.bundle.embedded import Embedded


@pytest.fixture(scope="module")
def squeezing():
    """Squeeze and excitation: the converter computes the shape of the middle."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    x = inputs = tf_keras.Input((8, 8, 1), name="picture")
    x = layers.Conv2D(4, 3, activation="relu")(x)
    weights = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply()([x, layers.Reshape((1, 1, 4))(weights)])
    return tf_keras.Model(inputs, layers.Dense(3, name="kind")(layers.Flatten()(layers.UpSampling2D()(x))))


@pytest.mark.parametrize("key", ["tflite:float32", "onnx:float32"])
def test_the_file_holds_the_shape_and_answers_as_keras(squeezing, key, tmp_path):
    pictures = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    samples = Samples({"picture": pictures}, None)
    source = Source("squeezing", None, "", squeezing, None)
    converter = Converter(source, samples, samples, Embedded(Contract({"picture": Picture(8, 8)}), Task("raw", "raw")))
    path = converter.write(VARIANTS[key], tmp_path)
    assert not {"SHAPE", "STRIDED_SLICE", "PACK"} & set(describe(path).operators)
    with load(path) as model:
        np.testing.assert_allclose(model.run(pictures), squeezing.predict(pictures, verbose=0), atol=1e-5)
