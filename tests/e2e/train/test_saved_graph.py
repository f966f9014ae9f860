"""SavedModels that hold a graph and no layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from edgepress.cli import main
from edgepress.export import export
from edgepress.runtime import InputError, load
from edgepress.train import TrainConfig, open_keras
from edgepress.train.engines import engine_of
from edgepress.train.meaning import last_activations

ROWS = np.random.default_rng(0).normal(0, 1, (80, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Two inputs and two outputs with names of their own, and what Keras gives."""
    keras.utils.set_random_seed(0)
    given = {"left": ROWS, "right": ROWS[:, :3]}
    inputs = {name: keras.Input(values.shape[1:], name=name) for name, values in given.items()}
    both = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()(list(inputs.values())))
    outputs = {"kind": keras.layers.Dense(3, activation="softmax")(both), "size": keras.layers.Dense(2)(both)}
    model = keras.Model(inputs, outputs)
    path = tmp_path_factory.mktemp("graph") / "saved"
    model.export(path, verbose=False)
    return path, given, {name: np.asarray(values) for name, values in model(given).items()}


def test_it_keeps_names_and_answers_and_cannot_be_pressed(exported):
    path, given, wanted = exported
    opened = open_keras(path)
    assert (opened.model.input_names, opened.model.output_names) == (["left", "right"], ["kind", "size"])
    assert last_activations(opened.model) == ("softmax", "linear")
    for found, name in zip(opened.model.predict(list(given.values()), verbose=0), ("kind", "size"), strict=True):
        np.testing.assert_allclose(found, wanted[name], atol=1e-6)
    assert opened.foreign == "it holds a graph without layers"
    with pytest.raises(
        InputError, match=r"cannot be pressed \(.*it holds a graph without layers; own: it has no layer"
    ):
        engine_of(opened.model, TrainConfig(), opened.foreign)


def test_it_is_exported_and_judged_by_its_own_answers(exported, tmp_path):
    path, given, wanted = exported
    names = ["tflite:float32", "tflite:int8", "onnx:float32"]
    result = export({"graph": path}, given, tmp_path / "out", variants=names)
    assert result.withheld == ()
    for file in ("graph-float32.tflite", "graph-float32.onnx"):
        with load(tmp_path / "out" / file) as loaded:
            found = loaded.predict(given).outputs
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_a_batch_of_one_takes_its_examples_one_by_one(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(1, 4)), keras.layers.Dense(2)])
    model.export(tmp_path / "one", verbose=False)
    opened = open_keras(tmp_path / "one").model
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(opened.predict(ROWS[:5], verbose=0), ROWS[:5] @ kernel + bias, atol=1e-5)


def test_a_graph_that_reads_a_file_is_refused_before_it_runs(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("7")

    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="row")])
        def call(self, row):
            return {"sum": row + tf.strings.to_number(tf.io.read_file(str(secret)))}

    reader = Reader()
    tf.saved_model.save(reader, tmp_path / "saved", signatures=reader.call)
    arguments = ["export", str(tmp_path / "saved"), "--data", "mnist", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "has the operator" in result.output
    assert not (tmp_path / "out").exists()
