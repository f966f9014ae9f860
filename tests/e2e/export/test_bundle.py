import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from click.testing import CliRunner

from edgepress.base.files import file_sha256
from edgepress.cli import main
from edgepress.data import dataset_of_arrays
from edgepress.data.gathered import store_rows
from edgepress.export import bundle, export
from edgepress.export.convert import Converter
from edgepress.runtime import CheckFailedError, InputError, Manifest, load
from edgepress.runtime.conformance import matrix as conformance_module
from edgepress.runtime.conformance.golden import Vectors
from edgepress.runtime.conformance.matrix import conformance
from edgepress.runtime.conformance.trial import Answer
from edgepress.runtime.formats.tflite_file import read_tflite


@pytest.fixture
def from_tiny(tiny, tmp_path, monkeypatch):
    """A model path that opens as the tiny model."""
    path = tmp_path / "tiny.keras"
    monkeypatch.setattr(bundle, "open_source", lambda name, path: replace(tiny, name=name, path=path))
    return path


def test_a_bundle_is_complete_in_itself(from_tiny, quadrants, tmp_path):
    variants = ["int8", "tflite:float32"]
    result = export({"tiny": from_tiny}, quadrants, tmp_path / "out", variants=variants, packed=["tflite:int8"])
    assert result.withheld == ()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "selftest.npz",
        "tiny-float32.tflite",
        "tiny-int8.onnx",
        "tiny-int8.tflite",
        "tiny-int8.tflite.xz",
    ]
    manifest = Manifest.read(tmp_path / "out")
    assert manifest == result.manifest
    assert set(manifest.files) == {"selftest.npz", "tiny-int8.tflite.xz"}
    for name, sha256 in manifest.digests.items():
        assert file_sha256(tmp_path / "out" / name) == sha256
    assert manifest.labels == quadrants.labels
    assert manifest.artifact("tiny-int8.tflite").metrics["accuracy"] > 0.95
    assert manifest.artifact("tiny-int8.tflite").tolerance["litert"] == 0
    assert 0 < manifest.unknown_threshold < 1
    assert conformance(tmp_path / "out").ok
    with load(tmp_path / "out") as model:
        assert (model.predict(quadrants.x_test).indices == quadrants.y_test).mean() > 0.95


def test_examples_in_a_file_make_the_same_bundle(from_tiny, quadrants, tmp_path):
    def stored(part):
        return replace(part, inputs={name: store_rows([x], x.shape[1:], x.dtype) for name, x in part.inputs.items()})

    in_a_file = replace(quadrants, train=stored(quadrants.train), test=stored(quadrants.test))
    found, wanted = (
        export({"tiny": from_tiny}, data, tmp_path / name, variants=["tflite:int8"], name="one").manifest
        for name, data in (("file", in_a_file), ("memory", quadrants))
    )
    assert found == wanted


@pytest.fixture
def spoil(monkeypatch):
    """Let the converter zero the largest weight of the files it writes, those of the named variants."""
    write = Converter.write

    def install(*keys):
        def write_spoilt(self, variant, folder):
            path = write(self, variant, folder)
            if variant.key in keys:
                content = path.read_bytes()
                kernel = max((bytes(t.data) for _, t in read_tflite(content).constants()), key=len)
                path.write_bytes(content.replace(kernel, bytes(len(kernel))))
            return path

        monkeypatch.setattr(Converter, "write", write_spoilt)

    return install


def test_one_beyond_its_bound_is_withheld_and_the_rest_published(from_tiny, quadrants, tmp_path, spoil):
    spoil("tflite:int8")
    result = export({"tiny": from_tiny}, quadrants, tmp_path / "out", variants=["int8", "tflite:float32"])
    assert [each.file for each in result.withheld] == ["tiny-int8.tflite"]
    assert "bound 0.3 points" in result.withheld[0].reason
    assert not (tmp_path / "out/tiny-int8.tflite").exists()
    assert (tmp_path / "out/tiny-float32.tflite").exists()
    with pytest.raises(CheckFailedError, match=r"tiny-int8\.tflite"):
        result.raise_if_withheld()


def test_a_wrong_answer_of_one_backend_withholds_a_model_with_several_outputs(tmp_path, monkeypatch):
    """One of two outputs, of a model with two inputs, in one backend: that file is not published, the other is."""
    import tf_keras as keras

    left, right = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    outputs = [keras.layers.Dense(3, name="sum")(joined), keras.layers.Dense(1, name="gate")(joined)]
    keras.Model([left, right], outputs).save(tmp_path / "two.keras")
    random = np.random.default_rng(0)
    samples = {"left": random.random((90, 6), np.float32), "right": random.random((90, 4), np.float32)}
    real = conformance_module.run_trial

    def planted(folder, files, feed, *, backend, delegate):
        answers = real(folder, files, feed, backend=backend, delegate=delegate)
        if backend == "litert" and delegate and "two-float32.tflite" in answers:
            output = answers["two-float32.tflite"].output
            answers["two-float32.tflite"] = Answer(output={**output, "gate": output["gate"] + 1})
        return answers

    monkeypatch.setattr(conformance_module, "run_trial", planted)
    variants = ["tflite:float32", "tflite:float16"]
    result = export({"two": tmp_path / "two.keras"}, samples, tmp_path / "out", variants=variants, task="raw")
    (withheld,) = result.withheld
    assert withheld.file == "two-float32.tflite"
    assert withheld.reason.startswith("litert+delegate: SQNR of output gate ")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "selftest.npz",
        "two-float16.tflite",
    ]
    assert list(Vectors.read(tmp_path / "out/selftest.npz").outputs) == ["two-float16.tflite"]


def test_nothing_true_is_nothing_written(from_tiny, quadrants, tmp_path, spoil):
    spoil("tflite:float32")
    with pytest.raises(CheckFailedError, match=r"tiny-float32\.tflite"):
        export({"tiny": from_tiny}, quadrants, tmp_path / "out", variants=["tflite:float32"])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(from_tiny, quadrants, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        export({"tiny": from_tiny}, quadrants, tmp_path / "out")
    assert (tmp_path / "out/precious").read_text() == "mine"


def test_images_of_another_size_are_refused(tiny, from_tiny, quadrants, tmp_path):
    other = dataset_of_arrays("other", (quadrants.x_train[:, :6], quadrants.y_train))
    with pytest.raises(InputError, match=r"takes \(64,\), other has examples of \(6, 8\)"):
        export({"tiny": from_tiny}, other, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_manifest_records_how_it_was_made(from_tiny, quadrants, tmp_path):
    export({"tiny": from_tiny}, quadrants, tmp_path / "out", variants=["tflite:int8"], seed=3)
    data = json.loads((tmp_path / "out/manifest.json").read_text())
    assert data["source"]["dataset"]["seed"] == 3
    assert data["source"]["dataset"]["sha256"] == quadrants.sha256
    assert len(data["source"]["dataset"]["calibration_indices"]) == 500
    assert {"tensorflow", "tf2onnx", "edgepress"} <= set(data["tools"])


def test_a_microcontroller_gets_an_int8_file_and_its_header(from_tiny, quadrants, tmp_path):
    parts = {name: getattr(quadrants, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "quadrants.npz", **parts)
    arguments = ["export", from_tiny, "--data", tmp_path / "quadrants.npz", "--target", "microcontroller"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    manifest = Manifest.read(tmp_path / "out")
    assert [artifact.file for artifact in manifest.artifacts] == ["tiny-int8.tflite"]
    assert {spec.dtype for spec in (*manifest.artifacts[0].inputs, *manifest.artifacts[0].outputs)} == {"int8"}
    vela = {"tiny-int8.vela.json"} if find_spec("ethosu") else set()
    assert set(manifest.files) == {"selftest.npz", "tiny-int8.h"} | vela
    assert "TINY_INT8_ARENA_BYTES" in (tmp_path / "out/tiny-int8.h").read_text()
