"""Keras models of other kinds, in every file format, export to int8 within the stated bounds."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner

from edgepress.cli import main
from edgepress.data import dataset_of_arrays
from edgepress.export import VARIANTS, export
from edgepress.export.fidelity.judge import sqnr_db
from edgepress.export.fidelity.measure import to_real
from edgepress.runtime import load
from edgepress.runtime.conformance.golden import Vectors

VARIANT_NAMES = ["float32", "int8"]


@pytest.fixture(scope="module")
def pictures():
    """16 x 16 grey images of four textures."""
    random = np.random.default_rng(2)

    def images(count):
        labels = random.integers(0, 4, count)
        rows, columns = np.mgrid[0:16, 0:16]
        waves = np.stack([np.sin(rows), np.sin(columns), np.sin(rows + columns), np.sin(rows * columns / 4)])
        pixels = 127 + 60 * waves[labels] + random.normal(0, 15, (count, 16, 16))
        return np.clip(pixels, 0, 255).astype(np.uint8), labels

    return dataset_of_arrays("textures", images(1200), images(100), names=("a", "b", "c", "d"))


def fit(model, inputs, targets, loss, keras, epochs=8):
    model.compile(keras.optimizers.Adam(0.003), loss)
    model.fit(inputs, targets, epochs=epochs, batch_size=64, verbose=0)
    return model


def crossentropy(keras, from_logits=False):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)


def resnet(keras):
    layers = keras.layers
    x = inputs = keras.Input((16, 16, 1))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    for filters, stride in ((8, 1), (16, 2)):
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(y))
        y = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        if stride > 1:
            x = layers.Conv2D(filters, 1, strides=stride)(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def separable(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(6.0),
            layers.Conv2D(16, 1, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(4),
        ]
    )


def check(result, out, count):
    assert result.withheld == ()
    assert len(result.manifest.artifacts) == count
    for artifact in result.manifest.artifacts:
        assert (out / artifact.file).is_file()
        if artifact.variant == "int8":
            assert artifact.weights == {"int8": pytest.approx(1.0)}


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("build", "suffix", "library"),
    [
        (resnet, ".h5", "tf_keras"),
        (resnet, ".keras", "keras"),
        (separable, ".keras", "tf_keras"),
        (separable, "", "tf_keras"),  # A SavedModel folder.
        (separable, ".keras", "keras"),
    ],
)
def test_convolutional_classifiers(build, suffix, library, pictures, tmp_path):
    keras = pytest.importorskip(library)
    keras.utils.set_random_seed(0)
    model = build(keras)
    inputs = pictures.x_train[..., None] / np.float32(255)
    loss = crossentropy(keras, from_logits=build is separable)
    path = tmp_path / f"model{suffix}"
    fit(model, inputs, pictures.y_train, loss, keras).save(path)
    result = export({"model": path}, pictures, tmp_path / "out", variants=VARIANT_NAMES)
    check(result, tmp_path / "out", 4)
    assert result.manifest.output == ("logits" if build is separable else "probabilities")
    # Asked again, of images that export never saw: what it published answers as Keras itself does.
    expected = model.predict(pictures.x_test[..., None] / np.float32(255), verbose=0).argmax(1)
    for artifact in result.manifest.artifacts:
        assert artifact.metrics["accuracy"] > 0.9
        with load(tmp_path / "out" / artifact.file) as loaded:
            answered = loaded.predict(pictures.x_test).indices
        allowed = VARIANTS[f"{artifact.format}:{artifact.variant}"].answers_may_differ(len(expected))
        assert (answered != expected).sum() <= allowed, artifact.file


def test_an_autoencoder_with_batch_normalization(pictures, tmp_path):
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    widths = (64, 16, 64)
    x = inputs = keras.Input((256,))
    for width in widths:
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(layers.Dense(width)(x)))
    model = keras.Model(inputs, layers.Dense(256, activation="sigmoid")(x))
    rows = pictures.x_train.reshape(-1, 256) / np.float32(255)
    path = tmp_path / "autoencoder.keras"
    fit(model, rows, rows, "mse", keras).save(path)
    out = tmp_path / "out"
    result = export({"autoencoder": path}, pictures, out, variants=VARIANT_NAMES, task="raw", input="pixels/255")
    check(result, tmp_path / "out", 4)
    assert result.manifest.task.kind == "raw"
    fresh = pictures.x_test.reshape(-1, 256) / np.float32(255)
    expected = model.predict(fresh, verbose=0)
    for artifact in result.manifest.artifacts:
        (given,), (taken,) = artifact.outputs, artifact.inputs
        with load(tmp_path / "out" / artifact.file) as loaded:
            answered = loaded.run(taken.quantization.quantize(fresh) if taken.quantization else fresh)
        bound = VARIANTS[f"{artifact.format}:{artifact.variant}"].min_sqnr_db
        assert sqnr_db(expected, to_real(given, answered)) > bound, artifact.file
    assert result.matrix.ok
    assert result.manifest.selftest
    assert {cell.agreement for cell in result.matrix.cells} == {None}


def test_a_keras_3_model_with_several_inputs_and_outputs(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    picture, facts = keras.Input((8, 8, 1), name="picture"), keras.Input((5,), name="facts")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(picture))
    joined = layers.Concatenate()([x, layers.Dense(6, activation="relu")(facts)])
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    size = layers.Dense(1, name="size")(joined)
    model = keras.Model([picture, facts], [kind, size])
    random = np.random.default_rng(3)
    inputs = {
        "picture": random.random((400, 8, 8, 1), np.float32),
        "facts": random.normal(size=(400, 5)).astype(np.float32),
    }
    path = tmp_path / "several.keras"
    model.save(path)
    variants = [*VARIANT_NAMES, "onnx:dynamic-int8"]
    result = export({"several": path}, inputs, tmp_path / "out", variants=variants)
    check(result, tmp_path / "out", 5)
    for artifact in result.manifest.artifacts:
        assert {spec.name for spec in artifact.inputs} == {"picture", "facts"}
        assert {spec.name for spec in artifact.outputs} == {"kind", "size"}
        setting = "litert+delegate" if artifact.format == "tflite" else "onnxruntime"
        assert {f"{setting}/kind", f"{setting}/size"} <= set(artifact.tolerance)
    assert result.matrix.ok
    assert {(c.backend, c.delegate) for c in result.matrix.cells if c.status == "pass"} >= {
        ("litert", False),
        ("litert", True),
        ("onnxruntime", False),
    }
    vectors = Vectors.read(tmp_path / "out/selftest.npz")
    assert vectors.images is None
    assert {name: array.shape for name, array in vectors.inputs.items()} == {"picture": (64, 8, 8, 1), "facts": (64, 5)}

    selftest = ["selftest", str(tmp_path / "out"), "--backend", "litert", "--backend", "onnxruntime"]
    done = CliRunner().invoke(main, selftest)
    assert done.exit_code == 0, done.stderr
    file = "several-int8.tflite"
    wrong = vectors.outputs[file]["size"].copy()
    wrong[7] = -wrong[7] - 1  # The integer's bits turned over.
    planted = dict(vectors.outputs[file], size=wrong)
    dataclasses.replace(vectors, outputs={**vectors.outputs, file: planted}).write(tmp_path / "out/selftest.npz")
    done = CliRunner().invoke(main, selftest)
    assert done.exit_code == 1
    assert "do not use several-int8.tflite (litert: size is off by" in done.stderr
    assert done.stderr.count("several-") == 1
