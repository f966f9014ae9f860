"""Files beside the default model's artifacts: packed for download, a C header, ONNX Runtime Mobile's format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import Artifact, EdgepressError, InputError, Manifest, load

from ..variants import parse_variants
from .micro import write_c_header
from .ort_format import write_ort
from .packed import write_packed

__all__ = ["ALSO", "Companions"]

ALSO = ("c-header", "ort")


@dataclass(frozen=True)
class Companions:
    """What is asked for."""

    packed: tuple[str, ...] = ()
    """TFLite variants to write as `.tflite.xz` too."""
    also: tuple[str, ...] = ()
    """`c-header`: the int8 model for TensorFlow Lite Micro. `ort`: every ONNX artifact as `.ort`."""

    def __post_init__(self) -> None:
        parse_variants(self.packed)
        unknown = [name for name in self.also if name not in ALSO]
        if unknown:
            raise InputError(f"also {unknown[0]!r}: allowed are {', '.join(ALSO)}")

    def write(
        self, folder: Path, manifest: Manifest, images: NDArray[np.uint8] | None
    ) -> tuple[Manifest, dict[str, str]]:
        """Write them all.

        Args:
            folder: The bundle in the making.
            manifest: What is in it.
            images: Held-back pictures that a C header is tried with; None where the model takes none.

        Returns:
            The manifest with `packed_bytes` among the metrics, and file name to reason of what could not be made.
        """
        packed = {variant.key for variant in parse_variants(self.packed)}
        artifacts: list[Artifact] = []
        failed: dict[str, str] = {}
        for artifact in manifest.artifacts:
            path = folder / artifact.file
            key = f"{artifact.format}:{artifact.variant}"
            if artifact.model == manifest.default_model:
                if artifact.format == "tflite" and key in packed:
                    size = write_packed(path).stat().st_size
                    artifact = artifact._replace(metrics={**artifact.metrics, "packed_bytes": size})
                try:
                    if "c-header" in self.also and key == "tflite:int8":
                        write_c_header(path, *_integers(path, artifact, manifest, images))
                    if "ort" in self.also and artifact.format == "onnx":
                        write_ort(path)
                except EdgepressError as error:
                    suffix = ".ort" if artifact.format == "onnx" else ".h"
                    failed[path.with_suffix(suffix).name] = str(error)
            artifacts.append(artifact)
        return manifest._replace(artifacts=tuple(artifacts)), failed


def _integers(
    path: Path, artifact: Artifact, manifest: Manifest, images: NDArray[np.uint8] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Quantized inputs and what the reference gives for them."""
    spec = artifact.inputs[0]
    if images is None or spec.quantization is None:
        raise InputError("a C header is made for models that take pictures")
    rows = manifest.preprocessing.normalize(images).reshape(len(images), *spec.shape[1:])
    integers = spec.quantization.quantize(rows)
    # The numpy reference: no second TFLite build in this process.
    with load(path, backend="numpy") as model:
        return integers, model.run(integers)
