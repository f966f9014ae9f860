"""A budget search on small pictures: real trainings, real exports, left and taken up again."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from edgepress.data import dataset_of_arrays
from edgepress.press import Budget, search
from edgepress.runtime import CheckFailedError, InputError, load
from edgepress.train import TrainConfig, adopt_baseline, custom_layers, train_baseline

CONFIG = TrainConfig(epochs=3, prune_epochs=2, quantize_epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=1400)
    images = rng.integers(0, 90, (1400, 8, 8))
    for image, label in zip(images, labels, strict=True):
        rows, columns = divmod(int(label), 2)
        image[rows * 4 : rows * 4 + 4, columns * 4 : columns * 4 + 4] += 100
    images = images.astype(np.uint8)
    return dataset_of_arrays(
        "blobs", (images[:1200], labels[:1200]), (images[1200:], labels[1200:]), names=("a", "b", "c")
    )


def test_a_search_finds_a_model_within_the_budget_and_goes_on_where_it_was(dataset, tmp_path):
    baseline = train_baseline(dataset, CONFIG, tmp_path / "float.keras").path
    budget = Budget(max_drop=5, max_bytes=12_000)
    first = search(dataset, CONFIG, baseline, tmp_path / "search", budget, trials=1)
    found = search(dataset, CONFIG, baseline, tmp_path / "search", budget, trials=3)
    assert found.candidates[: len(first.candidates)] == first.candidates
    assert {candidate.trial for candidate in found.candidates} == {0, 1, 2}
    assert found.choice.bytes <= 12_000
    file = found.model.parent / "bundle" / found.choice.file
    assert file.stat().st_size == found.choice.bytes
    with load(file) as model:
        assert (model.predict(dataset.x_test).indices == dataset.y_test).mean() > 0.9
    written = json.loads((tmp_path / "search/search.json").read_text())
    assert written["choice"]["file"] == found.choice.file
    assert len(written["candidates"]) == len(found.candidates)
    assert (tmp_path / "search/search.png").stat().st_size > 1000
    # The first trials are the same ones whoever runs them, and what each comes to does not depend on the process.
    beside = search(dataset, CONFIG, baseline, tmp_path / "beside", budget, trials=2, workers=2)
    assert beside.candidates == [candidate for candidate in found.candidates if candidate.trial < 2]
    with pytest.raises(InputError, match="no times of their own"):
        search(dataset, CONFIG, baseline, tmp_path / "late", Budget(max_latency_us=9), trials=1, workers=2)


LAYERS = """
import keras

class Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""


def test_a_search_of_a_model_with_layers_of_the_users_own(tmp_path):
    (tmp_path / "layers.py").write_text(LAYERS)
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=300)
    windows = (rng.normal(size=(300, 6, 3)) + 2 * labels[:, None, None] - 1).astype(np.float32)
    dataset = dataset_of_arrays("waves", (windows[:240], labels[:240]), (windows[240:], labels[240:]))
    config = TrainConfig(epochs=4, structured_epochs=1, prune_epochs=1, quantize_epochs=1, batch_size=32)
    with custom_layers(tmp_path / "layers.py"):
        namespace = {}
        exec(LAYERS, namespace)
        keras.utils.set_random_seed(0)
        L, start = keras.layers, keras.Input((6, 3))
        x = L.GlobalAveragePooling1D()(L.Conv1D(8, 3)(L.Conv1D(16, 3, activation="relu", padding="same")(start)))
        model = keras.Model(start, L.Dense(2)(namespace["Doubled"]()(x)))
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(windows, labels, epochs=6, verbose=0)
        model.save(tmp_path / "own.keras")
        baseline = adopt_baseline(dataset, config, tmp_path / "own.keras", tmp_path / "float.keras").path
        found = search(
            dataset, config, baseline, tmp_path / "search", Budget(max_bytes=100_000), own=True, trials=2, workers=2
        )
    assert {candidate.trial for candidate in found.candidates} == {0, 1}
    assert found.choice.drop < 10


def test_a_regressions_error_is_counted_and_a_budget_that_cannot_be_kept_names_the_nearest(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(700, 4)).astype(np.float32)
    prices = (30 + 9 * rows[:, :1] - 5 * rows[:, 1:2] * (rows[:, 2:3] > 0)).astype(np.float32)
    dataset = dataset_of_arrays("prices", (rows[:600], prices[:600]), (rows[600:], prices[600:]))
    config = replace(CONFIG, learning_rate=0.01)
    baseline = train_baseline(dataset, config, tmp_path / "float.keras").path
    place, unit = tmp_path / "search", "% of the trivial answer's error"
    with pytest.raises(CheckFailedError, match=rf"nearest is .*: drop [\d.-]+ {unit}, .* bytes instead of 100;"):
        search(dataset, config, baseline, place, Budget(max_bytes=100), own=True, trials=1)
    assert not list(place.rglob("float.keras"))
    assert json.loads((place / "search.json").read_text())["choice"] is None
    # The trial is there: another budget takes it.
    found = search(dataset, config, baseline, place, Budget(max_drop=100), own=True, trials=1)
    held_back = dataset.held_back(config.split)
    mean = dataset.fitted(config.split).targets.mean()
    metric = json.loads((place / "search.json").read_text())["metric"]
    assert (metric["name"], metric["better"], metric["drops_in"]) == ("mae", "lower", unit)
    assert metric["trivial"] == pytest.approx(np.abs(held_back.targets - mean).mean(), rel=1e-4)
    assert metric["float"] < 0.5 * metric["trivial"]
    for candidate in found.candidates:
        assert candidate.drop == pytest.approx(100 * (candidate.value - metric["float"]) / metric["trivial"])
    # What the file says of the held-back examples is what the search says of it.
    with load(found.model.parent / "bundle" / found.choice.file) as model:
        error = float(np.abs(model.predict(held_back.x).values - held_back.targets).mean())
    assert found.choice.value == pytest.approx(error, rel=1e-3)
