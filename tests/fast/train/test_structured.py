"""Units leave, the function stays."""

import numpy as np
import pytest

from edgepress.benchmarks.studies.frontier.lowbit import LowBitWeights
from edgepress.benchmarks.studies.frontier.structured import drop_dead_units, keep_strongest_units
from edgepress.runtime import InputError
from edgepress.train import build_mlp


def forward(layers, x):
    for number, layer in enumerate(layers):
        x = x @ (layer.integers.T * np.float32(layer.scale)) + layer.bias
        x = np.maximum(x, 0) if number < len(layers) - 1 else x
    return x


@pytest.mark.parametrize("group", [1, 2])
def test_dead_units_leave_and_their_constants_stay(group):
    rng = np.random.default_rng(0)
    first = rng.integers(-1, 2, (6, 8)).astype(np.int8)
    second = rng.integers(-1, 2, (3, 6)).astype(np.int8)
    first[1] = 0  # gives the constant max(bias, 0)
    second[:, 4] = 0  # nobody reads it
    bias = np.array([0.5, 2.0, -1.0, 0.0, 3.0, 1.0], np.float32)
    layers = [LowBitWeights(first, 0.5, bias), LowBitWeights(second, 0.25, np.ones(3, np.float32))]
    dropped = drop_dead_units(layers, group=group)
    units = 4 if group == 1 else 6
    assert dropped[0].integers.shape == (units, 8)
    assert dropped[1].integers.shape == (3, units)
    density = np.count_nonzero(dropped[0].integers, axis=1).reshape(-1, group).sum(1)
    assert (np.diff(density) >= 0).all()
    x = rng.random((20, 8)).astype(np.float32)
    np.testing.assert_allclose(forward(dropped, x), forward(layers, x), rtol=1e-5, atol=1e-6)


def test_the_strongest_units_stay_in_their_order():
    model = build_mlp(4, 2, [5])
    hidden, logits = model.layers
    strength = np.array([1, 5, 0.1, 3, 2], np.float32)
    hidden.set_weights([np.ones((4, 5), np.float32) * strength, np.arange(5, dtype=np.float32)])
    logits.set_weights([np.stack([np.cos(np.arange(5)), np.sin(np.arange(5))], 1), np.zeros(2)])
    (kernel, bias), (reader, _) = keep_strongest_units(model, [3])
    assert bias.tolist() == [1, 3, 4]
    assert kernel.shape == (4, 3)
    np.testing.assert_array_equal(reader, logits.get_weights()[0][[1, 3, 4]])


def test_more_units_than_there_are_cannot_stay():
    with pytest.raises(InputError, match="keeps 9 units: 1 to 5"):
        keep_strongest_units(build_mlp(4, 2, [5]), [9])
