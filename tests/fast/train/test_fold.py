"""Folding changes the layers and not the function."""

import numpy as np
import pytest

from edgepress.train.compress.fold import fold_batch_norm

tf_keras = pytest.importorskip("tf_keras")
layers = tf_keras.layers


def shaken(model):
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=w.shape)) * 0.4 + 0.1 for w in model.get_weights()])
    return model


def convolutions(**norm):
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3)(image)
    x = layers.ReLU()(layers.BatchNormalization(**norm)(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    x = layers.ReLU(max_value=6)(layers.BatchNormalization(**norm)(x))
    x = layers.Flatten()(x)
    return tf_keras.Model(image, layers.BatchNormalization(**norm)(layers.Dense(3, use_bias=False)(x)))


@pytest.mark.parametrize("norm", [{}, {"center": False}, {"scale": False, "epsilon": 0.1}])
def test_the_folded_model_is_equal(norm):
    model = shaken(convolutions(**norm))
    folded = fold_batch_norm(model)
    assert not [layer for layer in folded.layers if "Norm" in type(layer).__name__]
    # The plain ReLU became the convolution's activation; the one with a ceiling stays a layer.
    assert sum(type(layer).__name__ == "ReLU" for layer in folded.layers) == 1
    images = np.random.default_rng(1).random((5, 8, 8, 3), np.float32)
    np.testing.assert_allclose(folded(images), model(images, training=False), rtol=2e-5)


def test_a_normalisation_that_cannot_be_folded_stays():
    image = layers.Input((6,))
    hidden = layers.Dense(4)(image)
    both = layers.Concatenate()([layers.BatchNormalization()(hidden), hidden])
    activated = layers.BatchNormalization()(layers.Dense(4, activation="relu")(both))
    model = shaken(tf_keras.Model(image, activated))
    assert fold_batch_norm(model) is model
