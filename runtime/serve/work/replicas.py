"""One state of a bundle folder: its manifest, and its artifacts, loaded when first asked for."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ... import load
from ...bundle.manifest import MANIFEST_NAME, Artifact, Manifest
from .batching import Predict
from .options import Options
from .problems import Problem

__all__ = ["ServedArtifact", "ServedBundle", "stamp"]


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

    def __init__(self, folder: str | os.PathLike[str], options: Options) -> None:
        """Read the manifest, load the default artifact and try it on a blank picture.

        Raises:
            EdgepressError: No bundle, or one whose default artifact does not load or gives nonsense.
        """
        self.folder = Path(folder)
        self.stamp = stamp(folder)
        self.manifest = Manifest.read(folder)
        self._options = options
        self._loaded: dict[str, ServedArtifact] = {}
        self._lock = threading.Lock()
        self.users = 0
        """Requests under way that began with this bundle; counted by the service."""
        path = self.folder if options.artifact is None else self.folder / self.manifest.artifact(options.artifact).file
        self.default = self._keep(load(path, backend=options.backend, threads=options.threads))
        if self.manifest.output != "raw":
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

    def _keep(self, model: Any) -> ServedArtifact:
        def predict(images: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.float32]]:
            prediction = model.predict(images)
            return prediction.labels, prediction.probabilities

        def predict_known(images: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[np.float32]]:
            prediction = model.predict(images, unknown=True)
            return prediction.labels, prediction.probabilities

        served = ServedArtifact(model.artifact, model, predict, predict_known)
        self._loaded[model.artifact.file] = served
        return served

    def _try(self, served: ServedArtifact) -> None:
        blank = np.zeros((1, *self.manifest.preprocessing.shape), np.uint8)
        _, probabilities = served.predict(blank)
        if probabilities.shape != (1, len(self.manifest.labels)) or not np.isfinite(probabilities).all():
            raise InputError(
                f"{served.artifact.file} answers a blank picture with {probabilities.tolist()}: "
                f"{len(self.manifest.labels)} finite probabilities are wanted; export the bundle again"
            )


def stamp(folder: str | os.PathLike[str]) -> tuple[int, int, int] | None:
    """What changes when the folder holds a new manifest; None while it holds none."""
    try:
        status = os.stat(Path(folder) / MANIFEST_NAME)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
