"""Keras to TFLite, by TensorFlow's converter, in a process of its own: it may crash instead of raising.

A model's graph is written once (`freeze`); the process converts it to every variant, one after the other, and where it
dies the variant that it was at is the one that failed, and another process goes on with the next.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.child import run_module
from edgepress.base.extras import require
from edgepress.train import has_loops, unrolled

from ..errors import ConversionError
from ..quiet import quiet
from ..samples import Samples
from ..source import Source
from .freeze import Frozen, freeze
from .settings import FULL_INT8, Settings

__all__ = ["Conversions", "to_integers"]

_SILENT = 1800.0
"""Seconds for one conversion: of a large model with many calibration examples, on a small machine."""
_PLAIN, _AWARE, _UNROLLED = "plain", "aware", "unrolled"
"""The graph without quantizers, the one with those that training put in, and the one without loops."""


class Conversions:
    """The files of one model, made when the first of them is asked for."""

    def __init__(self, source: Source, calibration: Samples, wanted: Sequence[Settings] = ()) -> None:
        """
        Args:
            source: The model.
            calibration: Samples that the ranges of activations are measured on, where the model has none of its own.
            wanted: What will be asked for: one process makes it all.
        """
        self._source = source
        self._calibration = calibration
        self._wanted = tuple(wanted)
        self._made: dict[Settings, bytes | str] = {}

    def content(self, settings: Settings) -> bytes:
        """The file as the converter leaves it.

        Raises:
            ConversionError: The converter refuses, in its own words, or its process died.
        """
        if settings not in self._made:
            self._convert([each for each in dict.fromkeys((*self._wanted, settings)) if each not in self._made])
        made = self._made[settings]
        if isinstance(made, str):
            raise ConversionError(f"tflite conversion: {made}")
        return made

    def _convert(self, wanted: Sequence[Settings]) -> None:
        with tempfile.TemporaryDirectory(prefix="edgepress-") as name:
            folder = Path(name)
            graphs = {settings: self._graph_for(settings) for settings in wanted}
            frozen = {graph: self._freeze(graph, folder) for graph in dict.fromkeys(graphs.values())}
            jobs: list[tuple[Settings, dict[str, Any]]] = []
            for settings, graph in graphs.items():
                ends = frozen[graph]
                if isinstance(ends, str):
                    self._made[settings] = ends
                else:
                    jobs.append((settings, {"graph": graph, "inputs": ends.inputs, "outputs": ends.outputs}))
            if any(settings.activations != "float32" for settings, _ in jobs):
                np.savez(folder / "calibration.npz", **self._calibration.inputs)  # type: ignore[arg-type]
            order = self._source.model.input_names
            for number, (settings, about) in enumerate(jobs):
                job = {"settings": asdict(settings), "order": order, **about}
                (folder / f"{number}.json").write_text(json.dumps(job))
            waiting = list(range(len(jobs)))
            while waiting:
                ended = run_module(
                    __name__, str(folder), *map(str, waiting), seconds=_SILENT, alive=folder / "alive"
                )  # fmt: skip
                for number in tuple(waiting):
                    made, refused = folder / f"{number}.tflite", folder / f"{number}.txt"
                    if made.exists():
                        self._made[jobs[number][0]] = made.read_bytes()
                    elif refused.exists():
                        self._made[jobs[number][0]] = refused.read_text()
                    else:
                        # It died at this one; the next process begins behind it.
                        self._made[jobs[number][0]] = f"the converter was lost: {ended.reason}"
                        waiting.remove(number)
                        break
                    waiting.remove(number)

    def _graph_for(self, settings: Settings) -> str:
        if settings.takes_ranges and self._source.quantized is not None:
            return _AWARE
        return _UNROLLED if settings.activations != "float32" and has_loops(self._source.model) else _PLAIN

    def _freeze(self, graph: str, folder: Path) -> Frozen | str:
        """What goes in and comes out; why there is no such graph."""
        try:
            with quiet():
                model = self._source.quantized if graph == _AWARE else self._source.model
                if graph == _UNROLLED:
                    model = unrolled(model) or model
                # The converter knows loops for one example at a time only.
                return freeze(model, folder / f"{graph}.pb", batch=1 if has_loops(model) else None)
        except Exception as error:  # Keras and TensorFlow raise whatever comes up.
            loop = "a recurrent layer cannot be unrolled: does its input leave the length open? " * (graph == _UNROLLED)
            return loop + _first_line(error)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def to_integers(source: Source, calibration: Samples, settings: Settings = FULL_INT8) -> bytes:
    """An integer file as the converter leaves it.

    Args:
        source: The model. Ranges of 8 bits that training found are taken.
        calibration: Samples that the ranges of activations are measured on, where the model has none of its own.
        settings: Of the converter.

    Raises:
        ConversionError: The converter refuses.
    """
    return Conversions(source, calibration, [settings]).content(settings)


def _main(folder: Path, numbers: Sequence[str]) -> None:
    graphs: dict[str, Any] = {}
    for number in numbers:
        (folder / "alive").touch()
        job = json.loads((folder / f"{number}.json").read_text())
        try:
            converter = _converter(folder / f"{job['graph']}.pb", job, graphs)
            _set(converter, Settings(**job["settings"]), folder, job)
            with quiet():
                content: bytes = converter.convert()
        except Exception as error:  # Converters raise whatever their libraries do.
            (folder / f"{number}.txt").write_text(_first_line(error))
        else:
            whole = folder / f"{number}.part"
            whole.write_bytes(content)
            whole.rename(folder / f"{number}.tflite")


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
    if settings.weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif settings.activations == "float32":
        # Scales per channel raise FULLY_CONNECTED to version 12, which tflite-runtime 2.14 refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    elif job["graph"] != _AWARE:
        # A model trained with quantizers brings its ranges; asking for the integer set there demands data again.
        sets = tf.lite.OpsSet
        widened = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [
            widened if settings.activations == "int16" else sets.TFLITE_BUILTINS_INT8
        ]
        converter.representative_dataset = lambda: _one_by_one(folder, job["order"])
    if settings.ends:
        converter.inference_input_type = converter.inference_output_type = getattr(tf, settings.ends)


def _one_by_one(folder: Path, order: Sequence[str]) -> Iterator[Any]:
    with np.load(folder / "calibration.npz") as archive:
        inputs = [archive[name] for name in order]
    for i in range(len(inputs[0])):
        yield [each[i : i + 1] for each in inputs]


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
