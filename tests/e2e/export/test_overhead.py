"""What a file holds besides its weights: at most 12 KB, on the model of the default preset."""

import numpy as np
import pytest

from edgepress.export.companions.ort_format import write_ort
from edgepress.export.convert import Converter
from edgepress.export.inspect.describe import describe
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.export.variants import VARIANTS
from edgepress.runtime import Contract, Picture, Task
from edgepress.runtime.bundle.embedded import Embedded

OVERHEAD = 12_000


@pytest.fixture(scope="module")
def default_files(tmp_path_factory):
    """Every variant of 784-128-64-10, by key."""
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    stack = [tf_keras.Input((784,), name="pixels")]
    stack += [tf_keras.layers.Dense(units, activation="relu", name=f"hidden{units}") for units in (128, 64)]
    model = tf_keras.Sequential([*stack, tf_keras.layers.Dense(10, name="logits")], name="mlp")
    pixels = np.random.default_rng(0).random((100, 784), np.float32)
    samples = Samples({"pixels": pixels}, model.predict(pixels, verbose=0).argmax(axis=1))
    embedded = Embedded(
        Contract({"pixels": Picture(28, 28)}),
        Task("multiclass", "logits", tuple("0123456789"), unknown_threshold=0.5),
    )
    converter = Converter(Source("default", None, "", model, None), samples, samples, embedded)
    folder = tmp_path_factory.mktemp("default")
    return {variant.key: converter.write(variant, folder) for variant in VARIANTS.values()}


@pytest.mark.parametrize("key", VARIANTS)
def test_a_file_is_its_weights_and_little_more(default_files, key):
    found = describe(default_files[key])
    assert sum(tensor.size for tensor in found.constants if tensor.is_weight) == 784 * 128 + 128 * 64 + 64 * 10
    assert 0 < found.bytes - found.weight_bytes <= OVERHEAD


@pytest.mark.parametrize("key", ["onnx:float32", "onnx:int8"])
def test_so_is_onnx_runtimes_mobile_format(default_files, key):
    weights = describe(default_files[key]).weight_bytes
    assert 0 < write_ort(default_files[key])[0].stat().st_size - weights <= OVERHEAD
