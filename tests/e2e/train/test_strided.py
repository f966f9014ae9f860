"""Convolutions of one pixel that step: a fit ends, and the layers compute what they did."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras

from edgepress.train.fitting.strided import step_before_convolving
from edgepress.train.keras_file import as_tf_keras
from edgepress.train.quantize import add_quantization

L = tf_keras.layers
# With the gradient that TensorFlow takes itself, the process dies.
PROGRAM = """
import numpy as np
import tf_keras
from edgepress.data import dataset_of_arrays
from edgepress.train import TrainConfig, save_keras, train_baseline

L = tf_keras.layers
tf_keras.utils.set_random_seed(0)
x = start = tf_keras.Input((62, 62, 3))
x = L.Conv2D(8, 3, padding="same", activation="relu")(x)
y = L.Conv2D(16, 3, strides=2, padding="same")(x)
x = L.ReLU()(L.Add()([y, L.Conv2D(16, 1, strides=2)(x)]))
save_keras(tf_keras.Model(start, L.Dense(2)(L.GlobalAveragePooling2D()(x))), "resnet.keras")
rng = np.random.default_rng(0)
pixels, labels = rng.integers(0, 255, (96, 62, 62, 3)).astype(np.uint8), rng.integers(0, 2, 96)
config = TrainConfig.preset("quick", epochs=2, batch_size=16, distill=0.0, copies=0)
noise = dataset_of_arrays("noise", (pixels, labels), (pixels, labels))
train_baseline(noise, config, "out.keras", model="resnet.keras", input="pixels/255")
print("ended")
"""


def test_a_fit_of_a_small_resnet_ends(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("ended\n")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: L.Conv2D(5, 1, strides=2, padding="same", activation="relu"), (9, 8, 3)),
        (lambda: L.Conv2D(5, 1, strides=(3, 2), use_bias=False), (10, 7, 3)),
        (lambda: L.Conv1D(5, 1, strides=2, padding="causal"), (9, 3)),
        (lambda: L.Conv3D(2, 1, strides=2, padding="same"), (5, 4, 6, 3)),
    ],
)
def test_outputs_stay_and_wrapped_layers_are_found(layer, shape):
    model = tf_keras.Sequential([L.Input(shape), layer(), L.Flatten(), L.Dense(2)])
    x = np.random.default_rng(0).normal(0, 1, (4, *shape)).astype(np.float32)
    wanted = model(x).numpy()
    assert step_before_convolving(tf_keras.Sequential([model])) == 1
    np.testing.assert_allclose(model(x).numpy(), wanted, atol=1e-6)
    assert tf_keras.Sequential.from_config(model.get_config()).count_params() == model.count_params()


def test_models_of_keras_3_have_them_too():
    K = keras.layers
    model = keras.Sequential([K.Input((9, 8, 3)), K.Conv2D(5, 1, strides=2, padding="same"), K.Flatten(), K.Dense(2)])
    x = np.random.default_rng(0).normal(0, 1, (4, 9, 8, 3)).astype(np.float32)
    wanted = model(x).numpy()
    assert step_before_convolving(as_tf_keras(model)) == 1
    np.testing.assert_allclose(model(x).numpy(), wanted, atol=1e-6)


def test_other_convolutions_are_left():
    model = tf_keras.Sequential(
        [L.Input((16, 16, 4)), L.Conv2D(4, 1), L.Conv2D(4, 3, strides=2), L.Conv2DTranspose(4, 1, strides=2),
         L.SeparableConv2D(4, 1, strides=2), L.DepthwiseConv2D(1, strides=2)]
    )  # fmt: skip
    assert step_before_convolving(model) == 0


def test_quantization_aware_models_have_them_too():
    model = tf_keras.Sequential([L.Input((8, 8, 3)), L.Conv2D(4, 1, strides=2), L.Flatten(), L.Dense(2)])
    assert step_before_convolving(add_quantization(model)) == 1
