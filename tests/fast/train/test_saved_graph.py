"""SavedModels that hold a graph and no layers, frozen in this process: what is taken, and what is not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from edgepress.runtime import InputError
from edgepress.train.keras_file.saved_graph import frozen_graph, holds_a_graph, model_of_graph
from edgepress.train.keras_file.unroll import has_loops
from edgepress.train.meaning import last_activations

ROWS = np.random.default_rng(0).normal(0, 1, (5, 4)).astype(np.float32)
KERASES = {"keras": keras, "tf_keras": tf_keras}


def opened(path, work):
    assert holds_a_graph(path)
    work.mkdir()
    return model_of_graph(*frozen_graph(path, work), path.name)


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_what_export_writes_keeps_names_and_answers(tmp_path, library):
    lib = KERASES[library]
    given = {"left": ROWS, "right": ROWS[:, :3]}
    inputs = {name: lib.Input(values.shape[1:], name=name) for name, values in given.items()}
    both = lib.layers.Concatenate()(list(inputs.values()))
    outputs = {
        "kind": lib.layers.Dense(3, activation="softmax", name="kind")(both),
        "size": lib.layers.Dense(2, name="size")(both),
    }
    model = lib.Model(inputs, outputs)
    model.export(str(tmp_path / "saved"), **({"verbose": False} if library == "keras" else {}))
    found = opened(tmp_path / "saved", tmp_path / "work")
    assert (found.input_names, found.output_names) == (["left", "right"], ["kind", "size"])
    assert last_activations(found) == ("softmax", "linear")
    for values, name in zip(found(list(given.values())), ("kind", "size"), strict=True):
        np.testing.assert_allclose(values, model(given)[name], atol=1e-6)


class Given(tf.Module):
    """A module whose signature is any function of rows."""

    def __init__(self, function, shape=(None, 4), dtype=tf.float32):
        super().__init__()
        self.kept = tf.Variable(1.0)
        self.call = tf.function(lambda row: {"row": function(self, row)}, [tf.TensorSpec(shape, dtype, name="row")])


def save(module, path):
    tf.saved_model.save(module, path, signatures=module.call)
    return path


def test_a_batch_of_one_takes_its_examples_one_by_one(tmp_path):
    module = Given(lambda m, row: tf.reshape(tf.nn.softmax(row), (1, 2, 2)), (1, 4))
    found = opened(save(module, tmp_path / "one"), tmp_path / "work")
    wanted = [module.call(row[None])["row"][0] for row in ROWS]
    np.testing.assert_allclose(found.predict(ROWS, verbose=0), wanted, atol=1e-6)
    assert has_loops(found)


def test_an_output_that_is_called_like_an_input_gets_a_name_of_its_own(tmp_path):
    found = opened(save(Given(lambda module, row: row * 2), tmp_path / "saved"), tmp_path / "work")
    assert (found.input_names, found.output_names) == (["row"], ["row_output"])
    np.testing.assert_allclose(found(ROWS), ROWS * 2)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: Given(lambda m, row: row + m.kept.assign_add(1.0)), "the operator AssignAddVariableOp"),
        (lambda: Given(lambda m, row: row + tf.random.normal((4,))), "the operator RandomStandardNormal"),
        (lambda: Given(lambda m, row: tf.reduce_sum(row)[None]), "not give one row an example"),
        (lambda: Given(lambda m, row: row, (3, 4)), "takes 3 examples a call"),
        (lambda: Given(lambda m, row: row, (None,), tf.string), "row is string: numbers"),
    ],
)
def test_what_is_not_taken_is_told_why(tmp_path, module, message):
    with pytest.raises(InputError, match=message):
        opened(save(module(), tmp_path / "saved"), tmp_path / "work")


def test_nothing_runs_when_a_model_with_a_table_or_a_file_is_loaded(tmp_path):
    module = Given(lambda m, row: row)
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1], [2.0]), 0.0)
    with pytest.raises(InputError, match="holds a table or another resource"):
        opened(save(module, tmp_path / "table"), tmp_path / "work1")
    (tmp_path / "words.txt").write_text("a")
    module = Given(lambda m, row: row)
    module.words = tf.saved_model.Asset(str(tmp_path / "words.txt"))
    with pytest.raises(InputError, match="holds a file"):
        opened(save(module, tmp_path / "asset"), tmp_path / "work2")


def test_damaged_files_are_refused(tmp_path):
    path = save(Given(lambda m, row: row), tmp_path / "saved")
    (path / "saved_model.pb").write_bytes(b"\x80" * 50)
    with pytest.raises(InputError, match="damaged"):
        opened(path, tmp_path / "work")
