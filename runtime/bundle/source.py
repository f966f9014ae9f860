"""From a path to a model file's bytes, and to what is known about them."""

import hashlib
import json
import os
from typing import NamedTuple

from edgepress.base.errors import ArtifactRefusedError, InputError, Refusal

from ..formats.content import Content
from .manifest import MANIFEST_NAME, Artifact, Manifest, read_manifest

__all__ = ["Source", "find_sources", "read_source"]

_PACKED = ".xz"
_SUFFIXES = {".tflite": "tflite", f".tflite{_PACKED}": "tflite", ".onnx": "onnx"}
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


def find_sources(
    path: str | os.PathLike[str], variant: str, trusted_key: str | os.PathLike[str] | None = None
) -> list[Source]:
    """The model files that `path` means: one file, or those of a bundle that have the variant (one per format).

    Args:
        path: A bundle, an artifact in one, or a lone file.
        variant: Of a bundle.
        trusted_key: The public key whose owner must have signed the manifest: the very bytes that are used here.

    Raises:
        InputError: Nothing there, no model file, or a variant that the bundle does not have.
        ArtifactRefusedError: A signature was demanded, and there is none, or another.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        content = read_manifest(path)
        _check_signature(path, content, trusted_key)
        return _bundle_sources(path, Manifest.from_json(content), variant)
    if not os.path.isfile(path):
        raise InputError(f"{path} does not exist: name a bundle folder, a .tflite, .tflite.xz or .onnx file")
    folder, name = os.path.split(path)
    # A packed file unfolds to the artifact whose name it has, byte for byte.
    file = name.removesuffix(_PACKED)
    beside = _manifest_of(folder, file)
    manifest = Manifest.from_json(beside) if beside else None
    digest = manifest.digests.get(name) if manifest else None
    if beside is None or manifest is None or digest is None:
        if trusted_key is not None:
            raise ArtifactRefusedError(
                f"{path} is no part of a bundle, and a signature was demanded: load its bundle", Refusal.OTHER_FILE
            )
        return [Source(path, _format(path))]
    _check_signature(folder, beside, trusted_key)
    artifact = manifest.artifact(file)
    return [Source(path, artifact.format, artifact, manifest, digest)]


def _check_signature(folder: str, manifest: bytes, trusted_key: str | os.PathLike[str] | None) -> None:
    if trusted_key is not None:
        from .signature import check_signature

        check_signature(folder or os.curdir, manifest, trusted_key)


def _manifest_of(folder: str, file: str) -> bytes | None:
    """The manifest beside a file, where it is one of ours that names the file; any other does not concern it."""
    try:
        with open(os.path.join(folder, MANIFEST_NAME), "rb") as stream:
            content = stream.read()
        names = [artifact["file"] for artifact in json.loads(content)["artifacts"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return content if file in names else None


def _bundle_sources(folder: str, manifest: Manifest, variant: str) -> list[Source]:
    candidates = [a for a in manifest.artifacts if a.model == manifest.default_model]
    found = [a for a in candidates if a.variant == variant]
    if not found:
        present = ", ".join(sorted({a.variant for a in candidates})) or "none"
        raise InputError(
            f"variant {variant!r} of model {manifest.default_model!r}: {folder} has {present}; name one with variant= "
            "or --variant"
        )
    return [Source(os.path.join(folder, a.file), a.format, a, manifest, a.sha256) for a in found]


def _format(path: str) -> str:
    name = path.lower()
    for suffix, format in _SUFFIXES.items():
        if name.endswith(suffix):
            return format
    raise InputError(f"{path}: a bundle folder, a .tflite, .tflite.xz or .onnx file is allowed")


def read_source(source: Source) -> Content:
    """The model, unpacked and whole, as it goes to a parser. From a bundle it matches the manifest's digest.

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
                "the file is damaged or was exchanged; export the bundle again",
                Refusal.OTHER_FILE,
            )
    if source.path.lower().endswith(_PACKED):
        content = _unpack(source.path, content)
    if source.format == "tflite" and content[4:8] != b"TFL3":
        raise InputError(f"{source.path} is not a TFLite model: its fifth to eighth bytes are not TFL3")
    if source.format == "onnx" and source.artifact is None:
        from ..formats.external_data import inline_external_data

        # What a manifest vouches for is one file; a lone one may keep its weights in others beside it.
        content = inline_external_data(content, os.path.dirname(source.path), _UNPACKED_LIMIT)
    return Content(content, source.format)


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
