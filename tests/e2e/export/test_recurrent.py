"""Models with loops: what can be made of them, and that a row's answer does not depend on the row before."""

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.export import export
from edgepress.export.errors import ConversionError
from edgepress.export.samples import Samples
from edgepress.export.source import open_source
from edgepress.export.tflite.convert import Conversions
from edgepress.export.tflite.settings import FULL_INT8, Settings
from edgepress.runtime import load

STEPS, COLUMNS = 6, 3


@pytest.fixture(scope="module", params=["LSTM", "GRU"])
def saved(request, tmp_path_factory):
    keras.utils.set_random_seed(0)
    layer = getattr(keras.layers, request.param)
    model = keras.Sequential([keras.Input((STEPS, COLUMNS), name="steps"), layer(4), keras.layers.Dense(2)])
    path = tmp_path_factory.mktemp("recurrent") / "model.keras"
    model.save(path)
    return model, path


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(0, 1, (200, STEPS, COLUMNS)).astype(np.float32)


def test_float_and_integer_files_are_made_and_keep_no_state(saved, rows, tmp_path):
    model, path = saved
    names = ["tflite:float32", "tflite:int8", "onnx:float32", "onnx:int8"]
    result = export({"steps": path}, {"steps": rows}, tmp_path / "out", variants=names)
    assert result.withheld == ()
    wanted = np.asarray(model(rows[:20]))
    for artifact in result.manifest.artifacts:
        with load(tmp_path / "out" / artifact.file) as loaded:
            (forwards,) = loaded.predict({"steps": rows[:20]}).outputs.values()
            (backwards,) = loaded.predict({"steps": rows[:20][::-1]}).outputs.values()
        np.testing.assert_array_equal(forwards, backwards[::-1])
        np.testing.assert_allclose(forwards, wanted, atol=0.1 if artifact.variant == "int8" else 1e-5)


@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_films_and_layers_that_take_each_step_have_integer_files(library, rows, tmp_path):
    library.utils.set_random_seed(0)
    layers, films = library.layers, rows.reshape(-1, 4, 3, 3, 1)[:90]
    start = library.Input((4, 3, 3, 1), name="film")
    each = layers.TimeDistributed(layers.Dense(3))(layers.Reshape((4, 9))(start))
    model = library.Model(
        start, layers.Concatenate()([layers.Flatten()(each), layers.Flatten()(layers.ConvLSTM2D(2, 2)(start))])
    )
    model.save(tmp_path / "film.keras")
    conversions = Conversions(open_source("film", tmp_path / "film.keras"), Samples({"film": films}, None), [FULL_INT8])
    (tmp_path / "film.tflite").write_bytes(conversions.content(FULL_INT8))
    with load(tmp_path / "film.tflite") as loaded:
        (taken,), (given,) = loaded.artifact.inputs, loaded.artifact.outputs
        answered = given.quantization.dequantize(loaded.run(taken.quantization.quantize(films)))
    wanted = np.asarray(model(films))
    assert np.std(answered - wanted, axis=0).max() < 0.1 * np.std(wanted)


def test_weights_that_several_operators_take_load_where_onnx_runtime_makes_them_unsigned(rows, tmp_path):
    keras.utils.set_random_seed(0)
    first, second = keras.Input((COLUMNS,), name="first"), keras.Input((COLUMNS,), name="second")
    shared = keras.layers.Dense(4, activation="relu")
    twin = keras.Model([first, second], keras.layers.Dense(2)(keras.layers.Add()([shared(first), shared(second)])))
    twin.save(tmp_path / "twin.keras")
    given = {"first": np.tanh(rows[:, 0]), "second": np.tanh(rows[:, 1])}
    assert export({"twin": tmp_path / "twin.keras"}, given, tmp_path / "out", variants=["onnx:int8"]).withheld == ()


def test_sequences_of_any_length_cannot_be_unrolled_and_the_others_are_made(rows, tmp_path):
    start = keras.Input((None, COLUMNS), name="steps")
    keras.Model(start, keras.layers.Bidirectional(keras.layers.LSTM(3))(start)).save(tmp_path / "free.keras")
    wanted = ["tflite:float32", "tflite:int8"]
    result = export({"free": tmp_path / "free.keras"}, {"steps": rows[:60]}, tmp_path / "out", variants=wanted)
    assert [artifact.variant for artifact in result.manifest.artifacts] == ["float32"]
    assert "cannot be unrolled" in result.withheld[0].reason


def test_a_converter_that_dies_takes_one_file_with_it(saved, rows, monkeypatch):
    """TensorFlow's converter is killed where it must quantize a loop."""
    monkeypatch.setattr(Conversions, "_graph_for", lambda self, settings: "plain")
    wanted = [FULL_INT8, Settings()]
    conversions = Conversions(open_source("steps", saved[1]), Samples({"steps": rows[:5]}, None), wanted)
    with pytest.raises(ConversionError, match="the converter was lost: killed by SIG"):
        conversions.content(FULL_INT8)
    assert len(conversions.content(Settings())) > 1000
