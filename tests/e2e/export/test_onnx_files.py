import numpy as np
import onnx
import pytest

from edgepress.export.convert import Converter
from edgepress.export.inspect.describe import describe
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.export.variants import VARIANTS
from edgepress.runtime import load

ONNX = [key for key in VARIANTS if key.startswith("onnx:")]


def answers(path, inputs):
    with load(path, delegate=False) as model:
        spec, out = model.artifact.inputs[0], model.artifact.outputs[0]
        given = model.run(spec.quantization.quantize(inputs) if spec.quantization else inputs)
        return out.quantization.dequantize(given) if out.quantization else given


def test_int8_answers_as_the_tflite_file_does(files, samples):
    inputs = samples.inputs["pixels"]
    ours, theirs = answers(files["onnx:int8"], inputs), answers(files["tflite:int8"], inputs)
    step = describe(files["tflite:int8"]).outputs[0].scale
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 0.999
    assert np.abs(ours - theirs).max() <= step * 1.01


@pytest.mark.parametrize(("key", "weights"), [("onnx:int8", "int8"), ("onnx:int8-percentile", "uint8")])
def test_int8_multiplies_integers_throughout(files, key, weights):
    """Signed weights are the quick form; with them x86 without VNNI needs an option that the runtime sets."""
    found = describe(files[key])
    assert found.weights == {weights: 1.0}
    assert found.float_steps == ()
    assert not [name for name in found.operators if name.startswith("QLinear")]


def test_ranges_that_leave_outliers_out_are_narrower(tiny, samples, embedded, tmp_path):
    pixels = np.resize(samples.inputs["pixels"], (2_000, 64))
    pixels[-1, 0] = 30 * pixels.max()
    converter = Converter(tiny, Samples({"pixels": pixels}, None), samples, embedded)
    whole, narrow = (
        _input_scale(converter.write(VARIANTS[f"onnx:{name}"], tmp_path)) for name in ("int8", "int8-percentile")
    )
    assert narrow < whole / 2


def _input_scale(path):
    graph = onnx.load(path).graph
    (quantize,) = (node for node in graph.node if node.input[0] == "pixels")
    return onnx.numpy_helper.to_array(next(i for i in graph.initializer if i.name == quantize.input[1]))


@pytest.mark.parametrize("key", ONNX)
def test_the_interface_is_float_and_named_as_in_keras(files, key):
    found = describe(files[key])
    assert [(s.name, s.shape, s.dtype) for s in found.inputs] == [("pixels", (-1, 64), "float32")]
    assert [(s.name, s.shape, s.dtype) for s in found.outputs] == [("logits", (-1, 4), "float32")]


@pytest.mark.parametrize("key", ONNX)
def test_a_lone_file_knows_its_labels(files, key, embedded, tmp_path):
    lone = tmp_path / "copied.onnx"
    lone.write_bytes(files[key].read_bytes())
    with load(lone) as model:
        assert model.labels == embedded.task.labels


@pytest.mark.parametrize("key", ONNX)
def test_converting_again_gives_the_same_bytes(files, key, tiny, samples, embedded, tmp_path):
    """tf2onnx counts its names up over the whole process; the file must not show it."""
    again = Converter(tiny, samples, samples, embedded).write(VARIANTS[key], tmp_path)
    assert again.read_bytes() == files[key].read_bytes()


def test_a_model_that_ends_in_softmax(samples, embedded, tmp_path):
    """Its int8 file dequantizes behind the softmax, which nothing reads; the names end in the output's."""
    import tf_keras

    hidden = tf_keras.layers.Dense(16, activation="relu")
    kind = tf_keras.layers.Dense(4, activation="softmax", name="kind")
    model = tf_keras.Sequential([tf_keras.Input((64,), name="pixels"), hidden, kind])
    source = Source("soft", None, "", model, None)
    path = Converter(source, samples, samples, embedded).write(VARIANTS["onnx:int8"], tmp_path)
    with load(path) as loaded:
        ours = loaded.run(samples.inputs["pixels"])
    assert describe(path).outputs[0].name == "kind"
    np.testing.assert_allclose(ours, model.predict(samples.inputs["pixels"], verbose=0), atol=0.05)
