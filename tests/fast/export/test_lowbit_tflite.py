"""The smallest file computes what its layers say, on LiteRT, packed and unpacked."""

from itertools import pairwise

import numpy as np
import pytest

from edgepress.benchmarks.studies.frontier.lowbit import LowBitWeights
from edgepress.benchmarks.studies.frontier.lowbit_tflite import pack_integers, write_lowbit_tflite
from edgepress.export.companions.packed import pack
from edgepress.runtime import InputError, load
from edgepress.runtime.formats.tflite_file import read_tflite

ESSENTIALS = (
    '{"labels":["a","b","c"],"output":"logits","preprocessing":{"height":28,"width":28},"unknown_threshold":null}'
)


def layers(inputs: int, limit: int) -> list[LowBitWeights]:
    rng = np.random.default_rng(0)
    sizes = [inputs, 24, 3]
    return [
        LowBitWeights(
            rng.integers(-limit, limit + 1, (b, a)).astype(np.int8), 0.1, rng.integers(-4, 5, b).astype(np.float32)
        )
        for a, b in pairwise(sizes)
    ]


def logits(stack, x):
    for number, layer in enumerate(stack):
        x = x @ (layer.integers.T * np.float32(layer.scale)) + layer.bias
        x = np.maximum(x, 0) if number < len(stack) - 1 else x
    return x


@pytest.mark.parametrize(("bits", "limit"), [(2, 1), (4, 7), (8, 127)])
def test_litert_computes_the_layers(tmp_path, bits, limit):
    stack = layers(784, limit)
    path = tmp_path / "model.tflite.xz"
    content = write_lowbit_tflite(stack, bits, essentials=ESSENTIALS)
    path.write_bytes(pack(content))
    assert len(path.read_bytes()) < len(content)
    images = np.random.default_rng(1).integers(0, 256, (16, 28, 28)).astype(np.uint8)
    expected = logits(stack, images.reshape(16, -1) / np.float32(255))
    with load(path, backend="litert") as model:
        given = model.raw_outputs(images)
        assert set(model.predict(images).labels) <= {"a", "b", "c"}
    np.testing.assert_allclose(given, expected, atol=0.03 * np.abs(expected).max())


def test_pooled_input_is_averaged_inside_the_graph(tmp_path):
    stack = layers(196, 7)
    path = tmp_path / "pooled.tflite"
    path.write_bytes(write_lowbit_tflite(stack, 4, essentials=ESSENTIALS, pool=(28, 28, 2)))
    images = np.random.default_rng(1).integers(0, 256, (4, 28, 28)).astype(np.uint8)
    pooled = images.reshape(4, 14, 2, 14, 2).mean((2, 4)).reshape(4, -1) / 255
    expected = logits(stack, pooled.astype(np.float32))
    with load(path, backend="litert") as model:
        np.testing.assert_allclose(model.raw_outputs(images), expected, atol=0.03 * np.abs(expected).max())


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_packed_integers_read_back(bits):
    limit = (1 << (bits - 1)) - 1
    stack = layers(784, limit)
    file = read_tflite(write_lowbit_tflite(stack, bits, essentials=ESSENTIALS))
    stored = [tensor.values() for _, tensor in file.constants() if tensor.dtype == f"int{bits}"]
    for values, layer in zip(stored, stack, strict=True):
        np.testing.assert_array_equal(values, layer.integers)


def test_integers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="int2 holds -2 to 1"):
        pack_integers(np.array([2], np.int8), 2)
