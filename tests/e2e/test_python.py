"""The verbs of `import edgepress` with models in memory, and the examples of the page about them."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import edgepress
from edgepress.data import as_dataset
from edgepress.runtime import InputError
from edgepress.train import (
    TrainConfig,
    adopt_baseline,
    model_file,
    model_identity,
    model_name,
    open_keras,
    strip_quantization,
)
from edgepress.train.compress.prune import sparsity


@pytest.fixture(scope="module")
def marks():
    """Three classes of pictures (12, 12): a bright third tells which."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=1600)
    images = rng.integers(0, 90, (1600, 12, 12))
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] += 120
    return (images[:1200].astype(np.uint8), labels[:1200], images[1200:].astype(np.uint8), labels[1200:])


def network(keras, *, name="marks"):
    """With its own scaling, as tutorials have it."""
    return keras.Sequential(
        [
            keras.Input((12, 12)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(3),
        ],
        name=name,
    )


@pytest.fixture(scope="module")
def fitted(marks):
    """A compiled Keras 3 model that has been fitted."""
    import keras

    keras.utils.set_random_seed(0)
    model = network(keras)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*marks[:2], epochs=4, verbose=0)
    return model


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
@pytest.mark.parametrize("functional", [False, True])
def test_a_model_in_memory_is_opened_as_its_file_is(package, functional, marks):
    keras = pytest.importorskip(package)
    model = network(keras, name="my marks")
    if functional:
        x = keras.Input((12, 12))
        model = keras.Model(x, network(keras)(x), name="my marks")
    with model_file(model) as file:
        assert file.name == "my-marks.keras"
        ours = open_keras(file).model
        np.testing.assert_allclose(
            np.asarray(ours(marks[2].astype(np.float32))), np.asarray(model(marks[2].astype(np.float32))), atol=1e-4
        )
    assert not file.parent.exists()
    assert model_name(model) == "my-marks"


def test_the_identity_of_a_model_is_its_weights_and_its_structure(fitted):
    import keras

    same = keras.models.clone_model(fitted)
    same.set_weights(fitted.get_weights())
    assert model_identity(same) == model_identity(fitted)
    same.set_weights([array + 1 for array in fitted.get_weights()])
    assert model_identity(same) != model_identity(fitted)
    assert model_identity("a/model.keras") == "a/model.keras"


def subclassed(keras):
    class Own(keras.Model):
        def call(self, x):
            return x

    return Own(name="own")


def named_functional(keras):
    class Own(keras.Model):
        pass

    x = keras.Input((3,))
    return Own(x, keras.layers.Dense(2)(x), name="own")


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
@pytest.mark.parametrize("make", [subclassed, named_functional])
def test_a_subclassed_model_is_refused_in_one_line(package, make):
    model = make(pytest.importorskip(package))
    with pytest.raises(InputError, match="model 'own' is of the class Own, whose code is in no file") as caught:
        edgepress.press(model, (np.zeros((8, 3)), np.arange(8) % 2))
    assert "\n" not in str(caught.value)


def test_a_model_without_weights_is_refused(marks):
    import keras

    with pytest.raises(InputError, match="model 'empty' was never built"):
        edgepress.export(keras.Sequential([keras.layers.Dense(3)], name="empty"), marks)


@pytest.fixture(scope="module")
def bundle(fitted, marks, tmp_path_factory):
    """Of the model in memory. Its temporary files are looked for where they would lie."""
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    before = set(Path(tempfile.gettempdir()).glob("edgepress-*"))
    made = edgepress.export(fitted, marks, folder, variants=["tflite:float32", "tflite:int8"])
    assert [artifact.file for artifact in made.manifest.artifacts] == ["marks-float32.tflite", "marks-int8.tflite"]
    left = [path for path in Path(tempfile.gettempdir()).glob("edgepress-*/marks.keras") if path.parent not in before]
    assert not left
    return folder


def test_a_model_in_memory_is_exported_under_its_name(bundle, marks):
    with edgepress.load(bundle) as model:
        assert np.mean(model.predict(marks[2]).indices == marks[3]) > 0.95


def test_how_an_input_was_found_is_told_of_a_model_that_was_taken_in(fitted, marks, tmp_path):
    dataset = as_dataset(marks)
    with model_file(fitted) as file:
        taken = adopt_baseline(dataset, TrainConfig(), file, tmp_path / "float.keras")
    made = edgepress.export(taken.path, dataset, tmp_path / "bundle", variants=["tflite:float32"])
    assert made.manifest.contract.found["by"] == "model"
    assert made.manifest.contract.found["why"]


def test_a_model_in_memory_is_trained_further(fitted, marks, tmp_path):
    short = TrainConfig(epochs=1, prune_epochs=2, quantize_epochs=1, sparsity=0.5)
    trained = edgepress.train(fitted, marks, tmp_path / "small.keras", preset=short)
    assert trained.path == tmp_path / "small.keras"
    assert sparsity(strip_quantization(open_keras(trained.path).model)) > 0.4
    assert trained.validation[1] > 0.95


def test_a_server_runs_beside_a_notebook(bundle):
    with edgepress.serve(bundle, port=0, threads=1) as server:
        with urllib.request.urlopen(f"{server.url}v2/health/ready") as answer:
            assert answer.status == 200
        assert "running" in repr(server)
    assert "stopped" in repr(server)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{server.url}v2/health/ready")


def test_the_examples_of_the_page_run(fitted, marks, tmp_path, monkeypatch, pytestconfig, capsys):
    page = (pytestconfig.rootpath / "docs/python.md").read_text()
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rooms = rng.integers(1, 9, 400)
    lines = [
        f"{count},{age:.1f},{100 * count - age:.1f}" for count, age in zip(rooms, rng.random(400) * 50, strict=True)
    ]
    (tmp_path / "table.csv").write_text("\n".join(["rooms,age,price", *lines]) + "\n")
    names = dict(zip(("x_train", "y_train", "x_test", "y_test"), marks, strict=True), model=fitted)
    examples = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(examples) == 6
    for example in examples:
        exec(example, names)
    assert [artifact.file for artifact in names["exported"].manifest.artifacts] == [
        "marks-float32.tflite",
        "marks-int8.tflite",
    ]
    assert [row.artifact for row in names["report"].rows] == [
        "marks.keras",
        "marks-float32.tflite",
        "marks-int8.tflite",
    ]
    assert names["trained"].path.exists()
    assert names["result"].bundle.parent.parent.resolve() == (tmp_path / "runs").resolve()
    assert "http://127.0.0.1:" in capsys.readouterr().out
    # A press of the same object knows its own run: another one in the same place is refused.
    plan = json.loads((names["result"].run / "run.json").read_text())
    assert plan["model"] == model_identity(fitted)


def test_mypy_knows_the_signatures(tmp_path, pytestconfig):
    program = tmp_path / "program.py"
    program.write_text(
        "import edgepress\n"
        "from edgepress.export import export\n"
        "reveal_type(edgepress.press('m.keras', 'mnist'))\n"
        "reveal_type(edgepress.export('m.keras', 'mnist').manifest.name)\n"
        "reveal_type(export({'m': 'm.keras'}, 'mnist', 'out'))\n"
        "edgepress.load('bundle', threads='two')\n"
    )
    # mypy does not follow the hook by which an editable install maps its folders.
    environment = os.environ | {"MYPYPATH": str(pytestconfig.rootpath / "src")}
    options = ("--follow-imports=silent", "--ignore-missing-imports", "--explicit-package-bases")
    command = [sys.executable, "-m", "mypy", *options, "program.py"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment).stdout
    assert 'note: Revealed type is "edgepress.press.pipeline.PressResult"' in told
    assert told.count("ExportResult") == 1
    assert 'incompatible type "str"; expected "int"' in told
    assert '"str"' in told
