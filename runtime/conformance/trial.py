"""One backend in a process of its own, run over a bundle's artifacts.

Native parsers crash, two TFLite builds in one process can kill it, and memory that was never written differs only
between processes: whatever must be known for sure is tried in a fresh one.
"""

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgepress.base.child import run_child
from edgepress.base.errors import EdgepressError, InputError, MissingExtraError

from ..backends import BACKENDS, Backend, other_python
from ..batches import run_batches
from ..bundle.manifest import Manifest
from .tensors import Tensors, by_name, read_tensors, unnamed, write_tensors

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["PORTION", "Answer", "run_trial", "trial_backends"]

_SECONDS = 300
"""Without a sign of life, after which a process counts as hung: large models on slow machines take long as a whole."""
PORTION = 256
"""Samples after which a process gives a sign of life."""
_ALIVE = "alive"


@dataclass(frozen=True, eq=False)
class Answer:
    """What became of one artifact: an output, a refusal, or a dead process."""

    output: Tensors | None = None
    """The output; for a model with several a dictionary by name."""
    refused: str | None = None
    """Why the backend would not load or run it."""
    killed: str | None = None
    """How the process ended that had it in hand."""
    alone: bool = True
    """Whether no other artifact had run in the process before."""


def _python(backend: Backend) -> Sequence[str] | None:
    """The interpreter that has the backend: this one, or the one that the environment names for it."""
    if backend.missing() is None:
        return [sys.executable]
    other = other_python(backend)
    return [other] if other else None


def trial_backends(names: Sequence[str] | None) -> list[Backend]:
    """The backends that can be tried here, in the order of preference.

    tflite-runtime needs an old numpy and so often lives in an environment of its own; the variable
    EDGEPRESS_TFLITE_RUNTIME_PYTHON names its interpreter.

    Args:
        names: Only these; all that are present by default.

    Raises:
        InputError: A name that is no backend's.
        MissingExtraError: One that was named is not here.
    """
    if names is None:
        return [backend for backend in BACKENDS.values() if _python(backend)]
    for name in names:
        if name not in BACKENDS:
            raise InputError(f"backend {name!r}: allowed are {', '.join(BACKENDS)}")
        if _python(BACKENDS[name]) is None:
            raise MissingExtraError(BACKENDS[name].missing())
    return [backend for backend in BACKENDS.values() if backend.name in names]


def run_trial(
    folder: Path,
    files: Sequence[str],
    feed: Tensors,
    *,
    backend: str,
    delegate: bool,
    python: Sequence[str] | None = None,
) -> dict[str, Answer]:
    """Run artifacts in one fresh process; when one kills it, the rest goes on in another.

    Args:
        folder: A bundle, or the folder that becomes one.
        files: Artifacts by file name.
        feed: Pictures as uint8 in the contract's shape, or real numbers by input name.
        backend: One of `trial_backends`.
        delegate: Whether it may use its default delegate.
        python: The command of an interpreter that has the backend, an emulated one for example; by default the one
            that `trial_backends` found.

    Returns:
        By file name: a classifier of pictures gives its first output, any other model all of them.
    """
    python = python or _python(BACKENDS[backend])
    assert python is not None
    answers: dict[str, Answer] = {}
    with tempfile.TemporaryDirectory(prefix="edgepress-trial-") as work:
        write_tensors(Path(work) / "feed.npz", {"feed": feed}, compress=False)
        while remaining := [file for file in files if file not in answers]:
            answers |= _run_process(python, folder, remaining, Path(work), backend, delegate)
    return answers


def _run_process(
    python: Sequence[str], folder: Path, files: list[str], work: Path, backend: str, delegate: bool
) -> dict[str, Answer]:
    request = {"folder": str(folder.resolve()), "files": files, "backend": backend, "delegate": delegate}
    (work / "request.json").write_text(json.dumps(request))
    command = [*python, "-m", f"{__package__}.trial", str(work)]
    ended = run_child(command, seconds=_SECONDS, alive=work / _ALIVE, env=_environment())
    answers: dict[str, Answer] = {}
    for index, file in enumerate(files):
        output, refusal = work / f"{index}.npz", work / f"{index}.txt"
        if output.is_file():
            answers[file] = Answer(output=read_tensors(output)["output"], alone=index == 0)
            output.unlink()
        elif refusal.is_file():
            answers[file] = Answer(refused=refusal.read_text(), alone=index == 0)
            refusal.unlink()
        else:
            answers[file] = Answer(killed=ended.reason, alone=index == 0)
            break
    return answers


def _environment() -> dict[str, str]:
    """A source tree runs from any environment; an installed edgepress stands beside a numpy that is not the other's."""
    spec = importlib.util.find_spec(__name__.partition(".")[0])
    if spec is None or spec.origin is None:
        return dict(os.environ)
    root = Path(spec.origin).parents[1]
    return dict(os.environ) if (root / "numpy").exists() else os.environ | {"PYTHONPATH": str(root)}


def _main(work: Path) -> None:
    """The other side: answers appear one by one, so that a dead process leaves those it gave."""
    from ..loading import load

    request = json.loads((work / "request.json").read_text())
    feed = read_tensors(work / "feed.npz")["feed"]
    manifest = Manifest.read(request["folder"])
    for index, file in enumerate(request["files"]):
        try:
            path = Path(request["folder"]) / file
            with load(path, backend=request["backend"], delegate=request["delegate"]) as model:
                output = _answers(model, manifest, feed, work / _ALIVE)
        except EdgepressError as error:
            (work / f"{index}.txt").write_text(str(error))
        else:
            write_tensors(work / "part.npz", {"output": output}, compress=False)
            os.replace(work / "part.npz", work / f"{index}.npz")


def _answers(model: "Model", manifest: Manifest, feed: Tensors, alive: Path) -> Tensors:
    """What the model says about everything that it is fed, portion by portion."""
    named = by_name(feed)
    parts = []
    for start in range(0, len(next(iter(named.values()))), PORTION):
        portion = unnamed({name: values[start : start + PORTION] for name, values in named.items()})
        parts.append(by_name(_answer(model, manifest, portion)))
        alive.touch()
    return unnamed({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _answer(model: "Model", manifest: Manifest, feed: Tensors) -> Tensors:
    if isinstance(feed, np.ndarray):
        if len(model.artifact.outputs) == 1:
            return model.raw_outputs(feed)
        (spec,) = model.artifact.inputs
        picture = manifest.preprocessing
        assert picture is not None
        feed = {spec.name: picture.normalize(feed).reshape(len(feed), *spec.shape[1:])}
    outputs = run_batches(model, feed)
    (first, *others) = outputs.values()
    return outputs if others else first


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
