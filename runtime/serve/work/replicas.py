"""One state of a bundle folder: its manifest, and its artifacts, loaded when first asked for."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.errors import InputError

from ... import load
from ...bundle.manifest import MANIFEST_NAME, Artifact, Manifest
from ..web.example import example_of
from .answers import ANSWERS, Columns
from .batching import Predict
from .options import Options
from .problems import Problem

__all__ = ["ServedArtifact", "ServedBundle", "stamp"]

_USUAL = "int8"


@dataclass(frozen=True)
class ServedArtifact:
    """An artifact that is ready to infer."""

    artifact: Artifact
    model: Any
    predict: Predict
    predict_known: Predict
    """The same, with the label "unknown" below the bundle's threshold."""


class ServedBundle:
    """What is served until the folder holds a new bundle. Safe from several threads."""

    def __init__(self, folder: str | os.PathLike[str], options: Options, name: str | None = None) -> None:
        """Read the manifest, load the default artifact and try it on a blank example.

        Raises:
            EdgepressError: No bundle, or one whose default artifact does not load or gives nonsense.
        """
        self.folder = Path(folder)
        self.stamp = stamp(folder)
        self.manifest = Manifest.read(folder)
        self.name = name or self.manifest.name
        """As clients call it."""
        self._options = options
        self._loaded: dict[str, ServedArtifact] = {}
        self._lock = threading.Lock()
        self.users = 0
        """Requests under way that began with this bundle; counted by the service."""
        path = self.folder if options.artifact is None else self.folder / self.manifest.artifact(options.artifact).file
        model = load(path, self._variant(), backend=options.backend, threads=options.threads)
        self.default = self._keep(model)
        self._try(self.default)

    def artifact(self, file: str) -> ServedArtifact:
        """The artifact with that file name, ready to infer.

        Raises:
            Problem: 404, the bundle has none of that name; 409, it does not load here.
        """
        with self._lock:
            if file in self._loaded:
                return self._loaded[file]
            try:
                artifact = self.manifest.artifact(file)
            except InputError as error:
                raise Problem(404, str(error)) from None
            try:
                # The backend that was asked for reads one format; artifacts of the other take the best one present.
                return self._keep(load(self.folder / artifact.file, threads=self._options.threads))
            except InputError as error:
                raise Problem(409, str(error)) from None

    def ready(self, file: str | None) -> ServedArtifact | None:
        """The artifact if it is loaded already; None names the default."""
        return self.default if file is None else self._loaded.get(file)

    def close(self) -> None:
        """Give the models' memory back."""
        with self._lock:
            for served in self._loaded.values():
                served.model.close()

    @cached_property
    def joins(self) -> bool:
        """Whether examples of several requests may be asked about together: they have one shape, and a row each."""
        only = self.manifest.contract.only
        return only is not None and min(only.shape, default=1) > 0 and ANSWERS[self.manifest.task.kind].joins

    @cached_property
    def example(self) -> Mapping[str, Any] | None:
        """The first golden example by input name, as people would send it; None where there is none."""
        return example_of(self.folder, self.manifest)

    def _variant(self) -> str:
        """What answers by default: int8 as `load` takes it, or what the default model has in its place."""
        own = [each.variant for each in self.manifest.artifacts if each.model == self.manifest.default_model]
        return own[0] if own and _USUAL not in own else _USUAL

    def _keep(self, model: Any) -> ServedArtifact:
        columns = ANSWERS[self.manifest.task.kind].columns

        def predict(examples: Any) -> Columns:
            return columns(model.predict(examples))

        def predict_known(examples: Any) -> Columns:
            return columns(model.predict(examples, unknown=True))

        served = ServedArtifact(model.artifact, model, predict, predict_known)
        self._loaded[model.artifact.file] = served
        return served

    def _try(self, served: ServedArtifact) -> None:
        """Ask about zeros. A raw model may be anything, and open sizes may have to fit each other."""
        task, inputs = self.manifest.task, self.manifest.contract.inputs
        if not task.traits.judged or any(size < 0 for each in inputs.values() for size in each.shape):
            return
        blank = {name: np.zeros((1, *each.shape), each.dtype) for name, each in inputs.items()}
        examples: Any = blank if len(blank) != 1 else next(iter(blank.values()))
        columns = served.predict(examples)
        count = len(task.labels)
        if task.classifies and columns[1].shape != (1, count):
            raise InputError(
                f"{served.artifact.file} answers a blank {self._kind} with {columns[1].tolist()}: {count} finite "
                "probabilities are wanted; export the bundle again"
            )

    @property
    def _kind(self) -> str:
        only = self.manifest.contract.only
        return "example" if only is None else only.kind


def stamp(folder: str | os.PathLike[str]) -> tuple[int, int, int] | None:
    """What changes when the folder holds a new manifest; None while it holds none."""
    try:
        status = os.stat(Path(folder) / MANIFEST_NAME)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
