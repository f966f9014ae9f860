"""The conformance matrix passes what is right and names what is not."""

import dataclasses
import shutil

import numpy as np
import pytest
from bundles import golden, write_bundle

from edgepress.runtime import InputError, Manifest
from edgepress.runtime.backends import BACKENDS
from edgepress.runtime.conformance.golden import Vectors, reference_outputs, write_selftest
from edgepress.runtime.conformance.matrix import conformance


@pytest.fixture(scope="module")
def tested(golden_bundle, digits, tmp_path_factory):
    """A bundle with golden vectors; not to be changed."""
    folder = shutil.copytree(golden_bundle, tmp_path_factory.mktemp("tested") / "bundle")
    write_selftest(folder, digits[0][:64], digits[1][:64])
    edit_manifest(folder, selftest="selftest.npz")
    return folder


def edit_manifest(folder, **changes):
    manifest = Manifest.read(folder)._replace(**changes)
    (folder / "manifest.json").write_text(manifest.to_json())


def test_a_sound_bundle_conforms_everywhere(tested):
    matrix = conformance(tested)
    assert matrix.ok, matrix.to_text()
    seen = {(cell.backend, cell.delegate) for cell in matrix.cells}
    assert {("litert", False), ("litert", True), ("numpy", False), ("onnxruntime", False)} <= seen
    exact = [c for c in matrix.cells if c.artifact == "digits-int8.tflite" and not c.delegate]
    assert exact
    for cell in exact:
        assert cell.tolerance == BACKENDS[cell.backend].quanta
        assert cell.difference <= cell.tolerance
    assert {0.0} == {BACKENDS[name].quanta for name in ("litert", "tflite-runtime", "onnxruntime", "numpy")}
    assert all(cell.accuracy > 0.8 for cell in matrix.cells)
    assert "digits-int8.onnx" in matrix.to_text()


def test_more_examples_than_a_portion_are_tried_again_in_part(golden_bundle, digits):
    images = np.resize(digits[0], (300, *digits[0].shape[1:]))
    files = ["digits-int8.tflite"]
    vectors = Vectors(images, None, reference_outputs(golden_bundle, images, files))
    found = conformance(golden_bundle, vectors=vectors, backends=["litert"], files=files)
    assert [cell.status for cell in found.cells] == ["pass", "pass"]


def test_golden_vectors_are_stable_and_labelled(tested, digits, tmp_path):
    vectors = Vectors.read(tested / "selftest.npz")
    assert np.array_equal(vectors.labels, digits[1][:64])
    assert vectors.outputs["digits-int8.tflite"].dtype == np.int8
    vectors.write(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tested / "selftest.npz").read_bytes()
    again = reference_outputs(tested, vectors.images, files=["digits-int8.tflite"])
    assert list(again) == ["digits-int8.tflite"]
    assert np.array_equal(again["digits-int8.tflite"], vectors.outputs["digits-int8.tflite"])


@pytest.mark.parametrize("file", ["digits-int8.tflite", "digits-float32.onnx"])
def test_another_answer_is_refused_by_name(tested, file):
    vectors = Vectors.read(tested / "selftest.npz")
    wrong = vectors.outputs[file].copy()
    wrong[5, 3] += 1
    matrix = conformance(tested, vectors=dataclasses.replace(vectors, outputs={**vectors.outputs, file: wrong}))
    assert list(matrix.refused) == [file]
    assert "is off by" in matrix.refused[file]
    assert not matrix.ok


def test_a_tolerance_of_the_manifest_counts(tested, tmp_path):
    copy = shutil.copytree(tested, tmp_path / "bundle")
    manifest = Manifest.read(copy)
    strict = [a._replace(tolerance={"numpy": 0.0, "litert": 0.0}) for a in manifest.artifacts]
    edit_manifest(copy, artifacts=tuple(strict))
    matrix = conformance(copy, files=["digits-float32.tflite"], backends=["litert", "numpy"])
    assert {(c.backend, c.delegate): c.status for c in matrix.cells} == {
        ("litert", False): "pass",
        ("litert", True): "pass",
        ("numpy", False): "fail",
    }


def test_a_dead_process_is_a_failed_cell_with_its_reason(tested, tmp_path, monkeypatch):
    fatal = tmp_path / "python"
    fatal.write_text("#!/bin/sh\nkill -SEGV $$\n")
    fatal.chmod(0o755)
    monkeypatch.setenv("EDGEPRESS_TFLITE_RUNTIME_PYTHON", str(fatal))
    matrix = conformance(tested, files=["digits-int8.tflite"], backends=["tflite-runtime", "numpy"])
    assert [cell.status for cell in matrix.cells] == ["killed", "killed", "pass"]
    assert matrix.refused == {"digits-int8.tflite": "tflite-runtime: killed by SIGSEGV"}


def test_a_damaged_artifact_is_refused(tested, tmp_path):
    copy = shutil.copytree(tested, tmp_path / "bundle")
    content = bytearray((copy / "digits-float16.tflite").read_bytes())
    content[2000] ^= 0xFF
    (copy / "digits-float16.tflite").write_bytes(content)
    matrix = conformance(copy, files=["digits-float16.tflite", "digits-int8.tflite"], backends=["litert"])
    assert list(matrix.refused) == ["digits-float16.tflite"]
    assert "SHA-256" in matrix.refused["digits-float16.tflite"]


def test_a_format_that_no_backend_reads_is_no_fault_but_nothing_to_publish(tested):
    matrix = conformance(tested, files=["digits-int8.tflite", "digits-int8.onnx"], backends=["litert"])
    assert matrix.ok
    assert matrix.untried == list(matrix.refused) == ["digits-int8.onnx"]
    assert not conformance(tested, files=["digits-int8.onnx"], backends=["litert"]).ok


def test_without_vectors_it_says_so(bundle, tmp_path):
    with pytest.raises(InputError, match="no golden vectors"):
        conformance(bundle)
    (tmp_path / "selftest.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InputError, match="no golden vectors"):
        Vectors.read(tmp_path / "selftest.npz")


def test_a_delegate_that_corrupts_is_caught_by_name(bundle_of, digits):
    """Sparse blocks: right with the built-in kernels, near chance with LiteRT's default delegate, and the fastest."""
    folder = bundle_of("block-sparse.tflite", "digits-float32.tflite")
    vectors = write_selftest(folder, digits[0][:64], digits[1][:64])
    matrix = conformance(folder, vectors=vectors, backends=["litert"])
    assert list(matrix.refused) == ["block-sparse.tflite"]
    assert "labels are the expected ones" in matrix.refused["block-sparse.tflite"]
    cells = {(c.artifact, c.delegate): c for c in matrix.cells}
    assert cells["block-sparse.tflite", False].accuracy > 0.75
    assert cells["block-sparse.tflite", True].accuracy < 0.4


def test_several_inputs_and_outputs_are_compared_one_by_one(tmp_path):
    """Real numbers by input name; each output has its own difference; nothing is classified."""
    folder = write_bundle(tmp_path / "bundle", golden("two-inputs.tflite"), model="two", output="raw")
    specs = Manifest.read(folder).artifacts[0].inputs
    random = np.random.default_rng(0)
    inputs = {spec.name: random.random((300, *spec.shape[1:]), np.float32) for spec in specs}
    outputs = reference_outputs(folder, inputs)
    Vectors(None, outputs=outputs, inputs=inputs).write(tmp_path / "vectors.npz")
    vectors = Vectors.read(tmp_path / "vectors.npz")
    matrix = conformance(folder, vectors=vectors, backends=["litert", "numpy"])
    assert [cell.status for cell in matrix.cells] == ["pass", "pass", "unsupported"], matrix.to_text()
    assert {(cell.agreement, cell.accuracy) for cell in matrix.cells} == {(None, None)}
    for output, right in outputs["two-inputs.tflite"].items():
        planted = {"two-inputs.tflite": dict(outputs["two-inputs.tflite"], **{output: right + np.float32(0.01)})}
        wrong = conformance(folder, vectors=dataclasses.replace(vectors, outputs=planted), backends=["litert"])
        assert wrong.refused["two-inputs.tflite"].startswith(f"litert: {output} is off by 0.01, ")
        without = {"two-inputs.tflite": right}
        other = conformance(folder, vectors=dataclasses.replace(vectors, outputs=without), backends=["litert"])
        assert "expected float32 (300, " in other.refused["two-inputs.tflite"]


def test_the_first_vectors_are_as_many_as_a_file_may_hold(monkeypatch):
    from edgepress.runtime.conformance import golden as selftest

    vectors = Vectors(None, outputs={"a.onnx": np.ones((9, 25))}, inputs={"x": np.ones((9, 75))})
    assert len(vectors.first(4).inputs["x"]) == len(vectors.first(4).outputs["a.onnx"]) == 4
    monkeypatch.setattr(selftest, "_LIMIT", 5 * 800)
    assert len(vectors.first(4).inputs["x"]) == 2


def test_a_runtime_that_computes_wrongly_is_caught_by_name(tested, monkeypatch):
    """One backend's answer for one artifact is another one: that artifact is refused, the others are not."""
    from edgepress.runtime.conformance import matrix as module

    real = module.run_trial

    def planted(folder, files, images, *, backend, delegate):
        answers = real(folder, files, images, backend=backend, delegate=delegate)
        if backend == "numpy" and "digits-int8.tflite" in answers:
            wrong = np.roll(answers["digits-int8.tflite"].output, 1, axis=1)
            answers["digits-int8.tflite"] = dataclasses.replace(answers["digits-int8.tflite"], output=wrong)
        return answers

    monkeypatch.setattr(module, "run_trial", planted)
    matrix = conformance(tested, files=["digits-int8.tflite", "digits-float32.tflite"])
    assert list(matrix.refused) == ["digits-int8.tflite"]
    assert matrix.refused["digits-int8.tflite"].startswith("numpy: ")
