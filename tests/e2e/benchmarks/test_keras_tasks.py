"""The float Keras model as the baseline of another task: two inputs, one number."""

import numpy as np
import pytest

from edgepress.benchmarks import benchmark
from edgepress.data import dataset_of_arrays


def test_a_keras_model_with_two_inputs_is_the_baseline(tmp_path):
    keras = pytest.importorskip("tf_keras", reason="needs the toolkit extra")
    from edgepress.export import export
    from edgepress.train import save_keras

    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    x = {"left": rng.normal(0, 1, (1_200, 2)).astype(np.float32), "right": rng.normal(5, 3, (1_200, 3))}
    y = (x["left"] @ [1.0, -2.0] + x["right"] @ [0.5, 0.1, 0.0])[:, None]
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    model = keras.Model([left, right], keras.layers.Dense(1, name="price")(joined))
    model.layers[-1].set_weights([np.array([[1.0], [-2.0], [0.5], [0.1], [0.0]]), np.zeros(1)])
    save_keras(model, tmp_path / "two.keras")
    halves = [({name: values[part] for name, values in x.items()}, y[part]) for part in (slice(900), slice(900, None))]
    data = dataset_of_arrays("pairs", *halves, names=("price",))
    export({"two": tmp_path / "two.keras"}, data, tmp_path / "bundle", variants=["tflite:float32", "onnx:float32"])
    report = benchmark(tmp_path / "bundle", data, float_model=tmp_path / "two.keras", preset="quick")
    assert [row.format for row in report.rows] == ["keras", "tflite", "onnx"]
    assert {row.metric.name for row in report.rows} == {"mae"}
    assert max(row.metric.value for row in report.rows) < 1e-4
    assert report.rows[0].metric.trivial > 1
