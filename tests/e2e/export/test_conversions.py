"""One process converts all models of an export, each with its own graph and examples."""

import dataclasses

import numpy as np
import pytest
import tf_keras

from edgepress.export.samples import Samples
from edgepress.export.source import open_source
from edgepress.export.tflite import convert
from edgepress.export.tflite.convert import Conversions, convert_all, converting
from edgepress.export.tflite.settings import FULL_INT8, Settings
from edgepress.runtime.formats.tflite_file import read_tflite
from edgepress.train import on_one_scale
from edgepress.train.compress.engine.ranges import Ranges


def test_several_models_share_a_process_and_get_the_files_that_each_gets_alone(tmp_path, monkeypatch):
    tf_keras.utils.set_random_seed(0)
    rows = np.random.default_rng(0).random((20, 3), np.float32)
    wanted = [Settings(), FULL_INT8]
    models = []
    for name, size in (("small", 1), ("large", 100)):
        layers = [tf_keras.Input((3,), name="row"), tf_keras.layers.Dense(4, name=f"{name}-dense")]
        tf_keras.Sequential(layers, name=name).save(tmp_path / f"{name}.keras")
        source = open_source(name, tmp_path / f"{name}.keras")
        models.append((source, Samples({"row": rows * size}, None)))
    started = []
    start = convert.start_converter
    monkeypatch.setattr(convert, "start_converter", lambda: started.append(1) or start())
    together = [Conversions(*model, wanted) for model in models]
    convert_all(together)
    files = [[each.content(settings) for settings in wanted] for each in together]
    assert len(started) == 1
    alone = Conversions(*models[1], wanted)
    with converting([alone]):
        # What comes last is asked for first; the process goes on beside.
        backwards = [alone.content(settings) for settings in reversed(wanted)]
    assert backwards[::-1] == files[1]
    assert files[0][1] != files[1][1]


@pytest.mark.parametrize("learned", [False, True], ids=["measured", "learned"])
def test_weights_that_share_values_are_as_few_integers_in_the_file(learned, tmp_path):
    """One scale a kernel: with one for each channel eight values become dozens of integers."""
    rng = np.random.default_rng(0)
    layers = [tf_keras.layers.Conv1D(6, 3, activation="relu"), tf_keras.layers.Flatten(), tf_keras.layers.Dense(5)]
    model = tf_keras.Sequential([tf_keras.Input((8, 3), name="steps"), *layers])
    values = np.float32([0, 17, -31, 45, -60, 77, 101, -127]) * np.float32(0.003)
    # Each channel has a largest value of its own.
    weights = [
        values[rng.integers(0, np.linspace(4, 8, each.shape[-1]).astype(int), each.shape)] if each.ndim > 1 else each
        for each in model.get_weights()
    ]
    model.set_weights(weights)
    model.save(tmp_path / "model.keras")
    source = open_source("model", tmp_path / "model.keras")
    assert on_one_scale(source.model).all
    rows = rng.normal(0, 1, (40, 8, 3)).astype(np.float32)
    if learned:
        source = dataclasses.replace(source, ranges=Ranges(source.model, [rows]).found)
    content = Conversions(source, Samples({"steps": rows}, None), [FULL_INT8]).content(FULL_INT8)
    kernels = [t for _, t in read_tflite(content).constants() if t.dtype == "int8" and len(t.scales)]
    kept = sorted(np.unique(weights[place] / np.float32(0.003)).round().astype(int).tolist() for place in (0, 2))
    assert sorted(sorted(set(each.values().ravel().tolist())) for each in kernels) == kept
    model.layers[0].kernel.assign_add(rng.normal(0, 0.1, model.layers[0].kernel.shape))
    assert on_one_scale(model) == (True, True, False)
