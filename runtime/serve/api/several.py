"""Several bundles behind one server: each under its name, and at the root what they have in common."""

import html
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ..work.answers import json_response
from ..work.problems import Problem
from ..work.service import Service
from .operation import Operation
from .routes import OPERATIONS, ServedRoute

__all__ = ["several_routes"]

_COMMON = ("/v2", "/v2/health/live", "/v2/health/ready", "/metrics")
_OF_A_MODEL = "/v2/models/{name}"
_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>edgepress</title>
    <link rel="stylesheet" href="{style}/style.css">
    <link rel="icon" href="{style}/icon.svg" type="image/svg+xml">
  </head>
  <body>
    <header><h1>edgepress</h1></header>
    <main><ul class="bundles">{items}</ul></main>
  </body>
</html>
"""


def several_routes(services: Sequence[Service]) -> list[BaseRoute]:
    """The root's routes: a list of the bundles, health, metrics, and the Open Inference Protocol over all of them.

    Args:
        services: One a bundle, whose own routes are mounted under its name.
    """
    first = services[0]
    key = first.options.api_key
    names = [service.bundle.name for service in services]

    async def bundles_json(_: Service, request: Request) -> Response:
        """The bundles, and where each is."""
        return json_response({"bundles": [_described(name, each) for name, each in zip(names, services, strict=True)]})

    async def index(request: Request) -> Response:
        items = "".join(
            f'<li><a class="button" href="{name}/">{html.escape(name)}</a> <span>{_words(each)}</span></li>'
            for name, each in zip(names, services, strict=True)
        )
        return HTMLResponse(_PAGE.format(style=names[0], items=items))

    listed = Operation("GET", "/bundles.json", bundles_json, "page", {"application/json": "Any"}, open=True)
    found: list[BaseRoute] = [Route("/", index), ServedRoute(listed, lambda _: first, key)]
    for operation in OPERATIONS:
        if operation.path in _COMMON:
            found.append(ServedRoute(operation, lambda _: first, key))
        elif operation.path.startswith(_OF_A_MODEL):
            found.append(ServedRoute(operation, _owner(services), key))
    return [*found, *(Route(f"/{name}", _to_folder(name)) for name in names)]


def _owner(services: Sequence[Service]) -> Callable[[Request], Service]:
    """Whose model a request names: a bundle's own name, or an artifact's that one bundle alone has."""

    def owner(request: Request) -> Service:
        name = str(request.path_params["name"])
        for service in services:
            if service.bundle.name == name:
                return service
        having = [each for each in services if name in (a.file for a in each.bundle.manifest.artifacts)]
        if len(having) == 1:
            return having[0]
        names = ", ".join(service.bundle.name for service in services)
        if having:
            raise Problem(404, f"several bundles have a {name[:80]}: ask at /BUNDLE{_OF_A_MODEL} for one of {names}")
        raise Problem(404, f"no model {name[:80]!r}: there are {names}, and their artifacts")

    return owner


def _described(name: str, service: Service) -> dict[str, Any]:
    manifest = service.bundle.manifest
    only = manifest.contract.only
    return {
        "name": name,
        "path": f"/{name}/",
        "openapi": f"/{name}/openapi.json",
        "contract": [each.kind for each in manifest.contract.inputs.values()] if only is None else only.kind,
        "task": manifest.task.kind,
    }


def _words(service: Service) -> str:
    manifest = service.bundle.manifest
    kinds = ", ".join(each.kind for each in manifest.contract.inputs.values())
    return html.escape(f"{kinds}: {manifest.task.kind}")


def _to_folder(name: str) -> Callable[[Request], Any]:
    async def to_folder(request: Request) -> Response:
        return RedirectResponse(f"/{name}/")

    return to_folder
