"""What export says about old runtimes, against the real old runtime."""

import json
import os
import subprocess

import pytest

from edgepress.export.describe import describe
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


def test_weights_are_of_the_type_that_the_variant_names(files):
    stored = {"float32": "float32", "float16": "float16", "int16x8": "int8"}
    for key, variant in VARIANTS.items():
        kind = stored.get(variant.name, "int4" if "int4" in variant.name else "int8")
        weights = describe(files[key]).weights
        share = weights.get(kind, 0) + (weights.get("uint8", 0) if kind == "int8" else 0)
        # TensorFlow's dynamic range leaves matrices of less than 1,024 weights in float.
        assert share > (0.7 if key == "tflite:dynamic-int8" else 0.999), (key, weights)
