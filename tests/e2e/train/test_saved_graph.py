"""SavedModels that hold a graph and no layers become bundles."""

import keras
import numpy as np
import pytest

from edgepress.export import export
from edgepress.runtime import InputError, load
from edgepress.train import TrainConfig, open_keras
from edgepress.train.engines import engine_of


def test_it_is_exported_with_its_names_judged_by_its_own_answers_and_not_pressed(tmp_path):
    rows = np.random.default_rng(0).normal(0, 1, (80, 4)).astype(np.float32)
    keras.utils.set_random_seed(0)
    given = {"left": rows, "right": rows[:, :3]}
    inputs = {name: keras.Input(values.shape[1:], name=name) for name, values in given.items()}
    both = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()(list(inputs.values())))
    outputs = {"kind": keras.layers.Dense(3, activation="softmax")(both), "size": keras.layers.Dense(2)(both)}
    model = keras.Model(inputs, outputs)
    model.export(tmp_path / "saved", verbose=False)
    result = export({"graph": tmp_path / "saved"}, given, tmp_path / "out", variants=["float32"])
    assert result.withheld == ()
    for artifact in result.manifest.artifacts:
        with load(tmp_path / "out" / artifact.file) as loaded:
            found = loaded.predict(given).outputs
        for name, values in model(given).items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)
    opened = open_keras(tmp_path / "saved")
    with pytest.raises(
        InputError, match=r"cannot be pressed \(own: it has no layer with a kernel; .*it holds a graph without layers"
    ):
        engine_of(opened.model, TrainConfig(), opened.foreign)
