"""What a SavedModel's graph may do: every operator in it, and in the functions that it reaches, is on the list."""

import numpy as np
import pytest
import tensorflow as tf

from edgepress.runtime import InputError
from edgepress.train.keras_file.operators import ALLOWED
from edgepress.train.keras_file.saved_graph import require_harmless


def table():
    keys = tf.lookup.KeyValueTensorInitializer([1, 2], [3.0, 4.0])
    return tf.lookup.StaticHashTable(keys, 0.0)


def graph(function):
    return tf.function(function).get_concrete_function(tf.TensorSpec((None, 3), tf.float32)).graph.as_graph_def()


def looped(x, body):
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.ensure_shape(body(y), x.shape)), (0, x))[1]


REFUSED = {
    "ReadFile": lambda x: x + tf.cast(tf.strings.length(tf.io.read_file("name")), tf.float32),
    "WriteFile": lambda x: (tf.io.write_file("name", "text"), x)[1],
    "EagerPyFunc": lambda x: tf.py_function(lambda y: y, [x], tf.float32),
    "PyFunc": lambda x: tf.numpy_function(np.negative, [x], tf.float32),
    "RandomStandardNormal": lambda x: x + tf.random.normal((3,)),
    "StatelessRandomUniformV2": lambda x: x + tf.random.stateless_uniform((3,), (1, 2)),
    "PrintV2": lambda x: (tf.print("text"), x)[1],
    "HashTableV2": lambda x: table().lookup(tf.cast(x, tf.int32)),
    "Timestamp": lambda x: x + tf.cast(tf.timestamp(), tf.float32),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_reads_writes_or_draws_is_named(name):
    with pytest.raises(InputError, match="has the operator"):
        require_harmless(graph(REFUSED[name]), ALLOWED)
    assert name not in ALLOWED


@pytest.mark.parametrize("name", ["ReadFile", "EagerPyFunc", "RandomStandardNormal"])
def test_it_is_found_inside_of_loops_branches_and_calls(name):
    inner = REFUSED[name]
    for outer in (
        lambda x: looped(x, inner),
        lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: inner(x), lambda: x),
        lambda x: tf.switch_case(tf.cast(x[0, 0], tf.int32), [lambda: x, lambda: inner(x)]),
        tf.function(tf.function(inner)),
    ):
        with pytest.raises(InputError, match="has the operator"):
            require_harmless(graph(outer), ALLOWED)


def test_maths_is_allowed():
    def maths(x):
        x = looped(tf.nn.softmax(x), lambda y: tf.tanh(y) @ tf.ones((3, 3)))
        return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.signal.rfft(x), lambda: tf.complex(x, x)[:, :2])

    require_harmless(graph(maths), ALLOWED)
