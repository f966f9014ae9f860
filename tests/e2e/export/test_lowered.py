"""Layers that TensorFlow Lite has no kernel for, or quantizes wrongly: their files answer as Keras does."""

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.export.convert import Converter
from edgepress.export.question import answers_of
from edgepress.export.samples import Samples
from edgepress.export.source import open_source
from edgepress.export.tflite.convert import convert_all
from edgepress.export.variants import VARIANTS
from edgepress.quality import sqnr_db
from edgepress.runtime import load
from edgepress.runtime.batches import run_batches
from edgepress.runtime.bundle.embedded import Embedded
from edgepress.runtime.contract import Contract, Tensor
from edgepress.runtime.tasks import Task

BOUNDS = {"tflite:float32": 80, "tflite:int8": 18, "onnx:float32": 80, "onnx:int8": 18}


def volumes(library):
    layers = library.layers
    return [
        layers.MaxPooling3D(2, padding="same"), layers.AveragePooling3D(2, strides=1, padding="same"),
        layers.Flatten(), layers.Dense(3),
    ]  # fmt: skip


def counts(library):
    return [library.layers.CategoryEncoding(6, output_mode="count"), library.layers.Dense(2)]


def one_hot(library):
    return [library.layers.CategoryEncoding(6, output_mode="one_hot"), library.layers.Dense(2)]


def groups(library):
    layers = library.layers
    return [layers.GroupNormalization(2), layers.UpSampling2D(1), layers.Flatten(), layers.Dense(3)]


def repeated(library):
    layers = library.layers
    return [layers.UpSampling1D(2), layers.Activation("gelu"), layers.Flatten(), layers.Dense(3)]


KINDS = {
    "volumes": (volumes, (5, 7, 8, 2), "float32"),
    "counts": (counts, (5,), "int32"),
    "one_hot": (one_hot, (1,), "int32"),
    "groups": (groups, (4, 4, 4), "float32"),
    "repeated": (repeated, (20, 2), "float32"),
}
# Each with the Keras whose operators for it are missing in TensorFlow Lite.
MODELS = {keras: ("one_hot", "volumes", "repeated"), tf_keras: ("counts", "groups")}


@pytest.fixture(scope="module")
def converters(tmp_path_factory):
    """Name of a model to its converter, its examples and what it answers."""
    folder, made = tmp_path_factory.mktemp("lowered"), {}
    rng = np.random.default_rng(0)
    for library, names in MODELS.items():
        library.utils.set_random_seed(1)
        for name in names:
            build, shape, kind = KINDS[name]
            path = folder / f"{library.__name__}-{name}.keras"
            library.Sequential([library.Input(shape, dtype=kind, name="given"), *build(library)]).save(path)
            drawn = rng.integers(0, 6, (120, *shape)) if kind == "int32" else rng.uniform(-1, 1, (120, *shape))
            rows = Samples({"given": drawn.astype(kind)}, None)
            embedded = Embedded(Contract({"given": Tensor(shape, kind)}), Task("raw", "raw", ()))
            source = open_source(path.stem, path)
            chosen = [VARIANTS[key] for key in BOUNDS]
            made[path.stem] = Converter(source, rows, rows, embedded, chosen), rows, answers_of(source.model, rows)
    convert_all([converter.conversions for converter, _, _ in made.values()])
    return made


@pytest.mark.parametrize("key", BOUNDS)
@pytest.mark.parametrize("name", [f"{each.__name__}-{name}" for each, names in MODELS.items() for name in names])
def test_files_answer_as_keras_does(name, key, converters, tmp_path):
    converter, rows, reference = converters[name]
    with load(converter.write(VARIANTS[key], tmp_path), isolate=True) as model:
        (given,) = run_batches(model, rows.inputs).values()
        (spec,) = model.artifact.outputs
    real = spec.quantization.dequantize(given) if spec.quantization else given
    (wanted,) = reference.values()
    assert sqnr_db(wanted, real) > BOUNDS[key]
