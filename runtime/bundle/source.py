"""From a path to a model file's bytes, and to what is known about them."""

import hashlib
import os
from typing import NamedTuple

from edgepress.base.errors import ArtifactRefusedError, InputError

from .manifest import MANIFEST_NAME, Artifact, Manifest

__all__ = ["Source", "find_sources", "read_source"]

_PACKED = ".tflite.xz"
_UNPACKED_LIMIT = 1 << 29
"""A packed file may unfold to 512 MB, far beyond any model for the edge; the check costs no more memory than that."""


class Source(NamedTuple):
    """A model file that may be loaded."""

    path: str
    format: str
    """`tflite` or `onnx`."""
    artifact: Artifact | None = None
    """What the manifest says about it; None for a lone file."""
    manifest: Manifest | None = None
    sha256: str | None = None
    """What the manifest says that the file's digest is."""


def find_sources(path: str | os.PathLike[str], variant: str) -> list[Source]:
    """The model files that `path` means: one file, or those of a bundle that have the variant (one per format).

    Raises:
        InputError: Nothing there, no model file, or a variant that the bundle does not have.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        return _bundle_sources(path, variant)
    if not os.path.isfile(path):
        raise InputError(f"{path} does not exist: name a bundle folder, a .tflite, .tflite.xz or .onnx file")
    folder, name = os.path.split(path)
    manifest = Manifest.read(folder) if os.path.isfile(os.path.join(folder, MANIFEST_NAME)) else None
    digest = manifest.digests.get(name) if manifest else None
    for artifact in manifest.artifacts if manifest else ():
        # A packed file unfolds to the artifact whose name it has, byte for byte.
        if digest and artifact.file == name.removesuffix(".xz"):
            return [Source(path, artifact.format, artifact, manifest, digest)]
    return [Source(path, _format(path))]


def _bundle_sources(folder: str, variant: str) -> list[Source]:
    manifest = Manifest.read(folder)
    candidates = [a for a in manifest.artifacts if a.model == manifest.default_model]
    found = [a for a in candidates if a.variant == variant]
    if not found:
        present = ", ".join(sorted({a.variant for a in candidates})) or "none"
        raise InputError(
            f"variant {variant!r} of model {manifest.default_model!r}: {folder} has {present}; name one with variant="
        )
    return [Source(os.path.join(folder, a.file), a.format, a, manifest, a.sha256) for a in found]


def _format(path: str) -> str:
    name = path.lower()
    for suffix, format in ((_PACKED, "tflite"), (".tflite", "tflite"), (".onnx", "onnx")):
        if name.endswith(suffix):
            return format
    raise InputError(f"{path}: a bundle folder, a .tflite, .tflite.xz or .onnx file is allowed")


def read_source(source: Source) -> bytes:
    """The model's bytes, unpacked, as they go to a parser. From a bundle they match the manifest's digest.

    Raises:
        InputError: The file cannot be read, or is not of the format that its name says.
        ArtifactRefusedError: The digest is another.
    """
    try:
        with open(source.path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise InputError(f"{source.path} cannot be read: {error.strerror}") from None
    if source.sha256 is not None:
        digest = hashlib.sha256(content).hexdigest()
        if digest != source.sha256:
            raise ArtifactRefusedError(
                f"{source.path} has SHA-256 {digest[:12]}..., its manifest says {source.sha256[:12]}...: "
                "the file is damaged or was exchanged; export the bundle again"
            )
    if source.path.lower().endswith(".xz"):
        content = _unpack(source.path, content)
    if source.format == "tflite" and content[4:8] != b"TFL3":
        raise InputError(f"{source.path} is not a TFLite model: its fifth to eighth bytes are not TFL3")
    return content


def _unpack(path: str, content: bytes) -> bytes:
    import lzma

    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_UNPACKED_LIMIT)
    try:
        data = decompressor.decompress(content, max_length=_UNPACKED_LIMIT)
    except lzma.LZMAError as error:
        raise InputError(f"{path} cannot be unpacked ({error}): download it again") from None
    if not decompressor.eof:
        raise ArtifactRefusedError(
            f"{path} is cut short or unfolds to more than {_UNPACKED_LIMIT // 10**6} MB: download it again"
        )
    return data
