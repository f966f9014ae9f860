"""OpenVINO gives the file's own names and types, computes in float32, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgepress.runtime import InputError, load
from edgepress.runtime.backends import BACKENDS
from edgepress.runtime.backends.base import Session
from edgepress.runtime.backends.openvino import OpenvinoSession
from edgepress.runtime.formats.content import Content

pytestmark = pytest.mark.skipif(BACKENDS["openvino"].missing() is not None, reason="openvino is not installed")
GOLDEN = Path(__file__).parents[2] / "golden"
FILES = (
    "conv.tflite", "cropped.tflite", "depthwise.tflite", "normalized.tflite", "two-inputs.tflite",
    "digits-int8.tflite", "digits-float32.tflite", "digits-float16.tflite", "digits-int8.onnx", "digits-float32.onnx",
)  # fmt: skip


@pytest.mark.parametrize("file", FILES)
def test_names_types_and_answers_are_the_files_own(file):
    rng = np.random.default_rng(0)
    with load(GOLDEN / file, delegate=False) as other, load(GOLDEN / file, backend="openvino") as model:
        assert other.backend != "openvino"
        assert model.artifact.inputs == other.artifact.inputs
        assert model.artifact.outputs == other.artifact.outputs
        for count in (3, 1, 5):
            feed = {
                spec.name: rng.integers(-128, 128, (count, *spec.shape[1:])).astype(spec.dtype)
                if spec.dtype == "int8"
                else rng.random((count, *spec.shape[1:]), np.float32)
                for spec in model.artifact.inputs
            }
            given, wanted = model.run(feed), other.run(feed)
            named = given if isinstance(given, dict) else {"": given}
            for name, values in named.items():
                expected = wanted[name] if name else wanted
                assert (values.dtype, values.shape) == (expected.dtype, expected.shape)
                # Quantized inside, a depthwise model of three outputs: one step of its weights.
                bound = BACKENDS["openvino"].quanta if values.dtype == np.int8 else 2e-3
                assert np.abs(values.astype(float) - expected.astype(float)).max() <= bound


def test_settings_reach_the_library():
    content = Content((GOLDEN / "digits-float32.onnx").read_bytes(), "onnx")
    for threads in (1, 2):
        session: Session = OpenvinoSession("openvino", content, threads, True)
        compiled = session._compiled
        assert compiled.get_property("INFERENCE_NUM_THREADS") == threads
        assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
        session.close()


def test_float64_is_refused_for_it_would_be_computed_in_float32():
    """1e199 became 3.4e38 in silence."""
    onnx = pytest.importorskip("onnx", reason="needs the toolkit extra")
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "doubles", value[:1], value[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(InputError, match="computes float64 as float32"):
        OpenvinoSession("openvino", Content(model.SerializeToString(), "onnx"), 1, True)


def test_a_file_that_it_cannot_read_is_one_line():
    with pytest.raises(InputError, match="openvino cannot load the model: ") as caught:
        load(GOLDEN / "lstm.tflite", backend="openvino")
    assert "\n" not in str(caught.value)


def test_nothing_is_written_and_nothing_is_sent(tmp_path):
    program = (
        "import json, socket, sys, os, threading\n"
        "def none(*a, **k): print('a connection', file=sys.stderr); os._exit(9)\n"
        "socket.socket.connect = socket.getaddrinfo = none\n"
        "from edgepress.runtime import load\n"
        "for file in sys.argv[1:]:\n"
        "    load(file, backend='openvino').close()\n"
        "print(json.dumps(threading.active_count()))\n"
    )
    files = [str(GOLDEN / "digits-int8.tflite"), str(GOLDEN / "digits-int8.onnx")]
    env = os.environ | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program, *files], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == 1
    assert not done.stderr
    assert not list(tmp_path.rglob("*"))


def test_a_name_that_is_no_text_is_refused(tmp_path):
    content = (GOLDEN / "conv.tflite").read_bytes()
    name = b"serving_default_input_1:0"
    assert content.count(name) == 1
    (tmp_path / "m.tflite").write_bytes(content.replace(name, b"\xff" + name[1:]))
    with pytest.raises(InputError, match="UTF-8"):
        load(tmp_path / "m.tflite", backend="openvino")
