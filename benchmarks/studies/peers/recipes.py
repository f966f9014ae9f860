"""What a user writes for each peer, as its own documentation has it: one function each, whole in itself.

The lines inside a function are those that the table counts. A recipe reads what is `Given` and writes `out`.
"""
# mypy: ignore-errors

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .models import Given

__all__ = ["CALIBRATION", "PEERS", "Peer", "count_lines"]

CALIBRATION = 300
"""Examples that activations' ranges are measured on."""


def tensorflow_float32(given: Given, out: Path) -> None:
    """Convert, and nothing else."""
    import tensorflow as tf
    import tf_keras

    model = tf_keras.models.load_model(given.keras, compile=False)
    out.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def tensorflow_dynamic(given: Given, out: Path) -> None:
    """tensorflow.org: Post-training dynamic range quantization."""
    import tensorflow as tf
    import tf_keras

    model = tf_keras.models.load_model(given.keras, compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    out.write_bytes(converter.convert())


def tensorflow_int8(given: Given, out: Path) -> None:
    """tensorflow.org: Post-training integer quantization, integer only."""
    import tensorflow as tf
    import tf_keras

    def representative_dataset():
        for example in given.x[:CALIBRATION]:
            yield [example[None]]

    model = tf_keras.models.load_model(given.keras, compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative_dataset
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    out.write_bytes(converter.convert())


def tfmot_qat(given: Given, out: Path) -> None:
    """tensorflow.org: Quantization aware training in Keras example."""
    import tensorflow as tf
    import tensorflow_model_optimization as tfmot
    import tf_keras

    model = tf_keras.models.load_model(given.keras, compile=False)
    q_aware_model = tfmot.quantization.keras.quantize_model(model)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=given.gives_logits)
    q_aware_model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    q_aware_model.fit(given.x[:1000], given.y[:1000], batch_size=500, epochs=1, validation_split=0.1, verbose=0)
    converter = tf.lite.TFLiteConverter.from_keras_model(q_aware_model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    out.write_bytes(converter.convert())


def litert_static(given: Given, out: Path) -> None:
    """litert-quantizer: static_wi8_ai8."""
    import tensorflow as tf
    import tf_keras
    from litert_quantizer import quantizer, recipe

    model = tf_keras.models.load_model(given.keras, compile=False)
    float_file = out.with_name("float.tflite")
    float_file.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    qt = quantizer.Quantizer(str(float_file), recipe.static_wi8_ai8())
    signature, runner = next(iter(tf.lite.Interpreter(str(float_file)).get_signature_list().items()))
    examples = [{runner["inputs"][0]: example[None]} for example in given.x[:CALIBRATION]]
    qt.quantize(qt.calibrate({signature: examples})).export_model(str(out))


def litert_dynamic(given: Given, out: Path) -> None:
    """litert-quantizer: dynamic_wi8_afp32."""
    import tensorflow as tf
    import tf_keras
    from litert_quantizer import quantizer, recipe

    model = tf_keras.models.load_model(given.keras, compile=False)
    float_file = out.with_name("float.tflite")
    float_file.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    quantizer.Quantizer(str(float_file), recipe.dynamic_wi8_afp32()).quantize().export_model(str(out))


def litert_weight_only(given: Given, out: Path) -> None:
    """litert-quantizer: weight_only_wi8_afp32."""
    import tensorflow as tf
    import tf_keras
    from litert_quantizer import quantizer, recipe

    model = tf_keras.models.load_model(given.keras, compile=False)
    float_file = out.with_name("float.tflite")
    float_file.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    quantizer.Quantizer(str(float_file), recipe.weight_only_wi8_afp32()).quantize().export_model(str(out))


def onnxruntime_static(given: Given, out: Path) -> None:
    """onnxruntime.ai: Quantize ONNX models, static, with its pre-processing and the defaults."""
    import tensorflow as tf
    import tf2onnx
    import tf_keras
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.examples = iter(given.x[:CALIBRATION])

        def get_next(self):
            example = next(self.examples, None)
            return None if example is None else {"input": example[None]}

    model = tf_keras.models.load_model(given.keras, compile=False)
    signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="input")]
    float_file, inferred = out.with_name("float.onnx"), out.with_name("inferred.onnx")
    tf2onnx.convert.from_keras(model, signature, opset=17, output_path=str(float_file))
    quant_pre_process(str(float_file), str(inferred))
    quantize_static(str(inferred), str(out), Reader())


def onnxruntime_dynamic(given: Given, out: Path) -> None:
    """onnxruntime.ai: Quantize ONNX models, dynamic, with its pre-processing and the defaults."""
    import tensorflow as tf
    import tf2onnx
    import tf_keras
    from onnxruntime.quantization import quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = tf_keras.models.load_model(given.keras, compile=False)
    signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="input")]
    float_file, inferred = out.with_name("float.onnx"), out.with_name("inferred.onnx")
    tf2onnx.convert.from_keras(model, signature, opset=17, output_path=str(float_file))
    quant_pre_process(str(float_file), str(inferred))
    quantize_dynamic(str(inferred), str(out))


def nncf_onnx(given: Given, out: Path) -> None:
    """docs.openvino.ai: NNCF's post-training quantization of an ONNX model, with the defaults."""
    import nncf
    import onnx
    import tensorflow as tf
    import tf2onnx
    import tf_keras

    model = tf_keras.models.load_model(given.keras, compile=False)
    signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="input")]
    float_model, _ = tf2onnx.convert.from_keras(model, signature, opset=17)
    dataset = nncf.Dataset([{"input": example[None]} for example in given.x[:CALIBRATION]])
    onnx.save(nncf.quantize(float_model, dataset), str(out))


def keras_litert(given: Given, out: Path) -> None:
    """keras.io: 8-bit integer quantization in Keras, and its exporter."""
    import keras

    model = keras.models.load_model(given.keras3, compile=False)
    model.quantize("int8")
    model.predict(given.x[:1], verbose=0)
    model.export(str(out), format="litert")


def keras_onnx(given: Given, out: Path) -> None:
    """keras.io: 8-bit integer quantization in Keras, and its exporter."""
    import keras

    model = keras.models.load_model(given.keras3, compile=False)
    model.quantize("int8")
    model.predict(given.x[:1], verbose=0)
    model.export(str(out), format="onnx")


def edgepress_tflite(given: Given, out: Path) -> None:
    """docs/export.md."""
    import edgepress

    edgepress.export(given.keras, given.dataset(), out, variants=["tflite:int8"], input=given.input)


def edgepress_onnx(given: Given, out: Path) -> None:
    """docs/export.md."""
    import edgepress

    edgepress.export(given.keras, given.dataset(), out, variants=["onnx:int8"], input=given.input)


def edgepress_press(given: Given, out: Path) -> None:
    """docs/compress.md, In a press."""
    import edgepress

    preset = out.with_name("half.toml")
    preset.write_text('base = "quick"\nstructured = 0.5\nstructured_epochs = 30\nprune_epochs = 0\nsparsity = 0.0\n')
    edgepress.press(given.keras, given.dataset(), out, preset=str(preset), input=given.input)


@dataclass(frozen=True)
class Peer:
    """One way of making a small file from a float model."""

    title: str
    recipe: Callable[[Given, Path], None]
    suffix: str
    """Of its file; empty where it writes a folder."""
    file: str = ""
    """Of that folder, the one that is judged; empty where it is a bundle of one file."""
    ours: bool = False


PEERS = {
    "tensorflow-float32": Peer("TensorFlow's converter, float32", tensorflow_float32, ".tflite"),
    "tensorflow-dynamic": Peer("TensorFlow's converter, dynamic range", tensorflow_dynamic, ".tflite"),
    "tensorflow-int8": Peer("TensorFlow's converter, int8", tensorflow_int8, ".tflite"),
    "tfmot-qat": Peer("TensorFlow Model Optimization, QAT", tfmot_qat, ".tflite"),
    "litert-static": Peer("litert-quantizer, static int8", litert_static, ".tflite"),
    "litert-dynamic": Peer("litert-quantizer, dynamic int8", litert_dynamic, ".tflite"),
    "litert-weight-only": Peer("litert-quantizer, weight-only int8", litert_weight_only, ".tflite"),
    "onnxruntime-static": Peer("ONNX Runtime, quantize_static", onnxruntime_static, ".onnx"),
    "onnxruntime-dynamic": Peer("ONNX Runtime, quantize_dynamic", onnxruntime_dynamic, ".onnx"),
    "nncf-onnx": Peer("NNCF, ONNX int8", nncf_onnx, ".onnx"),
    "keras-litert": Peer('Keras 3, quantize("int8"), LiteRT', keras_litert, ".tflite"),
    "keras-onnx": Peer('Keras 3, quantize("int8"), ONNX', keras_onnx, ".onnx"),
    "edgepress-tflite": Peer("edgepress export, TFLite int8", edgepress_tflite, "", ours=True),
    "edgepress-onnx": Peer("edgepress export, ONNX int8", edgepress_onnx, "", ours=True),
    "edgepress-press": Peer(
        "edgepress press, half of the multiply-adds, TFLite int8", edgepress_press, "", "bundle/pressed-int8.tflite",
        ours=True,
    ),
}  # fmt: skip
"""By name, in the table's order."""


def count_lines(recipe: Callable[..., None]) -> int:
    """The lines of code inside a recipe: neither its docstring, nor comments, nor empty lines."""
    text = textwrap.dedent(inspect.getsource(recipe))
    (function,) = ast.parse(text).body
    first = function.body[1].lineno
    code = [line.strip() for line in text.splitlines()[first - 1 :]]
    return sum(1 for line in code if line and not line.startswith("#"))
