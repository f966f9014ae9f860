"""The golden vectors of a bundle: real inputs, and what each artifact must answer.

`selftest.npz` holds `images` (n, height, width[, 3]) uint8 or, for models that take no pictures, real numbers as
`inputs/<input name>` (n, ...); `labels` (n,) int64 where they are known; and one array per artifact under its file
name: the output as the model gives it (integers stay integers), with default delegates off. A model with several
outputs has an array `<file name>/<output name>` for each.
"""

import os
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.errors import InputError

from ..bundle.manifest import Artifact, Manifest
from ..contract import Contract
from .tensors import Tensors, by_name, read_tensors, write_tensors
from .trial import Answer, run_trial, trial_backends

__all__ = ["SELFTEST_NAME", "Vectors", "outputs_of", "reference_answers", "reference_outputs", "write_selftest"]

SELFTEST_NAME = "selftest.npz"
_LIMIT = 1 << 28
"""Unpacked bytes that a file of golden vectors may hold; 64 images take far less."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Inputs with the outputs that count as right."""

    images: NDArray[np.uint8] | None
    """None where the models take no pictures."""
    labels: NDArray[np.int64] | None = None
    outputs: Mapping[str, Tensors] = field(default_factory=dict)
    """By artifact file name; of several outputs a dictionary by their names."""
    inputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Real numbers by input name, in place of images. Shape (n, ...)."""

    @property
    def feed(self) -> Tensors:
        """The images, or else the inputs."""
        return self.inputs if self.images is None else self.images

    def reals(self, contract: Contract, artifact: Artifact) -> dict[str, NDArray[Any]]:
        """The inputs of an artifact as real numbers, by input name, in its own shape but for the batch."""
        if self.images is None:
            return dict(self.inputs)
        (spec,) = artifact.inputs
        assert contract.picture is not None
        numbers = contract.picture.normalize(self.images)
        return {spec.name: numbers.reshape(len(numbers), *spec.shape[1:])}

    def first(self, count: int) -> "Vectors":
        """The first `count` of them, fewer where a file could not hold so many."""
        arrays = [array for tensors in (self.feed, *self.outputs.values()) for array in by_name(tensors).values()]
        each = sum(array.nbytes // max(len(array), 1) for array in arrays)
        part = slice(min(count, max(1, _LIMIT // 2 // max(each, 1))))
        return Vectors(
            None if self.images is None else self.images[part],
            None if self.labels is None else self.labels[part],
            {file: _part(tensors, part) for file, tensors in self.outputs.items()},
            {name: array[part] for name, array in self.inputs.items()},
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Vectors":
        """Read `selftest.npz`.

        Raises:
            InputError: No such file, or not one of golden vectors.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                if sum(member.file_size for member in archive.infolist()) > _LIMIT:
                    raise InputError(f"{path} unfolds to more than {_LIMIT // 10**6} MB: export the bundle again")
            entries: dict[str, Any] = dict(read_tensors(path))
            images, inputs, labels = (entries.pop(name, None) for name in ("images", "inputs", "labels"))
            if not isinstance(images, np.ndarray) and not isinstance(inputs, dict):
                raise ValueError("neither images nor inputs")
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} holds no golden vectors ({error}): export the bundle again") from None
        return cls(images, labels, entries, inputs or {})

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `selftest.npz`; equal vectors are equal files."""
        labels = {} if self.labels is None else {"labels": self.labels}
        write_tensors(path, {"inputs" if self.images is None else "images": self.feed, **labels, **self.outputs})


def _part(tensors: Tensors, part: slice) -> Tensors:
    if isinstance(tensors, np.ndarray):
        return tensors[part]
    return {name: array[part] for name, array in tensors.items()}


def reference_answers(
    folder: str | os.PathLike[str], feed: Tensors, files: Sequence[str] | None = None
) -> dict[str, dict[str, Answer]]:
    """What a bundle's artifacts answer with default delegates off, each format in a fresh process.

    Args:
        folder: A bundle, or the folder that becomes one: manifest and artifacts are there.
        feed: Images as uint8 in the contract's shape, or real numbers by input name.
        files: Artifacts by file name; all of the manifest's by default.

    Returns:
        By backend and file name, as `run_trial` gives them. A file that the best backend for its format could not run
        is there under the next one too.
    """
    manifest = Manifest.read(folder)
    by_format: dict[str, list[str]] = {}
    for artifact in manifest.artifacts:
        if files is None or artifact.file in files:
            by_format.setdefault(artifact.format, []).append(artifact.file)

    def answers(format: str) -> dict[str, dict[str, Answer]]:
        found: dict[str, dict[str, Answer]] = {}
        missing = by_format[format]
        for backend in trial_backends(None):
            if missing and format in backend.formats:
                given = run_trial(Path(folder), missing, feed, backend=backend.name, delegate=False)
                missing = [file for file in missing if given[file].output is None]
                found[backend.name] = given
        return found

    found: dict[str, dict[str, Answer]] = {}
    # Each waits for processes of one thread.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for given in pool.map(answers, by_format):
            for backend, own in given.items():
                found.setdefault(backend, {}).update(own)
    return found


def reference_outputs(
    folder: str | os.PathLike[str], feed: Tensors, files: Sequence[str] | None = None
) -> dict[str, Tensors]:
    """The output of each artifact (of several a dictionary by name) that the best backend for its format could run, by
    file name; arguments as `reference_answers` has them. The manifest's other artifacts are left out: conformance
    reports them."""
    return outputs_of(reference_answers(folder, feed, files))


def outputs_of(answers: Mapping[str, Mapping[str, Answer]]) -> dict[str, Tensors]:
    """What there is of outputs in `reference_answers`, by file name."""
    return {
        file: answer.output for given in answers.values() for file, answer in given.items() if answer.output is not None
    }


def write_selftest(
    folder: str | os.PathLike[str], images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None
) -> Vectors:
    """Compute the golden vectors of a bundle and write them beside its manifest as `selftest.npz`."""
    vectors = Vectors(images, labels, reference_outputs(folder, images))
    vectors.write(Path(folder) / SELFTEST_NAME)
    return vectors
