"""What pages and tools fetch: the bundle's description, its artifacts, the metrics."""

from importlib.util import find_spec

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ..web.assets import ASSETS_PATH
from ..web.words import describe_bundle
from ..work.answers import json_response
from ..work.problems import Problem
from ..work.service import Service

__all__ = ["artifact_file", "bundle_json", "metrics"]


async def bundle_json(service: Service, request: Request) -> Response:
    """The bundle as the page needs it: contract, task, artifacts, an example."""
    bundle = service.bundle
    picture = bundle.manifest.preprocessing
    runtime = None if service.assets is None else ASSETS_PATH
    description = describe_bundle(
        bundle.manifest,
        default=bundle.default.artifact.file,
        browser_runtime=runtime,
        reads_pages=picture is not None and picture.fit == "mnist" and find_spec("cv2") is not None,
        example=bundle.example,
    )
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
