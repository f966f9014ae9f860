"""The program that converts: `python -m edgepress.export.tflite.process`, told on standard input what to do.

TensorFlow's converter may crash instead of raising, so that it works in a process of its own. That imports TensorFlow
before anything is asked of it, beside what its caller does. Then it reads one line, a folder and the numbers of the
jobs there, as `convert` writes them.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.extras import require

from ..errors import first_line
from ..quiet import quiet
from .settings import Settings

__all__ = ["ALIVE"]

ALIVE = "alive"
"""The file that is touched before each job."""


def _main(folder: Path, numbers: Sequence[int]) -> None:
    graphs: dict[str, Any] = {}
    for number in numbers:
        (folder / ALIVE).touch()
        job = json.loads((folder / f"{number}.json").read_text())
        try:
            converter = _converter(folder / job["graph"], job, graphs)
            _set(converter, Settings(**job["settings"]), folder, job)
            with quiet():
                content: bytes = converter.convert()
        except Exception as error:  # Converters raise whatever their libraries do.
            _write(folder / f"{number}.txt", first_line(error).encode())
        else:
            _write(folder / f"{number}.tflite", content)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: it is waited for."""
    whole = path.with_suffix(".part")
    whole.write_bytes(content)
    whole.rename(path)


def _converter(path: Path, job: Mapping[str, Any], graphs: dict[str, Any]) -> Any:
    tf = require("tensorflow", extra="toolkit")
    if job["graph"] not in graphs:
        graph = tf.compat.v1.GraphDef.FromString(path.read_bytes())
        wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
        ends = [[wrapped.graph.get_tensor_by_name(name) for name in job[side]] for side in ("inputs", "outputs")]
        graphs[job["graph"]] = wrapped.prune(*ends)
    return tf.lite.TFLiteConverter.from_concrete_functions([graphs[job["graph"]]])


def _set(converter: Any, settings: Settings, folder: Path, job: Mapping[str, Any]) -> None:
    tf = require("tensorflow", extra="toolkit")
    if settings.weights == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter._experimental_disable_per_channel = job["one_scale"]
    converter._experimental_disable_per_channel_quantization_for_dense_layers = job["one_scale_matrices"]
    if settings.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif settings.activations == "float32":
        # Scales per channel raise FULLY_CONNECTED to version 12, which tflite-runtime 2.14 refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    elif not job["aware"]:
        # A model trained with quantizers brings its ranges; asking for the integer set there demands data again.
        sets = tf.lite.OpsSet
        widened = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [
            widened if settings.activations == "int16" else sets.TFLITE_BUILTINS_INT8
        ]
        converter.representative_dataset = lambda: _one_by_one(folder / job["calibration"], job["order"])
    if settings.ends:
        converter.inference_input_type = converter.inference_output_type = getattr(tf, settings.ends)


def _one_by_one(path: Path, order: Sequence[str]) -> Iterator[Any]:
    with np.load(path) as archive:
        inputs = [archive[name] for name in order]
    for i in range(len(inputs[0])):
        yield [each[i : i + 1] for each in inputs]


if __name__ == "__main__":
    # TensorFlow imports them where they are there, and with Keras scikit-learn and pandas: 2 of 5 s. Nothing here needs
    # them.
    sys.modules |= dict.fromkeys(("keras", "jax"))  # type: ignore[arg-type]
    require("tensorflow", extra="toolkit")
    if asked := sys.stdin.readline():
        place, jobs = json.loads(asked)
        _main(Path(place), jobs)
