"""Quantization-aware files in which only some layers have quantizers."""

import logging

import numpy as np
import pytest

from edgepress.export import export
from edgepress.export.source import open_source
from edgepress.train import open_keras


@pytest.fixture(scope="module")
def partly(tmp_path_factory):
    """Only the Dense layer of a small network is annotated, as TFMOT's guide shows it."""
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    plain = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="picture"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    annotate = tfmot.quantization.keras.quantize_annotate_layer
    model = tfmot.quantization.keras.quantize_apply(
        keras.models.clone_model(plain, clone_function=lambda x: annotate(x) if isinstance(x, layers.Dense) else x)
    )
    path = tmp_path_factory.mktemp("partly") / "partly.keras"
    model.save(path)
    return path


def test_it_opens_as_the_plain_model(partly):
    opened = open_keras(partly)
    assert opened.partly_quantized
    assert not opened.quantized
    assert {type(layer).__name__ for layer in opened.model.layers} == {"InputLayer", "Conv2D", "Flatten", "Dense"}


def test_it_is_quantized_after_training_and_says_so(partly, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "edgepress.export.source"):
        assert open_source("partly", partly).quantized is None
    assert "quantization-aware in some of its layers only" in caplog.text
    assert "after training" in caplog.text
    pictures = np.random.default_rng(0).random((120, 8, 8, 1), np.float32)
    result = export({"partly": partly}, {"picture": pictures}, tmp_path / "out", variants=["tflite:int8"])
    assert result.withheld == ()
    assert result.manifest.source["models"]["partly"]["partly_quantized"] == "quantized after training"
    assert result.manifest.artifacts[0].metrics["sqnr_db"] > 20
