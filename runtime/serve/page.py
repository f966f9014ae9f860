"""What pages and tools fetch: the bundle's description, its artifacts, the metrics, the API's description."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ..manifest import Artifact, Manifest
from .answers import json_response
from .problems import Problem
from .service import Service

__all__ = ["STATIC", "artifact_file", "bundle_json", "describe_bundle", "metrics", "openapi_json"]

STATIC = Path(__file__).with_name("static")
_SHOWN = ("file", "model", "format", "variant", "bytes", "sha256", "inputs", "outputs", "metrics")


def describe_bundle(manifest: Manifest, *, default: str | None) -> dict[str, Any]:
    """The manifest as the page reads it.

    Args:
        manifest: The bundle's.
        default: File name of the artifact that a server answers with; None on a static host, where the browser infers.
    """
    return {
        "name": manifest.name,
        "labels": manifest.labels,
        "output": manifest.output,
        "preprocessing": manifest.preprocessing.to_dict(),
        "unknown_threshold": manifest.unknown_threshold,
        "artifacts": [_describe(artifact) for artifact in manifest.artifacts],
        "default": default,
    }


def _describe(artifact: Artifact) -> dict[str, Any]:
    return {key: value for key, value in asdict(artifact).items() if key in _SHOWN}


async def bundle_json(service: Service, request: Request) -> Response:
    """The bundle as the drawing page needs it: labels, preprocessing, artifacts."""
    bundle = service.bundle
    description = describe_bundle(bundle.manifest, default=bundle.default.artifact.file)
    return json_response(description, headers={"cache-control": "no-cache"})


async def artifact_file(service: Service, request: Request) -> Response:
    """A model file of the bundle, for inference in the browser."""
    bundle, file = service.bundle, request.path_params["file"]
    names = [artifact.file for artifact in bundle.manifest.artifacts]
    if file not in names:
        raise Problem(404, f"no artifact {file[:80]!r}: there are {', '.join(names)}")
    return FileResponse(bundle.folder / file, media_type="application/octet-stream")


async def metrics(service: Service, request: Request) -> Response:
    """Counters for Prometheus, text format."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


async def openapi_json(service: Service, request: Request) -> Response:
    """This description."""
    from .openapi import document

    return json_response(document(service.bundle.manifest, needs_key=service.options.api_key is not None))
