"""Keras to TFLite, by TensorFlow's converter, in a process of its own: it may crash instead of raising.

A model's graph is written once (`freeze`); one process converts all models of an export to every variant, one after the
other, and where it dies the file that it was at is the one that failed, and another process goes on with the next.
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
from edgepress.data.rows import save_npz
from edgepress.runtime.formats.tflite_file import read_tflite
from edgepress.train import has_loops, rounding, unrolled

from ..errors import ConversionError
from ..quiet import quiet
from ..samples import Samples
from ..source import Source
from .freeze import Frozen, freeze
from .settings import FULL_INT8, Settings

__all__ = ["Conversions", "convert_all", "to_integers"]

_SILENT = 1800.0
"""Seconds for one conversion: of a large model with many calibration examples, on a small machine."""
_PLAIN, _AWARE, _UNROLLED, _ONE = "plain", "aware", "unrolled", "one"
"""The graph without quantizers, the one with those that training put in, the one without loops, and the plain one for
one example a call."""


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
        self._one_by_one: dict[Settings, str] = {}
        """What was not made of a graph with a free batch, and why."""

    def content(self, settings: Settings) -> bytes:
        """The file as the converter leaves it.

        Raises:
            ConversionError: The converter refuses, in its own words, or its process died.
        """
        if settings not in self._made:
            convert_all([self], settings)
        made = self._made[settings]
        if isinstance(made, str):
            raise ConversionError(f"tflite conversion: {made}")
        return made

    def missing(self, *further: Settings) -> list[Settings]:
        """What will be asked for and is not made yet."""
        return [each for each in dict.fromkeys((*self._wanted, *further)) if each not in self._made]

    def keep(self, settings: Settings, made: bytes | str) -> None:
        """Keep a file, or why there is none: the first reason, where there are two."""
        if isinstance(made, bytes) and settings not in self._one_by_one and _computes_shapes(made):
            made = "its shapes are known while it runs only"
        self._made[settings] = self._one_by_one.get(settings, made) if isinstance(made, str) else made

    def one_by_one(self) -> bool:
        """Whether something was not made that is to be tried once more, of a graph that takes one example a call: its
        shapes are known, where those of a free batch are computed by operators that few converters have."""
        failed = {each: why for each, why in self._made.items() if isinstance(why, str)}
        again = {
            each: why
            for each, why in failed.items()
            if each not in self._one_by_one and self._graph_for(each) == _PLAIN and not has_loops(self._source.model)
        }
        for each in again:
            del self._made[each]
        self._one_by_one |= again
        return bool(again)

    def prepare(self, wanted: Sequence[Settings], folder: Path, prefix: str) -> list[tuple[Settings, dict[str, Any]]]:
        """Write the graphs that are needed, and what to make of them; a graph that cannot be written is kept as such.

        Args:
            wanted: What to make.
            folder: Where the converter's process reads.
            prefix: Of this model's files there.
        """
        graphs = {settings: _ONE if settings in self._one_by_one else self._graph_for(settings) for settings in wanted}
        frozen = {
            graph: self._freeze(graph, folder / f"{prefix}{graph}.pb") for graph in dict.fromkeys(graphs.values())
        }
        jobs: list[tuple[Settings, dict[str, Any]]] = []
        for settings, graph in graphs.items():
            ends = frozen[graph]
            if isinstance(ends, str):
                self.keep(settings, ends)
                continue
            job = {
                "settings": asdict(settings), "graph": f"{prefix}{graph}.pb", "aware": graph == _AWARE,
                "calibration": f"{prefix}calibration.npz", "order": self._source.model.input_names,
            }  # fmt: skip
            # 16 bits have steps enough.
            clips = self._source.clipped if settings.takes_ranges else {}
            job["clipped"] = {name: [clip.low, clip.high] for name, clip in clips.items()}
            jobs.append((settings, job | {"inputs": ends.inputs, "outputs": ends.outputs}))
        if any(settings.activations != "float32" for settings, _ in jobs):
            save_npz(folder / f"{prefix}calibration.npz", self._calibration.inputs)
        return jobs

    def _graph_for(self, settings: Settings) -> str:
        if settings.takes_ranges and (self._source.quantized is not None or self._source.ranges):
            return _AWARE
        return _UNROLLED if settings.activations != "float32" and has_loops(self._source.model) else _PLAIN

    def _freeze(self, graph: str, path: Path) -> Frozen | str:
        """What goes in and comes out; why there is no such graph."""
        try:
            with quiet():
                if graph == _AWARE:
                    return self._freeze_aware(path)
                model = self._source.model
                if graph == _UNROLLED:
                    model = unrolled(model) or model
                # The converter knows loops for one example at a time only.
                return freeze(model, path, batch=1 if graph == _ONE or has_loops(model) else None)
        except Exception as error:  # Keras and TensorFlow raise whatever comes up.
            loop = "a recurrent layer cannot be unrolled: does its input leave the length open? " * (graph == _UNROLLED)
            return loop + _first_line(error)

    def _freeze_aware(self, path: Path) -> Frozen:
        if self._source.quantized is not None:
            return freeze(self._source.quantized, path)
        with rounding(self._source.model, self._source.ranges):
            return freeze(self._source.model, path)


def convert_all(models: Sequence[Conversions], *further: Settings) -> None:
    """Make what several models will be asked for, in one process.

    Args:
        models: Each is given its files.
        further: More that each of them is asked for.
    """
    _convert(models, further)
    if again := [model for model in models if model.one_by_one()]:
        _convert(again, further)


def _convert(models: Sequence[Conversions], further: Sequence[Settings]) -> None:
    with tempfile.TemporaryDirectory(prefix="edgepress-") as name:
        folder = Path(name)
        jobs = [
            (model, *job)
            for number, model in enumerate(models)
            for job in model.prepare(model.missing(*further), folder, f"{number}-")
        ]
        for number, (_, _, job) in enumerate(jobs):
            (folder / f"{number}.json").write_text(json.dumps(job))
        waiting = list(range(len(jobs)))
        while waiting:
            ended = run_module(__name__, name, *map(str, waiting), seconds=_SILENT, alive=folder / "alive")
            for number in tuple(waiting):
                model, settings, _ = jobs[number]
                made, refused = folder / f"{number}.tflite", folder / f"{number}.txt"
                waiting.remove(number)
                if made.exists():
                    model.keep(settings, made.read_bytes())
                elif refused.exists():
                    model.keep(settings, refused.read_text())
                else:
                    # It died at this one; the next process begins behind it.
                    model.keep(settings, f"the converter was lost: {ended.reason}")
                    break


def _computes_shapes(content: bytes) -> bool:
    """Whether a file computes what tensors are broadcast to: neither LiteRT nor ONNX Runtime runs that."""
    return any(each.name == "BROADCAST_ARGS" for each in read_tflite(content).main.operators)


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
            converter = _converter(folder / job["graph"], job, graphs)
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
    elif not job["aware"]:
        # A model trained with quantizers brings its ranges; asking for the integer set there demands data again.
        sets = tf.lite.OpsSet
        widened = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [
            widened if settings.activations == "int16" else sets.TFLITE_BUILTINS_INT8
        ]
        converter.representative_dataset = lambda: _one_by_one(
            folder / job["calibration"], job["order"], job["clipped"]
        )
    if settings.ends:
        converter.inference_input_type = converter.inference_output_type = getattr(tf, settings.ends)


def _one_by_one(path: Path, order: Sequence[str], clipped: Mapping[str, tuple[float, float]]) -> Iterator[Any]:
    with np.load(path) as archive:
        samples = Samples({name: archive[name] for name in order}, None).clipped(clipped)
    inputs = list(samples.inputs.values())
    for i in range(len(inputs[0])):
        yield [each[i : i + 1] for each in inputs]


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
