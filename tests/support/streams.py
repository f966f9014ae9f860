"""Bundles that listen: ONNX models of a few nodes that hear tones, or add up channels, and streams made for them."""

from pathlib import Path

import numpy as np
import onnx
from bundles import write_bundle
from onnx import TensorProto, helper, numpy_helper

from edgepress.runtime import Contract, Task
from edgepress.runtime.contract import Audio, Signal

RATE, WINDOW = 8000, 2000
TONES = {"low": 300.0, "middle": 700.0, "high": 1500.0}
SHAKE = Signal(20, ("x", "y"), ("g", "g"), rate=50.0)


def _bundle(folder, name, shape, outputs, nodes, constants, contract, task):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *outputs])
    initializers = [numpy_helper.from_array(array, key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    content = {f"{name}-float32.onnx": model.SerializeToString()}
    return write_bundle(Path(folder), content, name=name, contract=Contract({"x": contract}), task=task)


def tones_bundle(folder, kind="multiclass", tones=TONES):
    """Which tone a quarter of a second holds, whatever its phase: the power at each frequency."""
    turns = 2 * np.pi * np.outer(np.arange(WINDOW) / RATE, list(tones.values()))
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32) / np.float32(WINDOW)
    join = np.concatenate([np.eye(len(tones)), np.eye(len(tones))]).astype(np.float32) * np.float32(4000)
    nodes = [
        helper.make_node("MatMul", ["x", "waves"], ["parts"]),
        helper.make_node("Mul", ["parts", "parts"], ["powers"]),
        helper.make_node("MatMul", ["powers", "join"], ["sums"]),
        helper.make_node("Add", ["sums", "least"], ["y"]),
    ]
    least = np.full(len(tones), 0.0 if kind == "multiclass" else -4.0, np.float32)
    constants = {"waves": waves, "join": join, "least": least}
    task = Task(kind, "logits", tuple(tones))
    return _bundle(folder, "tones", (WINDOW,), (len(TONES),), nodes, constants, Audio(RATE, WINDOW), task)


def shake_bundle(folder, task, contract=SHAKE):
    """Sums of each channel over a window of 0.4 s, as logits, numbers or raw; for anomalies zeros in place of it."""
    if task.kind == "anomaly":
        nodes = [helper.make_node("Mul", ["x", "zero"], ["y"])]
        constants = {"zero": np.zeros(1, np.float32)}
        return _bundle(folder, "shake", contract.shape, contract.shape, nodes, constants, contract, task)
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)]
    return _bundle(folder, "shake", contract.shape, (2,), nodes, {}, contract, task)


def tones_at(times, seconds, rate=RATE, length=0.2, loud=0.2, noise=0.001, seed=0):
    """Tones by name at these times in seconds over quiet noise. float32 (n,)."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, noise, round(seconds * rate))
    for time, name in times:
        at, count = round(time * rate), round(length * rate)
        sound[at : at + count] += loud * np.sin(2 * np.pi * TONES[name] * np.arange(count) / rate)
    return sound.astype(np.float32)
