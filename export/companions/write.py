"""Files beside the default model's artifacts: packed for download, a C header, ONNX Runtime Mobile's format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgepress.runtime import Artifact, EdgepressError, InputError, Manifest
from edgepress.runtime.conformance.golden import Vectors

from ..variants import VARIANTS, Variant, parse_variants
from .micro import reference_answers, write_c_header
from .ort_format import write_ort
from .packed import write_packed
from .vela import write_vela_report

__all__ = ["ALSO", "Companion", "Companions"]

_PACKED_FORMAT = "tflite"


@dataclass(frozen=True)
class Companion:
    """One more kind of file beside an artifact."""

    name: str
    variants: tuple[str, ...]
    """Keys of those that have it."""
    suffix: str
    """Of its file, in place of the artifact's."""
    write: Callable[[Path, Artifact, Manifest, Vectors], Any]
    """Takes the artifact's path, its entry, the manifest, and held-back examples."""

    def fits(self, key: str) -> bool:
        """Whether a variant has it."""
        return key in self.variants


def _write_header(path: Path, artifact: Artifact, manifest: Manifest, vectors: Vectors) -> None:
    inputs = _integers(artifact, manifest, vectors)
    contract = manifest.contract
    meaning = None
    if contract is not None:
        named = [(spec.name, contract.only or contract.inputs[spec.name]) for spec in artifact.inputs]
        meaning = named, manifest.task
    write_c_header(path, inputs, reference_answers(path, inputs), meaning)
    write_vela_report(path)


def _write_ort(path: Path, artifact: Artifact, manifest: Manifest, vectors: Vectors) -> None:
    write_ort(path)


ALSO: dict[str, Companion] = {
    companion.name: companion
    for companion in (
        # TensorFlow Lite Micro: integers from end to end.
        Companion("c-header", ("tflite:int8",), ".h", _write_header),
        # ONNX Runtime Mobile.
        Companion(
            "ort", tuple(key for key, variant in VARIANTS.items() if variant.format == "onnx"), ".ort", _write_ort
        ),
    )
}


@dataclass(frozen=True)
class Companions:
    """What is asked for."""

    packed: tuple[str, ...] = ()
    """TFLite variants to write as `.tflite.xz` too."""
    also: tuple[str, ...] = ()
    """Names in `ALSO`."""

    def __post_init__(self) -> None:
        parse_variants(self.packed)
        unknown = [name for name in self.also if name not in ALSO]
        if unknown:
            raise InputError(f"also {unknown[0]!r}: allowed are {', '.join(ALSO)}")

    def require_matches(self, chosen: Sequence[Variant]) -> None:
        """Every wish belongs to a file that will be made.

        Raises:
            InputError: One does not, and would be dropped in silence.
        """
        keys = [variant.key for variant in chosen]
        for name in self.packed:
            fitting = [variant.key for variant in parse_variants([name]) if variant.format == _PACKED_FORMAT]
            _require(f"pack {name!r}", fitting, keys, f"{_PACKED_FORMAT} files are packed")
        for name in self.also:
            _require(f"also {name!r}", ALSO[name].variants, keys, f"it belongs to {', '.join(ALSO[name].variants)}")

    def write(self, folder: Path, manifest: Manifest, vectors: Vectors) -> tuple[Manifest, dict[str, str]]:
        """Write them all.

        Args:
            folder: The bundle in the making.
            manifest: What is in it.
            vectors: Held-back examples that a C header is tried with.

        Returns:
            The manifest with `packed_bytes` among the metrics, and file name to reason of what could not be made.
        """
        packed = {variant.key for variant in parse_variants(self.packed) if variant.format == _PACKED_FORMAT}
        artifacts: list[Artifact] = []
        failed: dict[str, str] = {}
        for artifact in manifest.artifacts:
            path = folder / artifact.file
            key = f"{artifact.format}:{artifact.variant}"
            if artifact.model == manifest.default_model:
                if key in packed:
                    size = write_packed(path).stat().st_size
                    artifact = artifact._replace(metrics={**artifact.metrics, "packed_bytes": size})
                for companion in (ALSO[name] for name in self.also if ALSO[name].fits(key)):
                    try:
                        companion.write(path, artifact, manifest, vectors)
                    except EdgepressError as error:
                        failed[path.with_suffix(companion.suffix).name] = str(error)
            artifacts.append(artifact)
        return manifest._replace(artifacts=tuple(artifacts)), failed


def _require(wish: str, fitting: Sequence[str], chosen: Sequence[str], rule: str) -> None:
    if not set(fitting) & set(chosen):
        mend = f"add --variant {fitting[0]}" if fitting else "leave it out"
        raise InputError(f"{wish}: {rule}, and the files to make are {', '.join(chosen)}; {mend}")


def _integers(artifact: Artifact, manifest: Manifest, vectors: Vectors) -> list[NDArray[Any]]:
    """Quantized inputs, one array an input of the file."""
    reals = vectors.reals(manifest.contract, artifact)
    integers = []
    for spec in artifact.inputs:
        if spec.quantization is None:
            raise InputError(f"a C header is made for models of integers, and {spec.name} is {spec.dtype}")
        integers.append(spec.quantization.quantize(reals[spec.name].reshape(-1, *spec.shape[1:])))
    return integers
