"""Which layers get 4 bits: the least damage per byte first, and no further than the bound."""

import dataclasses

import numpy as np
import pytest

from edgepress.export.convert import Converter
from edgepress.export.errors import ConversionError
from edgepress.export.inspect.describe import describe
from edgepress.export.samples import Samples
from edgepress.export.tflite.mixed import to_mixed
from edgepress.export.variants import VARIANTS
from edgepress.runtime import Task
from edgepress.runtime.formats.tflite_file import read_tflite

MIXED = VARIANTS["tflite:mixed"]
CLASSIFIER = Task("multiclass", "logits", ("nw", "ne", "sw", "se"))


@pytest.fixture
def unlabelled(samples):
    """Judged by the signal-to-noise ratio of its outputs."""
    return Samples(samples.inputs, None)


def kernels(content, folder):
    path = folder / "mixed.tflite"
    path.write_bytes(content)
    return {tensor.name: tensor.dtype for tensor in describe(path).constants if tensor.is_weight}


def to_within(files, samples, unlabelled, decibels):
    variant = dataclasses.replace(MIXED, min_sqnr_db=decibels)
    return to_mixed(files["tflite:float32"].read_bytes(), variant, CLASSIFIER, samples, unlabelled)


def test_layers_keep_eight_bits_where_the_bound_asks_for_it(files, samples, unlabelled, tmp_path):
    content, loose = to_within(files, samples, unlabelled, 3)
    assert set(kernels(content, tmp_path).values()) == {"int4"}
    most_sensitive = min(loose, key=lambda choice: choice.sqnr_db)
    content, choices = to_within(files, samples, unlabelled, most_sensitive.sqnr_db + 0.5)
    assert {choice.weights for choice in choices} == {"int4", "int8"}
    assert most_sensitive._replace(weights="int8") in choices
    assert kernels(content, tmp_path) == {f"{choice.layer}/kernel": choice.weights for choice in choices}
    assert sorted(choice.bytes_saved for choice in choices) == [32, 256, 1024]
    damage = [10 ** (-choice.sqnr_db / 10) / choice.bytes_saved for choice in choices]
    assert damage == sorted(damage)
    # Between 8 bits everywhere and 4 bits in the layer that minds them least.
    with pytest.raises(ConversionError, match="take int8"):
        to_within(files, samples, unlabelled, max(choice.sqnr_db for choice in choices) + 1)


def test_a_bound_that_int8_breaks_is_said(files, samples, unlabelled):
    with pytest.raises(ConversionError, match="8-bit weights alone break the bound: SQNR"):
        to_within(files, samples, unlabelled, 100)


def test_labels_decide_where_there_are_some(files, samples):
    """No answer changes, however low the ratio must be: accuracy is what counts."""
    _, choices = to_within(files, samples, samples, 100)
    assert {choice.weights for choice in choices} == {"int4"}


def test_a_unit_without_weights_gets_a_scale_that_runtimes_take(tiny, samples, embedded, tmp_path):
    """As pruning leaves some: the quantizer's own choice of such a scale may be no number."""
    import tf_keras

    model = tf_keras.models.clone_model(tiny.model)
    kernel, bias = tiny.model.layers[0].get_weights()
    kernel[:, 3] = 0
    model.set_weights([kernel, bias, *tiny.model.get_weights()[2:]])
    converter = Converter(dataclasses.replace(tiny, model=model), samples, samples, embedded)
    for key in ("tflite:mixed", "tflite:int4", "tflite:dynamic-int4"):
        content = converter.write(VARIANTS[key], tmp_path).read_bytes()
        for _, tensor in read_tflite(content).constants():
            assert np.isfinite(tensor.scales).all(), key
            assert (tensor.scales > 0).all(), key
