"""The one table of paths: the router and the OpenAPI document are both made from it."""

import hmac
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from ...contract import Contract
from ..work.answers import json_response
from ..work.bodies import bodies_of
from ..work.problems import Problem
from ..work.service import Service
from . import page, stream
from . import v1 as api
from . import v2 as tensors
from .openapi import document
from .operation import Operation

__all__ = ["OPERATIONS", "ServedRoute", "routes"]

_JSON = "application/json"
_RAW = "application/octet-stream"
_READ = (413, 415, 422, 408, 503)


async def openapi_json(service: Service, request: Request) -> Response:
    """This description."""
    bundle = service.bundle
    needs_key = service.options.api_key is not None
    described = document(OPERATIONS, bundle.manifest, needs_key=needs_key, example=bundle.example)
    if root := request.scope.get("root_path"):
        # One of several bundles, under its name.
        described["servers"] = [{"url": root}]
    return json_response(described)


def _schemas_of_bodies(contract: Contract) -> dict[str, str]:
    return {kind: body.schema for kind, body in bodies_of(contract).items()}


OPERATIONS = (
    Operation(
        "POST",
        "/v1/predict",
        api.predict,
        "predict",
        {_JSON: "Answer", _RAW: "Numbers"},
        _schemas_of_bodies,
        {
            "artifact": "File name of the artifact that answers; the default one otherwise.",
            "layout": "For picture files: one (the default) object each, or page: every object on them, with boxes.",
            "images": "For picture files: true adds the pixels that the model saw.",
            "unknown": "true gives the label unknown to what is below the bundle's threshold of probability.",
        },
        (400, 404, 409, *_READ),
    ),
    Operation(
        "POST",
        "/v1/stream",
        stream.streams,
        "predict",
        {"text/event-stream": "Text"},
        {_RAW: "Binary"},
        stream.QUERY,
        (404, 409, 415, 422, 503),
        fits=stream.taken,
    ),
    Operation("GET", "/bundle.json", page.bundle_json, "page", {_JSON: "Bundle"}, open=True),
    Operation("GET", "/artifacts/{file}", page.artifact_file, "page", {_RAW: "Binary"}, refusals=(404,), open=True),
    Operation("GET", "/v2", tensors.server_metadata, "open inference protocol", {_JSON: "Server"}),
    Operation("GET", "/v2/health/live", tensors.live, "open inference protocol", {_JSON: "Live"}, open=True),
    Operation(
        "GET",
        "/v2/health/ready",
        tensors.ready,
        "open inference protocol",
        {_JSON: "Ready"},
        refusals=(503,),
        open=True,
    ),
    Operation(
        "GET", "/v2/models/{name}", tensors.model_metadata, "open inference protocol", {_JSON: "Model"}, refusals=(404,)
    ),
    Operation(
        "GET",
        "/v2/models/{name}/ready",
        tensors.model_ready,
        "open inference protocol",
        {_JSON: "ModelReady"},
        refusals=(404, 409),
    ),
    Operation(
        "POST",
        "/v2/models/{name}/infer",
        tensors.infer,
        "open inference protocol",
        {_JSON: "InferenceResponse", _RAW: "Binary"},
        {_JSON: "InferenceRequest", _RAW: "Binary"},
        refusals=(400, 404, 409, 413, 408, 422, 503),
    ),
    Operation("GET", "/metrics", page.metrics, "operation", {"text/plain": "Text"}),
    Operation("GET", "/openapi.json", openapi_json, "operation", {_JSON: "Any"}, open=True),
)


class _Endpoint:
    """An operation as an ASGI application, which asks for the key."""

    def __init__(self, operation: Operation, service_of: Callable[[Request], Service], key: str | None) -> None:
        self._operation = operation
        self._service_of = service_of
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        if not self._operation.open:
            _ask_for_key(request, self._key)
        response = await self._operation.handler(self._service_of(request), request)
        await response(scope, receive, send)


class ServedRoute(Route):
    """A route that knows its operation."""

    def __init__(self, operation: Operation, service_of: Callable[[Request], Service], key: str | None) -> None:
        """`service_of` tells whose bundle a request is about."""
        super().__init__(operation.path, _Endpoint(operation, service_of, key), methods=[operation.method])
        self._operation = operation

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As Starlette's, and note the operation for the log and the metrics.

        Another method is a match too, which answers 405; else the request would go on to the page's files.
        """
        match, child = super().matches(scope)
        return Match.FULL if match is Match.PARTIAL else match, {**child, "operation": self._operation}


def routes(service: Service) -> list[ServedRoute]:
    """Starlette's routes for the table."""
    return [ServedRoute(operation, lambda _: service, service.options.api_key) for operation in OPERATIONS]


def _ask_for_key(request: Request, key: str | None) -> None:
    if key is None:
        return
    headers = request.headers
    given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), key.encode()):
        came = "another key" if given else "no key"
        raise Problem(
            401,
            f"{came} came with the request: send the header  Authorization: Bearer KEY",
            {"www-authenticate": "Bearer"},
        )
