"""Pictures in a file, read a stretch at a time, come to the same weights as pictures in memory."""

import dataclasses

import numpy as np
import pytest
from fixtures.trained import blobs

from edgepress.data import Dataset, Part
from edgepress.data.gathered import store_rows
from edgepress.data.rows import Rows, in_pieces
from edgepress.train import TrainConfig, adopt_baseline, open_keras, press_model, train
from edgepress.train.fitting import epochs


def _in_a_file(dataset: Dataset) -> Dataset:
    def stored(part: Part) -> Part:
        pixels = store_rows(in_pieces(part.x, 50), part.x.shape[1:], np.uint8)
        return dataclasses.replace(part, inputs=dict.fromkeys(part.inputs, pixels))

    return dataclasses.replace(dataset, train=stored(dataset.train), test=stored(dataset.test))


@pytest.fixture(scope="module")
def colour() -> Dataset:
    return blobs(shape=(8, 8, 3))


def _weights(path) -> list[np.ndarray]:
    return open_keras(path).model.get_weights()


def test_the_weights_are_the_same(colour, tmp_path, monkeypatch):
    # A few steps in a piece, and several pieces in every part between which pruning chooses anew.
    monkeypatch.setattr(epochs, "PIECE_BYTES", 8 * 8 * 3 * 70)
    config = TrainConfig(
        widths=(16, 8), epochs=2, prune_epochs=1, clusters=8, cluster_epochs=2, quantize_epochs=0, batch_size=32,
        patience=10, shift=1, mirror=True, dropout=0.2,
    )  # fmt: skip
    stored = _in_a_file(colour)
    assert isinstance(stored.train.x, Rows)
    assert stored.sha256 == colour.sha256
    found = [
        train(dataset, config, tmp_path / way / "m.keras") for way, dataset in (("file", stored), ("memory", colour))
    ]
    for one, other in zip(*(_weights(result.path) for result in found), strict=True):
        np.testing.assert_array_equal(one, other)
    scores = [
        [epoch["validation_accuracy"] for epoch in fit["epochs"]] for r in found for fit in r.history.fits.values()
    ]
    assert scores[: len(scores) // 2] == scores[len(scores) // 2 :]


def test_a_model_of_ones_own_is_pressed_the_same(colour, tmp_path):
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    model.save(tmp_path / "own.keras")
    config = TrainConfig(prune_epochs=1, quantize_epochs=1, batch_size=32)
    found = []
    for way, dataset in (("file", _in_a_file(colour)), ("memory", colour)):
        start = adopt_baseline(
            dataset,
            config,
            tmp_path / "own.keras",
            tmp_path / way / "float.keras",
            task="multiclass",
            accept_chance=True,
        )
        found.append(_weights(press_model(dataset, start.path, config, tmp_path / way / "pressed.keras").path))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
