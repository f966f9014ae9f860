"""The drawing page's files, and the bundle as the page reads it. Needs the base install alone."""

from pathlib import Path
from typing import Any

from ...bundle.manifest import Artifact, Manifest

__all__ = ["STATIC", "describe_bundle"]

STATIC = Path(__file__).parents[1] / "static"
_SHOWN = ("file", "model", "format", "variant", "bytes", "sha256", "inputs", "outputs", "metrics")


def describe_bundle(
    manifest: Manifest, *, default: str | None, browser_runtime: str | None, reads_pages: bool = False
) -> dict[str, Any]:
    """The manifest as the page reads it.

    Args:
        manifest: The bundle's.
        default: File name of the artifact that a server answers with; None on a static host, where the browser infers.
        browser_runtime: Folder of onnxruntime-web's files, relative to the page; None where they are absent.
        reads_pages: Whether a server finds several objects on a picture.
    """
    return {
        "name": manifest.name,
        "labels": manifest.labels,
        "output": manifest.output,
        "preprocessing": manifest.preprocessing.to_dict(),
        "unknown_threshold": manifest.unknown_threshold,
        "reads_pages": reads_pages,
        "default_model": manifest.default_model,
        "artifacts": [_describe(artifact) for artifact in manifest.artifacts],
        "default": default,
        "browser_runtime": browser_runtime,
    }


def _describe(artifact: Artifact) -> dict[str, Any]:
    return {key: value for key, value in artifact.to_dict().items() if key in _SHOWN}
