"""Probabilities that leave through a layer which is no softmax are not squashed again."""

import numpy as np

from edgepress.data import dataset_of_arrays
from edgepress.export import export
from edgepress.runtime import load


def test_an_average_of_two_classifiers_gives_its_own_probabilities(tmp_path):
    """Taken for logits, a probability of 0.79 came out as 0.20."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers, rng = tf_keras.layers, np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    inputs = layers.Input((6,))
    branches = [layers.Dense(3, activation="softmax")(layers.Dense(16, activation="relu")(inputs)) for _ in range(2)]
    model = tf_keras.Model(inputs, layers.Dropout(0.1)(layers.Average()(branches)))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=20, verbose=0)
    model.save(tmp_path / "average.keras")
    export(
        {"average": tmp_path / "average.keras"},
        dataset_of_arrays("rows", (x, y)),
        tmp_path / "out",
        variants=["tflite:float32"],
    )
    with load(tmp_path / "out", "float32") as small:
        assert small.task.meaning == "probabilities"
        np.testing.assert_allclose(small.predict(x).probabilities, model.predict(x, verbose=0), atol=1e-5)
