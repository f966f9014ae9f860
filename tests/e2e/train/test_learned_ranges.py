"""Where 8-bit activations cost accuracy, training learns their ranges, and files are what it rounded to."""

import json
import zipfile

import keras
import numpy as np
import pytest
from dying import dying_after

from edgepress.data import as_dataset
from edgepress.export import export
from edgepress.runtime import load
from edgepress.runtime.formats.tflite_file import read_tflite
from edgepress.train import TrainConfig, learned_ranges, open_keras, press_model
from edgepress.train.compress.engine.ranges import INPUT

_LARGER = 100


def windows(count, seed):
    rng = np.random.default_rng(seed)
    classes, times = rng.integers(0, 4, count), np.linspace(0, 2 * np.pi, 40)
    phases = rng.uniform(0, 6, count)
    waves = np.stack([np.sin(times * (c / 2 + 1) + p) for c, p in zip(classes, phases, strict=True)])
    x = waves[:, :, None] * np.array([1, 0.5, 2]) + 1.2 * rng.normal(size=(count, 40, 3))
    return x.astype(np.float32), classes


@pytest.fixture(scope="module")
def data():
    return as_dataset((*windows(1600, 0), *windows(1000, 1)))


@pytest.fixture(scope="module")
def uneven(data, tmp_path_factory):
    """A network with one channel a hundred times larger than the others, which answers as if it were not."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((40, 3)), layers.Conv1D(12, 5, activation="relu"), layers.Conv1D(12, 5, activation="relu"),
        layers.MaxPooling1D(2), layers.Conv1D(16, 3, activation="relu"), layers.GlobalAveragePooling1D(),
        layers.Dense(4),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    model.fit(data.x_train, data.y_train, epochs=25, verbose=0)
    for place, (before, after) in enumerate([(0, 1), (1, 3)]):
        kernel, bias = model.layers[before].get_weights()
        kernel[:, :, place] *= _LARGER
        bias[place] *= _LARGER
        model.layers[before].set_weights([kernel, bias])
        kernel, bias = model.layers[after].get_weights()
        kernel[:, place] /= _LARGER
        model.layers[after].set_weights([kernel, bias])
    path = tmp_path_factory.mktemp("uneven") / "uneven.keras"
    model.save(path)
    return path


def accuracy(file, data):
    with load(file) as model:
        return float((model.predict(data.x_test).labels == np.array(data.targets.names)[data.y_test]).mean())


def pressed(uneven, data, ranges):
    """Made once: a run that has finished is kept."""
    config = TrainConfig(engine="own", sparsity=0.0, quantize_epochs=8, ranges=ranges)
    return press_model(data, uneven, config, uneven.with_name(f"{ranges}.keras")).path


def exported(model, data):
    variants = ["tflite:float32", "tflite:int8", "onnx:int8"]
    export({model.stem: model}, data, model.with_suffix(""), variants=variants, bounds={"int8": 90})
    return model.with_suffix("")


def test_learned_ranges_win_back_half_of_what_measured_ones_lose(uneven, data):
    plain = exported(uneven, data)
    lost = accuracy(plain / "uneven-float32.tflite", data) - accuracy(plain / "uneven-int8.tflite", data)
    assert lost > 0.05
    model = pressed(uneven, data, "learned")
    bundle = exported(model, data)
    after = accuracy(plain / "uneven-float32.tflite", data) - accuracy(bundle / "learned-int8.tflite", data)
    assert after < lost / 2
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["source"]["models"]["learned"]["ranges"] == "learned"
    metrics = {each["file"]: each["metrics"] for each in manifest["artifacts"]}
    assert "training_labels" not in metrics["learned-float32.tflite"]
    for file in ("learned-int8.tflite", "learned-int8.onnx"):
        # One step of the large channel is many of the others': what is not rounded as files do it shows.
        assert metrics[file]["training_labels"] == 1
        assert metrics[file]["training_quanta"] < 1.01
    opened = open_keras(model).model
    found = learned_ranges(model, opened)
    with load(bundle / "learned-int8.tflite") as loaded:
        spec = loaded.artifact.outputs[0]
    low, high = found[opened.layers[-1].name]
    assert spec.scale == pytest.approx((high - low) / 255, rel=1e-5)


def test_a_file_with_averages_gates_and_sums_is_the_graph_that_was_trained(data, tmp_path):
    keras.utils.set_random_seed(0)
    layers, window = keras.layers, keras.Input((40, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(12, 5, use_bias=False)(window)))
    x = layers.AveragePooling1D(2)(x)
    x = layers.Add()([x, layers.Conv1D(12, 3, padding="same", activation="tanh")(x)])
    gate = layers.Dense(12, activation="sigmoid")(layers.GlobalAveragePooling1D()(x))
    x = layers.AveragePooling1D(3)(layers.Multiply()([x, layers.Reshape((1, 12))(gate)]))
    model = keras.Model(window, layers.Dense(4)(layers.Flatten()(x)))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=2, verbose=0)
    model.save(tmp_path / "gated.keras")
    config = TrainConfig(engine="own", sparsity=0.0, quantize_epochs=1, ranges="learned")
    pressed = press_model(data, tmp_path / "gated.keras", config, tmp_path / "pressed.keras").path
    made = export({"pressed": pressed}, data, tmp_path / "bundle", variants=["tflite:int8"], bounds={"int8": 90})
    (file,) = made.manifest.artifacts
    assert file.metrics["training_quanta"] < 1.01
    assert file.metrics["training_labels"] == 1


def test_dense_kernels_have_one_scale_in_files_and_units_unlike_the_others_their_own(data, tmp_path):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((40, 3)), layers.Conv1D(12, 5, activation="relu", name="first"), layers.Flatten(),
        layers.Dense(8, activation="relu", name="unlike"), layers.Dense(4, name="alike"),
    ])  # fmt: skip
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=2, verbose=0)
    kernel, bias = model.get_layer("unlike").get_weights()
    model.get_layer("unlike").set_weights([kernel * np.where(np.arange(8) == 2, 100, 1), bias])
    model.save(tmp_path / "two.keras")
    config = TrainConfig(sparsity=0.5, prune_epochs=1, quantize_epochs=1, ranges="learned")
    pressed = press_model(data, tmp_path / "two.keras", config, tmp_path / "pressed.keras").path
    variants = ["tflite:int8", "onnx:int8"]
    made = export({"pressed": pressed}, data, tmp_path / "bundle", variants=variants, bounds={"int8": 90})
    for file in made.manifest.artifacts:
        assert file.metrics["training_labels"] == 1
        assert file.metrics["training_quanta"] < 1.01
    content = read_tflite((tmp_path / "bundle" / "pressed-int8.tflite").read_bytes())
    kernels = [t for _, t in content.constants() if t.dtype == "int8" and len(t.scales)]
    opened = open_keras(pressed).model
    assert sorted((each.values().size, len(each.scales)) for each in kernels) == [(32, 1), (180, 12), (3456, 8)]
    (alike,) = [each for each in kernels if each.values().size == 32]
    exact = opened.get_layer("alike").kernel.numpy().T
    np.testing.assert_allclose(alike.values() * alike.scales[0], exact, atol=1e-5 * np.abs(exact).max())


def test_hard_swish_gates_and_lone_normalizations_are_integers_of_learned_ranges(data, tmp_path):
    """As a MobileNetV3 has them (Howard et al. 2019), with its rescaling in front."""
    keras.utils.set_random_seed(0)
    layers, window = keras.layers, keras.Input((40, 3))
    x = layers.Conv1D(12, 5, activation="hard_silu")(layers.Rescaling(0.5, -0.1)(window))
    gate = layers.Conv1D(12, 1, activation="hard_sigmoid")(layers.GlobalAveragePooling1D(keepdims=True)(x))
    x = x * gate
    x = layers.BatchNormalization()(x + layers.Conv1D(12, 3, padding="same")(x))
    model = keras.Model(window, layers.Dense(4)(layers.Flatten()(layers.Activation("hard_silu")(x))))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(data.x_train, data.y_train, epochs=2, verbose=0)
    model.save(tmp_path / "mobile.keras")
    config = TrainConfig(engine="own", sparsity=0.0, quantize_epochs=1, ranges="learned")
    pressed = press_model(data, tmp_path / "mobile.keras", config, tmp_path / "pressed.keras").path
    variants = ["tflite:int8", "onnx:int8"]
    made = export({"pressed": pressed}, data, tmp_path / "bundle", variants=variants, bounds={"int8": 90})
    made.raise_if_withheld()
    for file in made.manifest.artifacts:
        assert file.metrics["training_labels"] > 0.99
        assert file.metrics["training_quanta"] < 6
        assert file.metrics["agreement"] > 0.95
    content = read_tflite((tmp_path / "bundle" / "pressed-int8.tflite").read_bytes()).main
    results = [content.tensors[index] for operator in content.operators for index in operator.outputs]
    assert {tensor.dtype for tensor in results} <= {"int8", "int32"}


def test_a_fit_that_was_killed_learns_the_same_ranges(uneven, data):
    config = TrainConfig(engine="own", sparsity=0.0, quantize_epochs=8, ranges="learned")
    with dying_after(3), pytest.raises(KeyboardInterrupt):
        press_model(data, uneven, config, uneven.with_name("killed.keras"))
    again = press_model(data, uneven, config, uneven.with_name("killed.keras"))
    whole = pressed(uneven, data, "learned")
    assert again.history.ranges == learned_ranges_as_kept(whole)
    first, second = (open_keras(path).model.get_weights() for path in (whole, again.path))
    assert all(map(np.array_equal, first, second))


def learned_ranges_as_kept(path):
    return json.loads(path.with_suffix(".history.json").read_text())["ranges"]


def test_ranges_that_are_none_are_measured_again(uneven, data):
    model = pressed(uneven, data, "learned")
    assert learned_ranges(model, open_keras(model).model)
    with zipfile.ZipFile(model) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = json.loads(members["edgepress.json"])
    record["ranges"][INPUT] = [1.0, 0.0]
    members["edgepress.json"] = json.dumps(record).encode()
    with zipfile.ZipFile(uneven.with_name("odd.keras"), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert learned_ranges(uneven.with_name("odd.keras"), open_keras(uneven.with_name("odd.keras")).model) == {}
