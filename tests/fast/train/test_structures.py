"""Keras 3 models whose config holds more than layers: outputs in a dictionary, parts of tensors."""

import keras
import numpy as np

from edgepress.train import open_keras


def test_outputs_in_a_dictionary(tmp_path):
    start = keras.Input((8,))
    # Their order by name is not the one in which they were made.
    made = {"late": keras.layers.Dense(2, name="late")(start), "early": keras.layers.Dense(3, name="early")(start)}
    model = keras.Model(start, made)
    model.save(tmp_path / "model.keras")
    opened = open_keras(tmp_path / "model.keras").model
    x = np.random.default_rng(0).random((2, 8), np.float32)
    wanted = model(x)
    for name, given in zip(opened.output_names, opened(x), strict=True):
        np.testing.assert_allclose(given, wanted[name], atol=1e-6)


def test_a_part_of_a_tensor(tmp_path):
    start = keras.Input((4, 8))
    model = keras.Model(start, keras.layers.Dense(2)(start[:, 1:3, ::2]))
    model.save(tmp_path / "model.keras")
    opened = open_keras(tmp_path / "model.keras").model
    x = np.random.default_rng(0).random((2, 4, 8), np.float32)
    np.testing.assert_allclose(opened(x), model(x), atol=1e-6)
