"""Channels leave: those whose weights are all zero change nothing, whatever they go through."""

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.runtime import InputError
from edgepress.train import compress
from edgepress.train.compress.structured.choice import leave
from edgepress.train.compress.structured.coupling import coupling_of
from edgepress.train.compress.structured.thin import least_share, thin, without


def mlp(k):
    L, start = k.layers, k.Input((6,))
    return k.Model(
        start, L.Dense(3)(L.Dropout(0.1)(L.Dense(8, activation="relu")(L.Dense(12, activation="elu")(start))))
    )


def norm(k, x, activation="relu"):
    return k.layers.Activation(activation)(k.layers.BatchNormalization()(x))


def sequential(k):
    L = k.layers
    stack = [L.Conv2D(8, 3, use_bias=False), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(), L.Flatten()]
    return k.Sequential([k.Input((8, 8, 2)), *stack, L.Dense(8, activation="relu"), L.Dense(3, activation="softmax")])


def resnet(k):
    L, start = k.layers, k.Input((8, 8, 3))
    x = norm(k, L.Conv2D(8, 3, padding="same")(start))
    y = norm(k, L.Conv2D(12, 3, strides=2, padding="same")(x))
    y = L.BatchNormalization()(L.Conv2D(12, 3, padding="same")(y))
    x = L.ReLU()(L.Add()([y, L.Conv2D(12, 1, strides=2)(x)]))
    y = norm(k, L.Conv2D(8, 3, padding="same")(x))
    x = L.ReLU()(L.Add()([L.Conv2D(12, 3, padding="same")(y), x]))
    return k.Model(start, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


def mobile(k):
    L, start = k.layers, k.Input((8, 8, 3))
    x = norm(k, L.Conv2D(8, 3, padding="same", use_bias=False)(start), "relu6" if k is keras else "relu")
    for _ in range(2):
        y = norm(k, L.Conv2D(16, 1, use_bias=False)(x))
        y = norm(k, L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(y))
        s = L.Reshape((1, 1, 32))(L.GlobalAveragePooling2D()(y))
        s = L.Conv2D(32, 1, activation="sigmoid")(L.Conv2D(8, 1, activation="relu")(s))
        y = L.BatchNormalization()(L.Conv2D(8, 1)(L.Multiply()([y, s])))
        x = L.Add()([x, y])
    return k.Model(start, L.Dense(4)(L.GlobalMaxPooling2D()(x)))


def dense_net(k):
    L, x = k.layers, k.Input((6, 6, 4))
    start = x
    for _ in range(3):
        y = L.Conv2D(8, 3, padding="same", activation="relu")(norm(k, x))
        x = L.Concatenate()([x, y])
    x = L.SeparableConv2D(8, 3, activation="relu")(x)
    x = L.Conv2DTranspose(8, 2, strides=2)(x)
    return k.Model(start, L.Conv2D(2, 8)(L.Conv2D(8, 1, groups=4)(x)))


def signal(k):
    L, start = k.layers, k.Input((20, 3))
    x = L.MaxPooling1D()(L.Conv1D(8, 3, activation="relu")(start))
    x = L.TimeDistributed(L.Dense(8, activation="relu"))(L.Conv1D(12, 3, dilation_rate=2, padding="causal")(x))
    x = L.Reshape((3, 24))(x)
    return k.Model(start, L.Dense(2)(L.Flatten()(L.Conv1D(8, 1)(x))))


def recurrent(k):
    L, start = k.layers, k.Input((7, 3))
    x = L.Bidirectional(L.GRU(8, return_sequences=True))(L.LSTM(8, return_sequences=True)(start))
    x = L.Concatenate()([L.SimpleRNN(4)(x), L.GRU(8, reset_after=False)(x), L.LSTM(8, use_bias=False)(x)])
    return k.Model(start, L.Dense(2)(x))


def several(k):
    L, picture, row = k.layers, k.Input((6, 6, 1)), k.Input((5,))
    shared = L.Dense(8, activation="relu")
    a = L.GlobalAveragePooling2D()(L.Conv2D(8, 3)(picture))
    b = L.Dense(8)(row)
    x = L.Concatenate()([shared(a), shared(b), L.PReLU()(b)])
    x = L.Dense(8)(x) + a
    return k.Model([picture, row], [L.Dense(2)(x), L.Dense(1)(a)])


def nested(k):
    L = k.layers
    inner = k.Sequential([k.Input((6,)), L.Dense(12, activation="relu"), L.Dense(8)])
    start = k.Input((6,))
    return k.Model(start, L.Dense(2)(L.Dense(12)(inner(L.Dense(6)(start)))))


MODELS = [mlp, sequential, resnet, mobile, dense_net, signal, recurrent, several, nested]


def trained(build, library, seed=0):
    library.utils.set_random_seed(seed)
    model, rng = build(library), np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.2, 0.9, w.shape) * rng.choice((-1, 1), w.shape) if "variance" not in v.name
                       else rng.uniform(0.5, 2, w.shape)
                       for v, w in zip(model.weights, model.get_weights(), strict=True)])  # fmt: skip
    return model, [rng.normal(size=(5, *each.shape[1:])).astype(np.float32) for each in model.inputs]


def answers(model, inputs):
    made = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(each) for each in (made if isinstance(made, list | tuple) else [made])]


def half(coupling):
    leaving = np.zeros(coupling.count, bool)
    for family in coupling.families():
        leaving[family[::2]] = len(family) > 1
    return leaving


@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_channels_of_zeros_leave_and_nothing_changes(build, library):
    model, inputs = trained(build, library)
    coupling = coupling_of(model)
    leaving = half(coupling)
    assert leaving.sum() >= 8
    for cut in coupling.cuts:
        if not cut.reads:
            value = cut.variable.numpy().copy()
            np.moveaxis(value, cut.axis, 0)[leaving[coupling.groups(cut.ids)]] = 0
            cut.variable.assign(value)
    found = without(model, coupling, leaving)
    assert found.model.count_params() < 0.75 * model.count_params()
    assert found.multiply_adds[1] < 0.75 * found.multiply_adds[0]
    for ours, theirs in zip(answers(found.model, inputs), answers(model, inputs), strict=True):
        assert theirs.std() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("library", [keras, tf_keras], ids=["keras", "tf_keras"])
def test_channels_that_do_nothing_leave_first(library):
    model, inputs = trained(resnet, library)
    coupling = coupling_of(model)
    leaving = np.zeros(coupling.count, bool)
    for family in coupling.families():
        # They leave by four.
        leaving[family[1:5]] = True
    for cut in coupling.cuts:
        if not cut.reads:
            value = cut.variable.numpy().copy()
            np.moveaxis(value, cut.axis, 0)[leaving[coupling.groups(cut.ids)]] = 0
            cut.variable.assign(value)
    before = model.get_weights()
    share = coupling.multiply_adds(leaving) / coupling.multiply_adds(np.zeros(coupling.count, bool))
    found = thin(model, inputs, share + 0.02)
    for ours, theirs in zip(answers(found.model, inputs), answers(model, inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    assert found.multiply_adds[1] <= (share + 0.02) * found.multiply_adds[0] <= 1.25 * found.multiply_adds[1]
    assert all(map(np.array_equal, before, model.get_weights())), "the model itself stays"
    assert found.channels
    assert all(kept < count for count, kept in found.channels.values())


def test_half_of_a_model_with_several_inputs_leaves_the_same_way_twice():
    model, inputs = trained(several, keras)
    first, again = (thin(model, inputs, 0.5, seed=3) for _ in range(2))
    assert first.multiply_adds[1] <= 0.5 * first.multiply_adds[0]
    assert all(map(np.array_equal, first.model.get_weights(), again.model.get_weights()))


def test_multiply_adds_are_counted():
    L = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 2)), L.Conv2D(4, 3, strides=2, padding="same"), L.DepthwiseConv2D(3),
                              L.Flatten(), L.Reshape((4, 4)), L.LSTM(5), L.Dense(3)])  # fmt: skip
    coupling = coupling_of(model)
    wanted = 16 * 9 * 2 * 4 + 4 * 9 * 4 + 4 * (4 + 5) * 20 + 15
    assert coupling.multiply_adds(np.zeros(coupling.count, bool)) == wanted


def test_what_cannot_be_followed_stays_and_is_named():
    L, start = keras.layers, keras.Input((6, 4))
    x = L.Dense(8)(start)
    x = L.LayerNormalization()(L.MultiHeadAttention(2, 4, name="attention")(x, x) + x)
    inner = L.Dense(16, activation="softmax", name="compared")(L.Dense(32, activation="gelu", name="wide")(x))
    model = keras.Model(start, L.Dense(2)(L.Flatten()(L.Dense(8)(inner) + x)))
    model.set_weights([np.random.default_rng(0).normal(size=w.shape) for w in model.get_weights()])
    inputs = [np.random.default_rng(0).normal(size=(8, 6, 4)).astype(np.float32)]
    found = thin(model, inputs, 0.7)
    assert found.whole["attention"] == "MultiHeadAttention"
    assert set(found.channels) == {"wide"}
    with pytest.raises(
        InputError, match=r"structured 0.1: .* at least 0\.\d+ stay; .*attention \(MultiHeadAttention\)"
    ):
        thin(model, inputs, 0.1)


def test_a_model_without_channels_that_may_leave_is_refused():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="line")
    assert least_share(model) == 1
    assert least_share(mlp(keras)) < 0.5
    with pytest.raises(InputError, match="line has no channels that may leave: press it without structured"):
        thin(model, [np.zeros((4, 4), np.float32)], 0.5)

    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(InputError, match=r"Own.* cannot be followed"):
        coupling_of(Own())


@pytest.mark.parametrize("size", [1, 3, 8, 17, 64])
def test_something_always_stays(size):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(size), keras.layers.Dense(2)])
    coupling = coupling_of(model)
    gone = leave(coupling, np.ones(coupling.count), np.zeros(coupling.count, bool), 0.0)
    left = size - gone.sum()
    assert max(1, size / 8) <= left <= max(4, size / 4)
    assert size < 16 or left % 4 == 0


def test_one_call_makes_a_model_smaller_and_trains_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 6)).astype(np.float32)
    y = (x[:, :3].sum(axis=1) > 0).astype(np.float32)
    model = mlp(keras)
    model = keras.Model(model.inputs, keras.layers.Dense(1, activation="sigmoid")(model.outputs[0]))
    model.compile("adam", "binary_crossentropy")
    small = compress(model, ({model.layers[0].name: x}, y), structured=0.5, sparsity=0.5, epochs=1)
    assert small.count_params() < 0.7 * model.count_params()
    assert (small.layers[1].kernel.numpy() == 0).mean() > 0.2
    for wrong in (0, 1.5, -1):
        with pytest.raises(InputError, match="structured"):
            compress(model, (x, y), structured=wrong)
