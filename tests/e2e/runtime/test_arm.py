"""The promises of exactness, kept on ARM: real aarch64 and armhf wheels under user-mode emulation."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from emulation import emulator, needs_emulation

from edgepress.runtime.conformance.trial import run_trial

pytestmark = needs_emulation


def outputs(backend, bundle, files, images, delegate=False, python=None):
    """The outputs of `files`, by file name."""
    answers = run_trial(bundle, files, images, backend=backend, delegate=delegate, python=python)
    assert all(answer.output is not None for answer in answers.values()), answers
    return {file: answer.output for file, answer in answers.items()}


def emulated(arch, backend, bundle, files, images, delegate=False, release="bookworm"):
    command, environment = emulator(arch, backend, release)
    python = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), *command]
    return outputs(backend, bundle, files, images, delegate, python)


def distance(a, b):
    return np.abs(a.astype(np.float64) - b.astype(np.float64)).max()


@pytest.mark.parametrize("arch", ["arm64", "armhf"])
def test_tflite_runtime_is_bit_equal(arch, bundle, many_digits):
    files = ["digits-int8.tflite"]
    there = emulated(arch, "tflite-runtime", bundle, files, many_digits)
    # LiteRT with delegates off is bit-equal to tflite-runtime on x86-64, which a test of its own shows.
    here = outputs("litert", bundle, files, many_digits)
    assert np.array_equal(there[files[0]], here[files[0]])


def test_litert_on_arm64(bundle, many_digits):
    files = ["digits-int8.tflite", "digits-float32.tflite", "digits-dynamic-int8.tflite"]
    here = outputs("litert", bundle, files, many_digits)
    there = emulated("arm64", "litert", bundle, files, many_digits)
    assert np.array_equal(there["digits-int8.tflite"], here["digits-int8.tflite"])
    largest = np.abs(here["digits-float32.tflite"]).max()
    assert distance(there["digits-float32.tflite"], here["digits-float32.tflite"]) <= 1e-5 * max(1, largest)
    dynamic = [answers["digits-dynamic-int8.tflite"].argmax(axis=1) for answers in (here, there)]
    assert np.mean(dynamic[0] == dynamic[1]) >= 0.999
    quick = ["digits-int8.tflite"]
    here = outputs("litert", bundle, quick, many_digits, delegate=True)
    there = emulated("arm64", "litert", bundle, quick, many_digits, delegate=True)
    assert distance(there[quick[0]], here[quick[0]]) <= 1
    assert np.mean(there[quick[0]].argmax(axis=1) == here[quick[0]].argmax(axis=1)) >= 0.999


def test_onnxruntime_on_arm64(bundle, many_digits):
    files = ["digits-int8.onnx", "digits-float32.onnx"]
    here = outputs("onnxruntime", bundle, files, many_digits)
    there = emulated("arm64", "onnxruntime", bundle, files, many_digits)
    assert np.array_equal(there["digits-int8.onnx"], here["digits-int8.onnx"])
    largest = np.abs(here["digits-float32.onnx"]).max()
    assert distance(there["digits-float32.onnx"], here["digits-float32.onnx"]) <= 1e-5 * max(1, largest)


@pytest.mark.parametrize(("backend", "file"), [("litert", "digits-int8.tflite"), ("onnxruntime", "digits-int8.onnx")])
def test_the_next_raspberry_pi_os_has_python_3_13(backend, file, bundle, many_digits):
    images = many_digits[:500]
    there = emulated("arm64", backend, bundle, [file], images, release="trixie")
    assert np.array_equal(there[file], outputs(backend, bundle, [file], images)[file])


def test_onnxruntime_does_not_saturate_without_vnni(bundle, many_digits):
    if shutil.which("qemu-x86_64-static") is None:
        pytest.skip("needs Debian's package qemu-user-static")
    files, images = ["digits-int8.onnx"], many_digits[:2000]
    here = outputs("onnxruntime", bundle, files, images)
    # The emulator's largest x86-64 has AVX2 and no VNNI, like most machines in use.
    python = ["qemu-x86_64-static", "-cpu", "max", sys.executable]
    there = outputs("onnxruntime", bundle, files, images, python=python)
    assert np.array_equal(there[files[0]], here[files[0]])
    asked = (
        "import onnxruntime; from edgepress.runtime.backends.onnx_runtime import saturates as s; print(s(onnxruntime))"
    )
    assert subprocess.check_output([*python, "-c", asked], text=True).strip() == "True"
