"""The drawing page's files, and the bundle as the page reads it. Needs the base install alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...bundle.manifest import Artifact, Manifest
from ...contract import Picture

__all__ = ["STATIC", "describe_bundle", "page_picture"]

STATIC = Path(__file__).parents[1] / "static"
_SHOWN = ("file", "model", "format", "variant", "bytes", "sha256", "inputs", "outputs", "metrics")


def describe_bundle(
    manifest: Manifest,
    *,
    default: str | None,
    browser_runtime: str | None,
    reads_pages: bool = False,
    example: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The manifest as the page reads it.

    Args:
        manifest: The bundle's.
        default: File name of the artifact that a server answers with; None on a static host, where the browser infers.
        browser_runtime: Folder of onnxruntime-web's files, relative to the page; None where they are absent.
        reads_pages: Whether a server finds several objects on a picture.
        example: By input name, as `example_of` gives it.
    """
    picture, inputs = manifest.preprocessing, manifest.contract.inputs
    stated = [
        {"name": name, **(page_picture(each) if isinstance(each, Picture) else each.to_dict())}
        for name, each in inputs.items()
    ]
    return {
        "name": manifest.name,
        "labels": manifest.labels,
        "output": manifest.task.meaning,
        "contract": manifest.contract.to_dict() | {"inputs": stated},
        "task": manifest.task.to_dict(),
        "example": example,
        "preprocessing": None if picture is None else page_picture(picture),
        "unknown_threshold": manifest.unknown_threshold,
        "reads_pages": reads_pages,
        "default_model": manifest.default_model,
        "artifacts": [_describe(artifact) for artifact in manifest.artifacts],
        "default": default,
        "browser_runtime": browser_runtime,
    }


def page_picture(contract: Picture) -> dict[str, Any]:
    """A picture's contract as the page's JavaScript reads it."""
    return {
        **contract.to_dict(),
        "channels": contract.channels,
        "scale": contract.scale.tolist(),
        "offset": contract.offset.tolist(),
    }


def _describe(artifact: Artifact) -> dict[str, Any]:
    return {key: value for key, value in artifact.to_dict().items() if key in _SHOWN}
