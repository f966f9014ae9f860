"""A change of variables moves into a model's first layers, exactly."""

import numpy as np
import pytest

from edgepress.train import CannotFoldError, Change, fold_change, own_change

MEAN = np.array([101325.0, 0.5, -40.0])
STD = np.array([600.0, 0.01, 25.0])


@pytest.fixture(scope="module")
def layers():
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    return tf_keras.layers


def normalization(layers):
    norm = layers.Normalization(name="norm")
    norm.adapt(np.random.default_rng(1).normal(MEAN, STD, (500, 3)).astype(np.float32))
    return norm


def batch_norm(layers, **options):
    return layers.BatchNormalization(name="bn", **options)


def shaken(model):
    """Statistics and weights as training leaves them, far from where they start."""
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.moving_mean.assign(rng.normal(MEAN, STD).astype(np.float32))
            layer.moving_variance.assign(np.square(STD * rng.uniform(0.5, 2, 3)).astype(np.float32))
            if layer.gamma is not None:
                layer.gamma.assign(rng.normal(size=3).astype(np.float32))
        elif type(layer).__name__ in ("Dense", "Conv1D") and layer.use_bias:
            layer.bias.assign(rng.normal(size=layer.bias.shape).astype(np.float32))
    return model


ROWS = {
    "dense": lambda L: [L.Dense(5, activation="tanh")],
    "dense without bias": lambda L: [L.Dense(5, use_bias=False)],
    "batch norm": lambda L: [batch_norm(L), L.Dense(5)],
    "batch norm without gamma and beta": lambda L: [batch_norm(L, center=False, scale=False), L.Dense(5)],
    "normalization": lambda L: [normalization(L), L.Dense(5)],
    "rescaling": lambda L: [L.Rescaling(1 / 1000, offset=-2.0), L.Dense(5)],
    "dropout, then dense": lambda L: [L.Dropout(0.5), L.GaussianNoise(0.1), L.Dense(5)],
    "flatten, then dense": lambda L: [L.Flatten(), L.Dense(5)],
}
WINDOWS = {
    "conv": lambda L: [L.Conv1D(4, 3, activation="relu"), L.Flatten(), L.Dense(2)],
    "flatten": lambda L: [L.Flatten(), L.Dense(5)],
    "reshape": lambda L: [L.Reshape((24,)), L.Dense(5)],
    "pooling": lambda L: [L.MaxPooling1D(2), L.Conv1D(4, 2)],
    "average over time": lambda L: [L.GlobalAveragePooling1D(), L.Dense(5)],
    "batch norm": lambda L: [batch_norm(L), L.Conv1D(4, 3, padding="same")],
    "dense on each step": lambda L: [L.Dense(4), L.Flatten(), L.Dense(2)],
}


def same_function(model, z, change):
    folded = fold_change(model, {model.input_names[0]: change})
    wanted = model.predict((z * change.std + change.mean).astype(np.float32), verbose=0)
    given = folded.predict(z.astype(np.float32), verbose=0)
    # The original adds numbers of 100,000 in float32.
    np.testing.assert_allclose(given, wanted, rtol=2e-3, atol=2e-3 * np.abs(wanted).max())
    return folded


@pytest.mark.parametrize("stack", ROWS)
def test_rows(layers, stack):
    import tf_keras

    model = shaken(tf_keras.Sequential([layers.Input((3,), name="x"), *ROWS[stack](layers)]))
    same_function(model, np.random.default_rng(0).normal(size=(50, 3)), Change(MEAN, STD))


@pytest.mark.parametrize("stack", WINDOWS)
def test_windows(layers, stack):
    import tf_keras

    model = shaken(tf_keras.Sequential([layers.Input((8, 3), name="x"), *WINDOWS[stack](layers)]))
    same_function(model, np.random.default_rng(0).normal(size=(50, 8, 3)), Change(MEAN, STD))


def test_its_own_normalization_moves_into_the_contract_whole(layers):
    import tf_keras

    model = tf_keras.Sequential([layers.Input((3,), name="x"), normalization(layers), layers.Dense(2)])
    change = own_change(model, "x")
    folded = same_function(model, np.random.default_rng(0).normal(size=(50, 3)), change)
    assert [type(layer).__name__ for layer in folded.layers] == ["InputLayer", "Dense"]


def test_inputs_that_are_joined(layers):
    import tf_keras

    left, right = tf_keras.Input((3,), name="left"), tf_keras.Input((2,), name="right")
    outputs = layers.Dense(2)(layers.Concatenate()([left, right]))
    model = tf_keras.Model([left, right], [outputs, layers.Dense(1)(left)])
    folded = fold_change(model, {"left": Change(MEAN, STD)})
    rng = np.random.default_rng(0)
    z, other = rng.normal(size=(20, 3)), rng.normal(size=(20, 2)).astype(np.float32)
    wanted = model.predict([(z * STD + MEAN).astype(np.float32), other], verbose=0)
    given = folded.predict([z.astype(np.float32), other], verbose=0)
    for ours, theirs in zip(given, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "stack",
    [
        lambda L: [L.Conv1D(4, 3, padding="same")],
        lambda L: [L.Activation("relu"), L.Flatten(), L.Dense(2)],
        lambda L: [L.LayerNormalization(), L.Dense(2)],
        lambda L: [L.Reshape((3, 8)), L.Dense(2)],
        lambda L: [L.Flatten()],
    ],
)
def test_what_cannot_take_it_is_left_alone(layers, stack):
    import tf_keras

    model = tf_keras.Sequential([layers.Input((8, 3), name="x"), *stack(layers)])
    with pytest.raises(CannotFoldError):
        fold_change(model, {"x": Change(MEAN, STD)})
