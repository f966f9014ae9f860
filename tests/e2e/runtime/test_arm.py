"""The promises of exactness, kept on ARM: real aarch64 and armhf wheels under user-mode emulation."""

import json
import shutil
import sys

import numpy as np
import pytest
from emulation import emulator, needs_emulation, run

from edgepress.runtime.trial import run_trial

pytestmark = needs_emulation


def emulated(arch, backend, bundle, files, images, work, delegate=False):
    """The outputs of `files` under emulation, by file name."""
    work.mkdir()
    np.save(work / "images.npy", images)
    request = {"folder": str(bundle), "files": files, "backend": backend, "delegate": delegate}
    (work / "request.json").write_text(json.dumps(request))
    command, environment = emulator(arch, backend)
    run(*command, "-m", "edgepress.runtime.trial", work, env=environment)
    refused = {file: (work / f"{i}.txt").read_text() for i, file in enumerate(files) if (work / f"{i}.txt").exists()}
    assert not refused
    return {file: np.load(work / f"{i}.npy") for i, file in enumerate(files)}


def native(backend, bundle, files, images, delegate=False):
    answers = run_trial(bundle, files, images, backend=backend, delegate=delegate)
    assert all(answer.output is not None for answer in answers.values()), answers
    return {file: answer.output for file, answer in answers.items()}


def distance(a, b):
    return np.abs(a.astype(np.float64) - b.astype(np.float64)).max()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("arch", ["arm64", "armhf"])
def test_tflite_runtime_is_bit_equal(arch, bundle, many_digits, tmp_path):
    files = ["digits-int8.tflite"]
    there = emulated(arch, "tflite-runtime", bundle, files, many_digits, tmp_path / "work")
    # LiteRT with delegates off is bit-equal to tflite-runtime on x86-64, which a test of its own shows.
    here = native("litert", bundle, files, many_digits)
    assert np.array_equal(there[files[0]], here[files[0]])


@pytest.mark.timeout(400)
def test_litert_on_arm64(bundle, many_digits, tmp_path):
    files = ["digits-int8.tflite", "digits-float32.tflite", "digits-dynamic-int8.tflite"]
    here = native("litert", bundle, files, many_digits)
    there = emulated("arm64", "litert", bundle, files, many_digits, tmp_path / "off")
    assert np.array_equal(there["digits-int8.tflite"], here["digits-int8.tflite"])
    largest = np.abs(here["digits-float32.tflite"]).max()
    assert distance(there["digits-float32.tflite"], here["digits-float32.tflite"]) <= 1e-5 * max(1, largest)
    dynamic = [outputs["digits-dynamic-int8.tflite"].argmax(axis=1) for outputs in (here, there)]
    assert np.mean(dynamic[0] == dynamic[1]) >= 0.999
    quick = ["digits-int8.tflite"]
    here = native("litert", bundle, quick, many_digits, delegate=True)
    there = emulated("arm64", "litert", bundle, quick, many_digits, tmp_path / "on", delegate=True)
    assert distance(there[quick[0]], here[quick[0]]) <= 1
    assert np.mean(there[quick[0]].argmax(axis=1) == here[quick[0]].argmax(axis=1)) >= 0.999


@pytest.mark.timeout(400)
def test_onnxruntime_on_arm64(bundle, many_digits, tmp_path):
    files = ["digits-int8.onnx", "digits-float32.onnx"]
    here = native("onnxruntime", bundle, files, many_digits)
    there = emulated("arm64", "onnxruntime", bundle, files, many_digits, tmp_path / "work")
    assert np.array_equal(there["digits-int8.onnx"], here["digits-int8.onnx"])
    largest = np.abs(here["digits-float32.onnx"]).max()
    assert distance(there["digits-float32.onnx"], here["digits-float32.onnx"]) <= 1e-5 * max(1, largest)


@pytest.mark.timeout(400)
def test_onnxruntime_does_not_saturate_without_vnni(bundle, many_digits, tmp_path):
    if shutil.which("qemu-x86_64-static") is None:
        pytest.skip("needs Debian's package qemu-user-static")
    files, images = ["digits-int8.onnx"], many_digits[:2000]
    here = native("onnxruntime", bundle, files, images)
    work = tmp_path / "work"
    work.mkdir()
    np.save(work / "images.npy", images)
    request = {"folder": str(bundle), "files": files, "backend": "onnxruntime", "delegate": False}
    (work / "request.json").write_text(json.dumps(request))
    # The emulator's largest x86-64 has AVX2 and no VNNI, like most machines in use.
    run("qemu-x86_64-static", "-cpu", "max", sys.executable, "-m", "edgepress.runtime.trial", work)
    assert np.array_equal(np.load(work / "0.npy"), here[files[0]])
