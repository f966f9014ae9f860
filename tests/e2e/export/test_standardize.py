"""Features of very different size do not ruin an int8 input."""

import numpy as np
import pytest

from edgepress.data import as_dataset
from edgepress.export import export, standardize
from edgepress.runtime import Manifest, load
from edgepress.train import CannotFoldError


@pytest.fixture(scope="module")
def weather():
    """CO2 of 400 +- 9 ppm, from humidity, hour, light and pressure in Pa."""
    rng = np.random.default_rng(0)
    humidity, hour, light, pressure = (
        rng.uniform(30, 90, 2000), rng.uniform(0, 24, 2000), rng.uniform(0, 1, 2000), rng.normal(101325, 600, 2000)
    )  # fmt: skip
    y = 400 + 12 * np.sin((hour - 9) / 24 * 2 * np.pi) + 8 * (light - 0.5) - 0.1 * (humidity - 60)
    return np.stack([humidity, hour, light, pressure], 1).astype(np.float32), y.astype(np.float32)


def regressor(keras, weather, folder, *first):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x, y = weather
    model = keras.Sequential(
        [
            keras.Input((4,), name="features"),
            *(layer(x) for layer in first),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, bias_initializer=keras.initializers.Constant(400.0)),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=40, batch_size=64, verbose=0)
    model.save(folder / "co2.keras")
    return folder / "co2.keras", model.predict(x, verbose=0)


def r2(found, wanted):
    return 1 - np.square(found - wanted).sum() / np.square(wanted - wanted.mean()).sum()


@pytest.mark.parametrize("first", ["BatchNormalization", "Normalization"])
def test_they_are_centred_and_scaled_in_the_contract(weather, tmp_path, first):
    import tf_keras as keras

    def layer(x):
        made = getattr(keras.layers, first)()
        if first == "Normalization":
            made.adapt(x)
        return made

    x, y = weather
    path, own = regressor(keras, weather, tmp_path, layer)
    result = export({"co2": path}, {"features": x}, tmp_path / "out", variants=["tflite:float32", "tflite:int8"])
    assert result.withheld == ()
    manifest = Manifest.read(tmp_path / "out")
    assert manifest.contract.only.mean[3] == pytest.approx(101325, abs=100)
    assert manifest.contract.only.std[3] == pytest.approx(600, rel=0.1)
    standardized = manifest.source["models"]["co2"]["standardized"]["features"]
    assert standardized["mean"] == []
    assert manifest.keras_contract.only.mean == ()
    assert r2(own[:, 0], y) > 0.97
    for variant, least in (("float32", 0.999), ("int8", 0.97)):
        with load(tmp_path / "out", variant=variant) as model:
            (given,) = model.predict(x).outputs.values()
        assert r2(given[:, 0], own[:, 0]) > least
        assert r2(given[:, 0], y) >= 0.95
    # Alone, the file knows it too.
    with load(tmp_path / "out" / "co2-int8.tflite") as model:
        assert model.contract.only.std == manifest.contract.only.std


def test_where_it_cannot_be_folded_the_input_is_to_blame(weather, tmp_path, monkeypatch):
    import tf_keras as keras

    def refuses(model, changes):
        raise CannotFoldError("another layer reads it")

    monkeypatch.setattr(standardize, "fold_change", refuses)

    path, _ = regressor(keras, weather, tmp_path, lambda x: keras.layers.BatchNormalization())
    result = export(
        {"co2": path}, {"features": weather[0]}, tmp_path / "out", variants=["tflite:float32", "tflite:int8"]
    )
    (withheld,) = result.withheld
    assert withheld.file == "co2-int8.tflite"
    assert "its input features has one step for all numbers, and x3 spans 103," in withheld.reason
    assert "in x2" in withheld.reason
    assert "\n" not in withheld.reason


def test_numbers_of_one_size_stay_as_they_are(tmp_path):
    import tf_keras as keras

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3)])
    model.save(tmp_path / "m.keras")
    result = export({"m": tmp_path / "m.keras"}, {"x": x}, tmp_path / "out", variants=["tflite:int8"])
    assert result.manifest.contract.only.mean == ()
    assert "standardized" not in result.manifest.source["models"]["m"]


def test_a_benchmark_feeds_the_keras_file_its_own_numbers(weather, tmp_path):
    """The first row is the model, not noise."""
    import tf_keras as keras

    from edgepress.benchmarks import benchmark, report_to_dict

    x, y = weather
    path, _ = regressor(keras, weather, tmp_path, lambda x: keras.layers.BatchNormalization())
    data = as_dataset(({"features": x[:1600]}, y[:1600], {"features": x[1600:]}, y[1600:]))
    export({"co2": path}, data, tmp_path / "out", variants=["tflite:float32", "tflite:int8"])
    report = report_to_dict(benchmark(tmp_path / "out", data, float_model=path, preset="quick"))
    errors = [row["metric"]["value"] for row in report["rows"] if row.get("metric")]
    assert len(errors) >= 3
    # The mean's own error is above 7 ppm.
    assert max(errors) < 2
