"""Layer errors come from a process without TensorFlow, as on the command line."""

import json
import subprocess
import sys

import numpy as np

PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import numpy as np
from edgepress.export import compare_layers
quantized, float32, inputs = map(Path, sys.argv[1:])
print(json.dumps([asdict(each) for each in compare_layers(quantized, float32, dict(np.load(inputs)))]))
"""


def errors(quantized, float32, inputs, folder):
    path = folder / "inputs.npz"
    np.savez(path, **inputs)
    command = [sys.executable, "-c", PROGRAM, str(quantized), str(float32), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {each["layer"]: each for each in json.loads(done.stdout)}


def test_each_layer_is_judged_and_fewer_bits_cost_more(files, samples, tmp_path):
    inputs = samples[:32].inputs
    float32 = files["tflite:float32"]
    eight = errors(files["tflite:int8"], float32, inputs, tmp_path)
    four = errors(files["tflite:int4"], float32, inputs, tmp_path)
    assert list(eight) == ["dense", "dense_1", "logits"]
    for layer, error in eight.items():
        assert error["sqnr_db"] > 25
        assert error["worst_channel_sqnr_db"] <= error["sqnr_db"] + 1e-6
        assert error["cosine"] > 0.99
        assert four[layer]["sqnr_db"] < error["sqnr_db"]


def test_a_model_strays_not_at_all_from_itself(files, samples, tmp_path):
    own = errors(files["tflite:float32"], files["tflite:float32"], samples[:4].inputs, tmp_path)
    assert {error["sqnr_db"] for error in own.values()} == {200.0}
