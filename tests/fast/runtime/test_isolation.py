"""A child process with limits: equal answers, and a dead child is a Python exception."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from edgepress.runtime import ArtifactRefusedError, InputError, load
from edgepress.runtime.backends import BACKENDS, isolated, present_backends


@pytest.mark.parametrize(
    ("file", "backend"), [(f"int8.{format}", n) for n in present_backends() for format in BACKENDS[n].formats]
)
def test_isolated_answers_are_equal(bundle, digits, file, backend):
    images = digits[0][:300]
    with (
        load(bundle / f"digits-{file}", backend=backend) as here,
        load(bundle / f"digits-{file}", backend=backend, isolate=True) as there,
    ):
        assert there.backend == here.backend
        assert np.array_equal(there.predict(images).probabilities, here.predict(images).probabilities)
        spec = here.artifact.inputs[0]
        x = np.zeros((3, 784), spec.dtype)
        assert np.array_equal(there.run(x), here.run(x))
        with pytest.raises(InputError, match="is allowed"):
            there.run(x[:, :9])


def test_a_child_that_dies_is_an_exception(bundle, digits):
    with load(bundle, isolate=True) as model:
        os.kill(model._session._process.pid, signal.SIGSEGV)
        for _ in range(2):
            with pytest.raises(ArtifactRefusedError, match="killed by SIGSEGV"):
                model.predict(digits[0][:2])


def test_a_child_that_hangs_is_ended(bundle, digits, monkeypatch):
    with load(bundle, isolate=True) as model:
        monkeypatch.setattr(isolated, "_SECONDS", 0.2)
        os.kill(model._session._process.pid, signal.SIGSTOP)
        with pytest.raises(ArtifactRefusedError, match=r"no answer in 0\.2 s"):
            model.predict(digits[0][:2])


def test_a_child_that_wants_too_much_memory_is_refused(bundle, monkeypatch):
    program = "from edgepress.runtime.backends.isolated_child import limit; limit(0); bytearray(2 << 30)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr


def test_a_process_of_ones_own_is_limited_while_it_loads():
    program = (
        "from edgepress.runtime.backends.limits import limited_memory\n"
        "try:\n    with limited_memory(0): bytearray(2 << 30)\nexcept MemoryError: bytearray(2 << 30); print('free')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "free\n"


def test_no_child_is_left(bundle):
    model = load(bundle, isolate=True)
    process = model._session._process
    model.close()
    assert process.returncode is not None


def test_a_bad_file_is_refused_by_its_parser(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"\x08\x07nonsense")
    with pytest.raises(InputError, match="cannot load"):
        load(tmp_path / "x.onnx", isolate=True)
