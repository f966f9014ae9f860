"""The golden vectors of a bundle: real inputs, and what each artifact must answer.

`selftest.npz` holds `images` (n, height, width[, 3]) uint8, `labels` (n,) int64 where they are known, and one array
per artifact under its file name: the first output as the model gives it (integers stay integers), with default
delegates off.
"""

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .manifest import Manifest
from .trial import run_trial, trial_backends

__all__ = ["SELFTEST_NAME", "Vectors", "reference_outputs", "write_selftest"]

SELFTEST_NAME = "selftest.npz"
_LIMIT = 1 << 28
"""Unpacked bytes that a file of golden vectors may hold; 64 images take far less."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Inputs with the outputs that count as right."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    outputs: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """By artifact file name."""

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
            with np.load(path, allow_pickle=False) as data:
                arrays = dict(data.items())
            images, labels = arrays.pop("images"), arrays.pop("labels", None)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} holds no golden vectors ({error}): export the bundle again") from None
        return cls(images, labels, arrays)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `selftest.npz`; equal vectors are equal files."""
        arrays = {"images": self.images, **self.outputs}
        if self.labels is not None:
            arrays["labels"] = self.labels
        np.savez_compressed(path, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]


def reference_outputs(
    folder: str | os.PathLike[str], images: NDArray[np.uint8], files: Sequence[str] | None = None
) -> dict[str, NDArray[Any]]:
    """What a bundle's artifacts answer with default delegates off, each in a fresh process.

    Args:
        folder: A bundle, or the folder that becomes one: manifest and artifacts are there.
        images: uint8, in the contract's shape.
        files: Artifacts by file name; all of the manifest's by default.

    Returns:
        The first output of each artifact that the best backend for its format could run, by file name. The manifest's
        other artifacts are left out: conformance reports them.
    """
    manifest = Manifest.read(folder)
    wanted = [a for a in manifest.artifacts if files is None or a.file in files]
    found: dict[str, NDArray[Any]] = {}
    for backend in trial_backends(None):
        names = [a.file for a in wanted if a.format == backend.format and a.file not in found]
        if names:
            answers = run_trial(Path(folder), names, images, backend=backend.name, delegate=False)
            found |= {name: answer.output for name, answer in answers.items() if answer.output is not None}
    return found


def write_selftest(
    folder: str | os.PathLike[str], images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None
) -> Vectors:
    """Compute the golden vectors of a bundle and write them beside its manifest as `selftest.npz`."""
    vectors = Vectors(images, labels, reference_outputs(folder, images))
    vectors.write(Path(folder) / SELFTEST_NAME)
    return vectors
