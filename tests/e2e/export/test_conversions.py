"""One process converts all models of an export, each with its own graph and examples."""

import numpy as np
import tf_keras

from edgepress.export.samples import Samples
from edgepress.export.source import open_source
from edgepress.export.tflite import convert
from edgepress.export.tflite.convert import Conversions, convert_all, converting
from edgepress.export.tflite.settings import FULL_INT8, Settings


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
