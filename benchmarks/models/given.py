"""From a path to what is measured there: a bundle, one of its files, a lone model file, a Keras model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgepress.runtime import Artifact, InputError, Manifest
from edgepress.runtime.bundle.source import find_sources, read_source

from ..traits import KERAS

__all__ = ["Given", "read_given", "with_names"]

_KERAS_FILES = (".keras", ".h5", ".hdf5")
_MODEL_FILES = (".tflite", ".tflite.xz", ".onnx")
_SAVED_MODEL = "saved_model.pb"


@dataclass(frozen=True, eq=False)
class Given:
    """One of the models that are compared."""

    path: Path
    name: str
    """What reports call it; a bundle's artifacts have names of their own."""
    format: str
    """As a report names it: of a lone file or a Keras model; empty of a bundle."""
    manifest: Manifest | None = None
    """Of a bundle."""
    artifacts: tuple[Artifact, ...] = ()
    """Those of a bundle that are measured."""

    @property
    def is_keras(self) -> bool:
        """Whether TensorFlow runs it."""
        return self.format == KERAS.format

    @property
    def bundle(self) -> Path:
        """Its folder, where it is a bundle or a file of one."""
        return self.path if self.path.is_dir() else self.path.parent


def read_given(path: str | os.PathLike[str]) -> Given:
    """What is at a path.

    Raises:
        InputError: Nothing, or nothing that can be measured.
    """
    path = Path(path)
    if (path / _SAVED_MODEL).is_file():
        return Given(path, path.name, KERAS.format)
    if path.is_dir():
        manifest = Manifest.read(path)
        return Given(path, path.resolve().name, "", manifest, manifest.artifacts)
    if path.suffix.lower() in _KERAS_FILES and path.is_file():
        return Given(path, path.name, KERAS.format)
    if not path.exists() or not path.name.lower().endswith(_MODEL_FILES):
        what = "no such file or folder" if not path.exists() else "no model file"
        raise InputError(f"{path}: {what}: name a bundle's folder, or a {', '.join(_MODEL_FILES)}, .keras or .h5 file")
    (source,) = find_sources(path, "")
    if source.manifest is not None and source.artifact is not None:
        return Given(path, path.name, "", source.manifest, (source.artifact,))
    # What is no model at all is known before anything is measured.
    read_source(source)
    return Given(path, path.name, source.format)


def with_names(models: Sequence[Given]) -> list[Given]:
    """The same under names that tell them apart: a folder or two more where files are called alike."""
    named = list(models)
    for depth in range(2, 6):
        names = [model.name for model in named]
        twice = [i for i, name in enumerate(names) if names.count(name) > 1]
        if not twice:
            break
        for i in twice:
            named[i] = replace(named[i], name="/".join(named[i].path.resolve().parts[-depth:]))
    if len({model.name for model in named}) < len(named):
        raise InputError(f"{named[0].path} and others are one file: name each once")
    return named
