"""--custom: a model with layers of the user's own becomes a bundle, and the manifest says whose code ran."""

import hashlib
import json

import keras
import numpy as np
from click.testing import CliRunner

from edgepress.cli import main
from edgepress.runtime import load
from edgepress.train import TrainConfig, custom_layers, open_keras
from edgepress.train.engines import engine_of
from edgepress.train.keras_file import copied

LAYERS = """
import keras

class Doubled(keras.layers.Layer):
    def call(self, x):
        return keras.ops.concatenate([x, -x], axis=-1)
"""


def test_a_model_with_layers_of_the_users_own_is_exported(tmp_path):
    (tmp_path / "layers.py").write_text(LAYERS)
    code = {}
    exec(LAYERS, code)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,), name="row"), code["Doubled"](name="twice"), keras.layers.Dense(2)])
    model.save(tmp_path / "own.keras")
    rows = np.random.default_rng(0).normal(0, 1, (60, 6)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", row=rows)
    arguments = ["export", str(tmp_path / "own.keras"), "--samples", str(tmp_path / "rows.npz")]
    arguments += ["--out", str(tmp_path / "out"), "--variant", "tflite:float32"]

    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 2
    assert "'twice' is" in refused.output
    assert "--custom layers.py" in refused.output

    result = CliRunner().invoke(main, [*arguments, "--custom", str(tmp_path / "layers.py")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with custom_layers(tmp_path / "layers.py"):
        wanted = open_keras(tmp_path / "own.keras").model(rows[:8])
    with load(tmp_path / "out" / "own-float32.tflite") as loaded:
        (found,) = loaded.predict({"row": rows[:8]}).outputs.values()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    recorded = json.loads((tmp_path / "out" / "manifest.json").read_text())["source"]["models"]["own"]["custom"]
    assert recorded == {"file": "layers.py", "sha256": hashlib.sha256(LAYERS.encode()).hexdigest()}
    with custom_layers(tmp_path / "layers.py"):
        opened = open_keras(tmp_path / "own.keras")
        assert engine_of(opened.model, TrainConfig(), opened.foreign).name == "own"
        np.testing.assert_allclose(copied(opened.model)(rows[:8]), wanted, atol=1e-6)
