"""What export says about old runtimes, against the real old runtime."""

import json
import os
import subprocess

import pytest

from edgepress.export.inspect.describe import describe
from edgepress.export.variants import VARIANTS

PYTHON = os.environ.get("EDGEPRESS_TFLITE_RUNTIME_PYTHON")
PROGRAM = """
import json, sys
import numpy as np
from tflite_runtime.interpreter import Interpreter
loaded = []
for path in sys.argv[1:]:
    try:
        interpreter = Interpreter(path)
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (RuntimeError, ValueError):
        continue
    loaded.append(path)
print(json.dumps(loaded))
"""


@pytest.mark.skipif(not PYTHON, reason="EDGEPRESS_TFLITE_RUNTIME_PYTHON names no interpreter with tflite-runtime")
def test_tflite_runtime_loads_just_the_files_that_say_so(files):
    paths = [str(path) for key, path in files.items() if key.startswith("tflite:")]
    done = subprocess.run([PYTHON, "-c", PROGRAM, *paths], capture_output=True, text=True, check=True)
    said = [path for path in paths if "tflite-runtime" in describe(path).oldest_runtime]
    assert json.loads(done.stdout) == said
    assert 0 < len(said) < len(paths)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("tflite:float32", {"ai-edge-litert": "1.0", "tensorflow-lite": "1.5", "tflite-runtime": "2.5"}),
        ("tflite:dynamic-int8", {"ai-edge-litert": "1.0", "tensorflow-lite": "2.3", "tflite-runtime": "2.5"}),
        ("tflite:int4", {"ai-edge-litert": "1.0", "tensorflow-lite": "2.17"}),
        ("tflite:dynamic-int4", {"ai-edge-litert": "1.0", "tensorflow-lite": "2.17"}),
        ("onnx:int8", {"onnxruntime": "1.12"}),
        ("onnx:dynamic-int4", {"onnxruntime": "1.17"}),
    ],
)
def test_releases_follow_from_operator_versions(files, key, expected):
    assert describe(files[key]).oldest_runtime == expected


STORED = {
    "float32": {"float32"},
    "float16": {"float16"},
    "dynamic-int8": {"int8", "uint8"},
    "int8": {"int8", "uint8"},
    "int8-float-io": {"int8"},
    "int8-percentile": {"uint8"},
    "int16x8": {"int8"},
    "mixed": {"int8", "int4"},
    "dynamic-int4": {"int4"},
    "int4": {"int4"},
}


def test_weights_are_of_the_type_that_the_variant_names(files):
    for key, variant in VARIANTS.items():
        weights = describe(files[key]).weights
        share = sum(weights.get(kind, 0) for kind in STORED[variant.name])
        # TensorFlow's dynamic range leaves matrices of less than 1,024 weights in float.
        assert share > (0.7 if key == "tflite:dynamic-int8" else 0.999), (key, weights)
