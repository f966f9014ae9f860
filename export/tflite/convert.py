"""Keras to TFLite, by TensorFlow's converter, in a process of its own: it may crash instead of raising.

A model's graph is written once (`freeze`); one process converts all models of an export to every variant, one after the
other, and where it dies the file that it was at is the one that failed, and another process goes on with the next.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgepress.base.child import Started, start_module
from edgepress.data.rows import save_npz
from edgepress.runtime.formats.tflite_file import read_tflite
from edgepress.train import has_loops, on_one_scale, rounding, unrolled

from ..errors import ConversionError, first_line
from ..quiet import quiet
from ..samples import Samples
from ..source import Source
from . import process
from .freeze import Frozen, freeze
from .settings import FULL_INT8, Settings

__all__ = ["Conversions", "convert_all", "converting", "start_converter", "to_integers"]

_SILENT = 1800.0
"""Seconds for one conversion: of a large model with many calibration examples, on a small machine."""
_GLANCE = 0.02
"""Seconds between looks at what is made."""
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
        self.wanted = tuple(dict.fromkeys(wanted))
        """In the order in which it is made."""
        self._made: dict[Settings, bytes | str] = {}
        self._one_by_one: dict[Settings, str] = {}
        """What was not made of a graph with a free batch, and why."""
        self.work: _Work | None = None
        """The processes that are at it."""

    def content(self, settings: Settings) -> bytes:
        """The file as the converter leaves it.

        Raises:
            ConversionError: The converter refuses, in its own words, or its process died.
        """
        if self.work is not None:
            self.work.wait(self, settings)
        if settings not in self._made:
            convert_all([self], settings)
        made = self._made[settings]
        if isinstance(made, str):
            raise ConversionError(f"tflite conversion: {made}")
        return made

    def finish(self) -> None:
        """Wait until all that will be asked for is made."""
        if self.work is not None:
            self.work.finish()

    def failed(self, settings: Settings) -> bool:
        """Whether a file could not be made."""
        return isinstance(self._made.get(settings), str)

    def missing(self, *further: Settings) -> list[Settings]:
        """What will be asked for and is not made yet."""
        return [each for each in dict.fromkeys((*self.wanted, *further)) if each not in self._made]

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
        one_scale, plain = on_one_scale(self._source.model), self._source.quantized is None
        jobs: list[tuple[Settings, dict[str, Any]]] = []
        calibrations: dict[str, dict[str, tuple[float, float]]] = {}
        for settings, graph in graphs.items():
            ends = frozen[graph]
            if isinstance(ends, str):
                self.keep(settings, ends)
                continue
            job = {
                "settings": asdict(settings), "graph": f"{prefix}{graph}.pb", "aware": graph == _AWARE,
                "order": self._source.model.input_names, "one_scale": plain and one_scale.all,
                "one_scale_matrices": plain and one_scale.matrices,
            }  # fmt: skip
            if settings.activations != "float32":
                # 16 bits have steps enough.
                clips = self._source.clipped if settings.takes_ranges else {}
                job["calibration"] = f"{prefix}{'clipped' if clips else 'calibration'}.npz"
                calibrations[job["calibration"]] = {name: (clip.low, clip.high) for name, clip in clips.items()}
            jobs.append((settings, job | {"inputs": ends.inputs, "outputs": ends.outputs}))
        for name, clipped in calibrations.items():
            save_npz(folder / name, self._calibration.clipped(clipped).inputs)
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
            return loop + first_line(error)

    def _freeze_aware(self, path: Path) -> Frozen:
        if self._source.quantized is not None:
            return freeze(self._source.quantized, path)
        with rounding(self._source.model, self._source.ranges):
            return freeze(self._source.model, path, one_scale=on_one_scale(self._source.model).some)


def convert_all(models: Sequence[Conversions], *further: Settings) -> None:
    """Make what several models will be asked for, in one process.

    Args:
        models: Each is given its files.
        further: More that each of them is asked for.
    """
    with converting(models, *further):
        for model in models:
            model.finish()


def start_converter() -> Started:
    """A process that is ready to convert once it has imported what that takes."""
    return start_module(process.__name__)


@contextmanager
def converting(models: Sequence[Conversions], *further: Settings, by: Started | None = None) -> Iterator[None]:
    """Let a process make what several models will be asked for, beside what is done inside the block.

    Args:
        models: Each is given its files; `content` waits for one alone.
        further: More that each of them is asked for.
        by: The process that begins.
    """
    before = [model.work for model in models]
    with _Work(models, further, by) as work:
        for model in models:
            model.work = work
        try:
            yield
        finally:
            for model, other in zip(models, before, strict=True):
                model.work = other


class _Work:
    """Processes that convert, one after the other, and what they have made by now."""

    def __init__(self, models: Sequence[Conversions], further: Sequence[Settings], by: Started | None) -> None:
        self._models, self._further, self._next = models, further, by
        self._kept = ExitStack()
        self._again = True
        """Whether what was not made is to be tried once more."""

    def __enter__(self) -> "_Work":
        self._begin(self._models)
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def _begin(self, models: Sequence[Conversions]) -> None:
        self._kept.close()
        self._folder = Path(self._kept.enter_context(tempfile.TemporaryDirectory(prefix="edgepress-")))
        self._jobs = [
            (model, *job)
            for number, model in enumerate(models)
            for job in model.prepare(model.missing(*self._further), self._folder, f"{number}-")
        ]
        for number, (_, _, job) in enumerate(self._jobs):
            (self._folder / f"{number}.json").write_text(json.dumps(job))
        self._waiting = list(range(len(self._jobs)))
        self._start()

    def _start(self) -> None:
        """A process for what is waiting."""
        if not self._waiting:
            return
        running, self._next = self._next or start_converter(), None
        # Files appear while it runs; a thread waits for its end, which comes first where we leave.
        self._kept.enter_context(running)
        thread = self._kept.enter_context(ThreadPoolExecutor(max_workers=1))
        self._kept.callback(running.kill)
        said = json.dumps([str(self._folder), self._waiting]) + "\n"
        self._end = thread.submit(running.ended, said, seconds=_SILENT, alive=self._folder / process.ALIVE)

    def wait(self, model: Conversions, settings: Settings) -> None:
        """Until a file is there, or why there is none is known."""
        while any(self._jobs[number][:2] == (model, settings) for number in self._waiting):
            self._collect()
        if model.failed(settings):
            self.finish()

    def finish(self) -> None:
        """Until everything is made."""
        while self._waiting:
            self._collect()
        if self._again:
            self._again = False
            if again := [model for model in self._models if model.one_by_one()]:
                self._begin(again)
                self.finish()

    def _collect(self) -> None:
        """Hand over what is there, or look again a moment later."""
        over = self._end.done()
        for number in tuple(self._waiting):
            model, settings, _ = self._jobs[number]
            made, refused = self._folder / f"{number}.tflite", self._folder / f"{number}.txt"
            if made.exists():
                model.keep(settings, made.read_bytes())
            elif refused.exists():
                model.keep(settings, refused.read_text())
            elif over:
                # It died at this one; the next process begins behind it.
                model.keep(settings, f"the converter was lost: {self._end.result().reason}")
                self._waiting.remove(number)
                self._start()
                return
            else:
                time.sleep(_GLANCE)
                return
            self._waiting.remove(number)


def _computes_shapes(content: bytes) -> bool:
    """Whether a file computes what tensors are broadcast to: neither LiteRT nor ONNX Runtime runs that."""
    return any(each.name == "BROADCAST_ARGS" for each in read_tflite(content).main.operators)


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
