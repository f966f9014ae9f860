"""A trained Keras model, as export sees it."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepress.base.files import file_sha256
from edgepress.runtime import InputError

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
    output: str
    """`logits`, `probabilities` or `raw`."""
    partly_quantized: bool = False
    """Whether the file had quantizers in some layers only: it is quantized after training, as a plain one."""

    @property
    def only_input(self) -> tuple[str, tuple[int, ...]]:
        """Name and shape (without the batch) of the model's one input."""
        if len(self.model.inputs) != 1:
            names = ", ".join(self.model.input_names)
            raise InputError(f"model {self.name!r} has the inputs {names}: pass samples for each of them")
        (name,) = self.model.input_names
        return name, tuple(self.model.inputs[0].shape[1:])


def open_source(name: str, path: Path, *, classes: int) -> Source:
    """Open a Keras file safely and see what it is.

    Args:
        name: What to call it.
        path: A `.keras` or `.h5` file, or a SavedModel folder.
        classes: How many outputs a classifier has.

    Raises:
        InputError: No such file, not a Keras model, or one that needs layers that are not allowed.
    """
    from edgepress.train import open_keras, strip_quantization

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
    return Source(name, path, digest, plain, quantized, _output_kind(plain, classes), opened.partly_quantized)


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()} {file_sha256(file)}\n".encode())
    return digest.hexdigest()


def _output_kind(model: Any, classes: int) -> str:
    """What the one output of a classifier means, from the last layer's activation; `raw` for all else."""
    shapes = [tuple(output.shape) for output in model.outputs]
    if len(model.inputs) != 1 or len(shapes) != 1 or shapes[0][1:] != (classes,):
        return "raw"
    last = model.get_layer(model.output_names[0])
    activation = last.get_config().get("activation", "linear")
    if activation == "softmax" or type(last).__name__ == "Softmax":
        return "probabilities"
    return "logits" if activation == "linear" else "raw"
