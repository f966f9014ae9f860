"""What opens computes what Keras computes."""

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.runtime import InputError
from edgepress.train import open_keras, unrolled
from edgepress.train.meaning import last_activations


def recurrent(K, layer):
    return K.Sequential([K.Input((6, 4)), layer(K.layers), K.layers.Dense(3, "softmax")])


def attending(K):
    start = K.Input((5, 8))
    found = K.layers.MultiHeadAttention(2, 4)(start, start)
    return K.Model(
        start, K.layers.Dense(2)(K.layers.Flatten()(K.layers.LayerNormalization()(K.layers.Add()([start, found]))))
    )


KINDS = {
    "LSTM": lambda K: recurrent(K, lambda layers: layers.LSTM(5)),
    "GRU": lambda K: recurrent(K, lambda layers: layers.GRU(5)),
    "both ways": lambda K: recurrent(K, lambda layers: layers.Bidirectional(layers.LSTM(5))),
    "masked": lambda K: K.Sequential([K.Input((6, 4)), K.layers.Masking(0.0), K.layers.GRU(3), K.layers.Dense(2)]),
    "each step": lambda K: recurrent(K, lambda layers: layers.TimeDistributed(layers.Dense(2))),
    "attention": attending,
    "numbers of words": lambda K: K.Sequential(
        [K.Input((6,), dtype="int32"), K.layers.Embedding(9, 4), K.layers.GlobalAveragePooling1D(), K.layers.Dense(1)]
    ),
    "films": lambda K: K.Sequential(
        [
            K.Input((4, 6, 6, 1)),
            K.layers.ConvLSTM2D(2, 3, return_sequences=True),
            K.layers.ConvLSTM2D(2, 3, go_backwards=True),
        ]
    ),
    "volumes": lambda K: K.Sequential([K.Input((4, 6, 6, 1)), K.layers.Conv3D(2, 2), K.layers.Flatten()]),
    "mish": lambda K: K.Sequential([K.Input((6,)), K.layers.Dense(4, "mish"), K.layers.Dense(2)]),
}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_it_computes_what_keras_computes(kind, library, suffix, tmp_path):
    library.utils.set_random_seed(0)
    model = KINDS[kind](library)
    rng = np.random.default_rng(0)
    for variable in model.trainable_weights:
        variable.assign(np.asarray(variable) + rng.normal(0, 0.1, variable.shape))
    (shape,) = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    rows = rng.integers(0, 9, (3, *shape)) if kind == "numbers of words" else rng.normal(0, 1, (3, *shape))
    rows = rows.astype(np.int32 if kind == "numbers of words" else np.float32)
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    opened = open_keras(path)
    np.testing.assert_allclose(opened.model(rows), np.asarray(model(rows)), atol=1e-5)
    assert opened.model.input_shape == (None, *shape)
    steps = unrolled(opened.model)
    if steps is not None:
        np.testing.assert_allclose(steps(rows), np.asarray(model(rows)), atol=1e-5)
    assert (steps is not None) == (kind in ("LSTM", "GRU", "both ways", "masked", "films"))


def test_a_model_called_as_a_whole_ends_in_its_own_activation(tmp_path):
    path = tmp_path / "model.keras"
    KINDS["both ways"](keras).save(path)
    assert last_activations(open_keras(path).model) == ("softmax",)


def test_what_cannot_be_taken_apart_says_so(tmp_path):
    path = tmp_path / "model.keras"
    KINDS["attention"](keras).save(path)
    with pytest.raises(InputError, match=r"cannot be given a new head \(.*MultiHeadAttention.*\)"):
        open_keras(path).require_rebuilt("given a new head")
