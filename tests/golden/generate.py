"""Makes the tiny models of this folder. Run it where the toolkit is installed: python tests/golden/generate.py

A 784-16-10 classifier of MNIST digits in every variant, and small models of other kinds (convolutions, depthwise, an
LSTM, two inputs, a cropped picture) that stand for files which this project did not make; and vectors for the
preprocessing.
"""

import base64
import json
import os
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def digits() -> tuple[np.ndarray, np.ndarray]:
    """MNIST's training images as uint8 (n, 28, 28), and their labels (n,)."""
    with np.load(Path(os.environ["EDGEPRESS_DATA_DIR"]) / "mnist.npz", allow_pickle=False) as data:
        return data["x_train"], data["y_train"]


def tflite_variant(model, variant: str, samples: np.ndarray, *, sparse: bool = False) -> bytes:
    """`model` converted by TensorFlow's converter; `samples` (n, 784) float32 calibrate."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if sparse:
        converter.optimizations.append(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if variant == "dynamic-int8":
        # Per-channel weights need FULLY_CONNECTED version 12, which tflite-runtime 2.14 does not know.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if variant == "int8":
        converter.representative_dataset = lambda: ([row[None]] for row in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def write_classifier() -> None:
    """digits-<variant>.tflite and .onnx."""
    import onnx
    import tensorflow as tf
    import tf2onnx
    import tf_keras
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    tf.keras.utils.set_random_seed(0)
    tf_keras.utils.set_random_seed(0)
    pixels, labels = digits()
    images = pixels.reshape(-1, 784).astype(np.float32) / 255
    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [layers.Input((784,), name="image"), layers.Dense(16, activation="relu"), layers.Dense(10)]
    )
    model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, batch_size=128, epochs=6, verbose=2)
    samples = images[:200]
    for variant in ("float32", "float16", "dynamic-int8", "int8"):
        (HERE / f"digits-{variant}.tflite").write_bytes(tflite_variant(model, variant, samples))

    spec = (tf.TensorSpec((None, 784), tf.float32, name="image"),)
    proto, _ = tf2onnx.convert.from_keras(model, input_signature=spec, opset=17)
    float_file = HERE / "digits-float32.onnx"
    onnx.save(proto, float_file)

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rows = iter(samples)

        def get_next(self):
            row = next(self.rows, None)
            return None if row is None else {"image": row[None]}

    quantize_static(
        float_file,
        HERE / "digits-int8.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )


def write_sparse() -> None:
    """block-sparse.tflite: 1 x 16 blocks pruned, sparse-encoded, int8 weights for each channel.

    LiteRT 2.3 and TensorFlow 2.21 compute it rightly with their built-in kernels and wrongly with the default delegate.
    """
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    pixels, labels = digits()
    images = pixels.reshape(-1, 784).astype(np.float32) / 255
    layers = tf_keras.layers
    hidden = layers.Dense(16, activation="relu")
    model = tf_keras.Sequential([layers.Input((784,), name="image"), hidden, layers.Dense(10)])
    model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, batch_size=128, epochs=1, verbose=2)
    blocks = np.abs(hidden.kernel.numpy().T).reshape(16, -1, 16).sum(axis=2)
    mask = np.repeat(blocks > np.quantile(blocks, 0.7), 16, axis=1).T.astype(np.float32)

    class KeepPruned(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            hidden.kernel.assign(hidden.kernel * mask)

    model.fit(images, labels, batch_size=128, epochs=1, verbose=2, callbacks=[KeepPruned()])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    (HERE / "block-sparse.tflite").write_bytes(converter.convert())


def write_pruned_sparse() -> None:
    """pruned-sparse.tflite: pruned weight by weight, int8, sparse-encoded, its last layer with 12 inputs.

    Chance on LiteRT 2.3 and on tflite-runtime 2.14, with and without delegate, and not the same chance: their sparse
    kernels read blocks of 16 beyond such a row.
    """
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    pixels, labels = digits()
    images = pixels.reshape(-1, 784).astype(np.float32) / 255
    layers = tf_keras.layers
    dense = [layers.Dense(16, activation="relu"), layers.Dense(12, activation="relu"), layers.Dense(10)]
    model = tf_keras.Sequential([layers.Input((784,), name="image"), *dense])
    model.compile("adam", tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, batch_size=128, epochs=1, verbose=2)
    for layer, share in zip(dense, (0.9, 0.8, 0.6), strict=True):
        size = np.abs(layer.kernel.numpy())
        layer.kernel.assign(layer.kernel * (size > np.quantile(size, share)))
    (HERE / "pruned-sparse.tflite").write_bytes(tflite_variant(model, "int8", images[:200], sparse=True))


def write_foreign() -> None:
    """conv.tflite, depthwise.tflite, lstm.tflite, two-inputs.tflite."""
    import tensorflow as tf
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    conv = tf_keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    depthwise = tf_keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    lstm = tf_keras.Sequential([layers.Input((5, 4), batch_size=1), layers.LSTM(6), layers.Dense(2)])
    left, right = layers.Input((4,), name="left"), layers.Input((3,), name="right")
    joined = layers.Concatenate()([layers.Dense(5, activation="tanh")(left), right])
    two = tf_keras.Model([left, right], [layers.Dense(2, name="sum")(joined), layers.Dense(1, name="gate")(joined)])
    noise = np.random.default_rng(0).random((20, 1, 8, 8, 3), np.float32)
    for name, model in {"conv": conv, "depthwise": depthwise, "lstm": lstm, "two-inputs": two}.items():
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if name == "depthwise":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image] for image in noise)
        (HERE / f"{name}.tflite").write_bytes(converter.convert())


def write_normalized() -> None:
    """normalized.tflite: layer normalization, which computes the shape that it reshapes to."""
    import tensorflow as tf
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(1)
    model = tf_keras.Sequential([layers.Input((4, 6)), layers.LayerNormalization(), layers.Flatten(), layers.Dense(3)])
    (HERE / "normalized.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def write_cropped() -> None:
    """cropped.tflite: int8, reads 5 x 6 of 8 x 8 pixels."""
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(2)
    model = tf_keras.Sequential(
        [layers.Input((8, 8, 1)), layers.Cropping2D(((1, 2), (2, 0))), layers.Flatten(), layers.Dense(3)]
    )
    noise = np.random.default_rng(0).random((20, 8, 8, 1), np.float32)
    (HERE / "cropped.tflite").write_bytes(tflite_variant(model, "int8", noise))


def write_preprocess() -> None:
    """preprocess/*.json: pictures, and the pixels that every implementation of the contract must make of them."""
    from edgepress.runtime import Picture
    from edgepress.runtime.preprocess.fit import fit_picture

    pixels, _ = digits()
    noise = np.random.default_rng(7)

    def enlarged(index: int, times: int, height: int, width: int, top: int, left: int) -> np.ndarray:
        canvas = np.zeros((height, width), np.uint8)
        part = pixels[index].repeat(times, axis=0).repeat(times, axis=1)
        canvas[top : top + 28 * times, left : left + 28 * times] = part
        return canvas

    grainy = enlarged(5, 3, 97, 110, 9, 20) * 0.6 + 40 + noise.normal(0, 9, (97, 110))
    grainy = grainy.clip(0, 255).astype(np.uint8)
    thin = np.full((150, 120), 255, np.uint8)
    thin[20:130, 60:63] = 30
    thin[20:23, 40:80] = 30
    colours = np.stack([255 - enlarged(6, 2, 70, 64, 5, 4), np.full((70, 64), 250, np.uint8)], axis=2)
    rgb = np.concatenate([colours, 255 - enlarged(6, 2, 70, 64, 5, 4)[..., None] // 2], axis=2)
    clear = np.zeros((60, 80, 4), np.uint8)
    clear[..., 3] = enlarged(7, 2, 60, 80, 2, 20)
    random = noise.integers(0, 256, (37, 53), np.uint8)
    mnist, light = {}, {"polarity": "dark-on-light"}
    whole, small = {"fit": "resize"}, {"height": 12, "width": 16, "box": 9}
    colour = {"fit": "resize", "channels": 3, "height": 10, "width": 14, "polarity": "as-is"}
    cases = {
        "as-it-is": (pixels[0], mnist),
        "off-centre": (np.roll(pixels[1], (4, -3), (0, 1)), mnist),
        "pasted": (enlarged(2, 1, 61, 45, 30, 1), mnist),
        "inverted": (255 - enlarged(3, 1, 40, 90, 3, 55), mnist),
        "enlarged": (255 - enlarged(4, 4, 130, 140, 10, 5), mnist),
        "grainy": (255 - grainy, mnist),
        "shaded": ((255 - enlarged(8, 3, 90, 90, 3, 3)) * np.linspace(0.6, 1, 90) // 1, mnist),
        "thin": (thin, mnist),
        "colour": (rgb, mnist),
        "transparent": (clear, mnist),
        "tiny": (pixels[9][::3, ::3], mnist),
        "blank": (np.full((33, 20), 201, np.uint8), mnist),
        "pixel": (np.pad(np.full((1, 1), 200, np.uint8), 15), mnist),
        "row": (np.arange(0, 250, 5, dtype=np.uint8)[None], mnist),
        "random": (random, mnist),
        "dark-on-light": (enlarged(10, 2, 60, 60, 1, 2), light),
        "untouched": (255 - enlarged(11, 1, 30, 30, 1, 1), {"polarity": "as-is"}),
        "small-contract": (enlarged(12, 2, 66, 70, 4, 6), small),
        "resize": (255 - enlarged(13, 2, 57, 59, 1, 1), whole),
        "resize-colour": (rgb, colour),
        "resize-grey-to-colour": (random, colour),
    }
    folder = HERE / "preprocess"
    folder.mkdir(exist_ok=True)
    for name, (picture, contract) in cases.items():
        full = Picture(**{"height": 28, "width": 28, **contract})
        picture = np.ascontiguousarray(picture, np.uint8)
        expected = fit_picture(picture, full)
        vector = {
            "contract": full.to_dict(),
            "picture": {"shape": picture.shape, "base64": base64.b64encode(picture).decode()},
            "pixels": {"shape": expected.shape, "base64": base64.b64encode(expected).decode()},
        }
        (folder / f"{name}.json").write_text(json.dumps(vector, indent=1) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        write_classifier()
        write_sparse()
        write_pruned_sparse()
        write_foreign()
        write_normalized()
        write_cropped()
        write_preprocess()
