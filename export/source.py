"""A trained Keras model, as export sees it."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgepress.base.files import file_sha256
from edgepress.runtime import InputError
from edgepress.train import Clip, History, learned_ranges, open_keras, strip_quantization

__all__ = ["Source", "open_source"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Source:
    """One model to export."""

    name: str
    """First part of its artifacts' file names."""
    path: Path
    sha256: str
    """Digest of the Keras file."""
    model: Any
    """tf_keras model in float32, no quantizers in it."""
    quantized: Any | None
    """The same weights with the quantizers they were trained with (quantization-aware training); None without."""
    history: History | None = None
    """What training recorded: what was fitted, and how the model is asked; None for other people's files."""
    partly_quantized: bool = False
    """Whether the file had quantizers in some layers only: it is quantized after training, as a plain one."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of the model's activations, as training learned them; empty where they are to be measured."""
    standardized: Mapping[str, Any] = field(default_factory=dict)
    """Input to how the Keras file itself takes it, where `model` takes it centred and scaled (`standardize`)."""
    clipped: Mapping[str, Clip] = field(default_factory=dict)
    """Of its inputs, by name; those that are not among them keep all numbers."""
    custom: Mapping[str, str] = field(default_factory=dict)
    """Name and digest of the user's own file that some of its layers come from."""


def open_source(name: str, path: Path) -> Source:
    """Open a Keras file safely and see what it is.

    Args:
        name: What to call it.
        path: A `.keras` or `.h5` file, or a SavedModel folder.

    Raises:
        InputError: No such file, not a Keras model, or one that needs layers that are not allowed.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no model at {path}: name a .keras or .h5 file, or a SavedModel folder")
    opened = open_keras(path)
    quantized = opened.model if opened.quantized else None
    plain = strip_quantization(opened.model) if opened.quantized else opened.model
    if opened.partly_quantized:
        logger.warning(
            "%s is quantization-aware in some of its layers only: their ranges are left out, and it is quantized after "
            "training", path,
        )  # fmt: skip
    digest = file_sha256(path) if path.is_file() else _folder_sha256(path)
    custom = opened.custom.record if opened.custom else {}
    return Source(
        name, path, digest, plain, quantized, History.of(path), opened.partly_quantized,
        ranges=learned_ranges(path, plain), custom=custom,
    )  # fmt: skip


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()} {file_sha256(file)}\n".encode())
    return digest.hexdigest()
