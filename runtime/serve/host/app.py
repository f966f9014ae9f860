"""The ASGI application."""

import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from edgepress.base.errors import InputError

from ...bundle.manifest import Manifest
from ..api.routes import routes
from ..api.several import several_routes
from ..web.assets import ASSETS_PATH
from ..web.words import STATIC
from ..work.options import Options
from ..work.service import Service
from .admission import Gate

__all__ = ["App"]

_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN = ("v2", "metrics", "bundles.json")


class App:
    """Serves bundles: the API, the Open Inference Protocol, the metrics and the page."""

    def __init__(
        self,
        folders: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
        options: Options | None = None,
        connections: Callable[[], int] = lambda: 0,
    ) -> None:
        """Load the bundles.

        Args:
            folders: A bundle, which is served at the root; or several by name, each of which is served under it.
            options: The defaults when None.
            connections: How many connections the web server holds; the limit on them rests on it.

        Raises:
            EdgepressError: A bundle cannot be served, or has a name that is no path.
        """
        options = options or Options()
        if isinstance(folders, Mapping):
            _check_names(folders, options)
            (name, folder), *others = folders.items()
            self.service = Service(folder, options, name=name)
            self._services = [self.service]
            self._services += [Service(each, options, self.service.shared, name) for name, each in others]
            mounts = [Mount(f"/{each.bundle.name}", Router(_site(each))) for each in self._services]
            found, guide = [*several_routes(self._services), *mounts], "/bundles.json"
        else:
            self.service = Service(folders, options)
            self._services = [self.service]
            found, guide = _site(self.service), "/openapi.json"
        router = Router(found, lifespan=self._lifespan)
        self._app: ASGIApp = Gate(router, self.service, connections, guide)
        if options.cors_origins:
            self._app = CORSMiddleware(
                self._app,
                allow_origins=options.cors_origins,
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "x-api-key", "x-request-id"],
                expose_headers=["server-timing", "x-request-id"],
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._app(scope, receive, send)

    def drain(self) -> None:
        """From now on tell every client that this server stops; requests are still answered."""
        self.service.shared.stopping = True

    async def reload(self) -> None:
        """Look for new bundles at once."""
        for service in self._services:
            await service.reload()

    @asynccontextmanager
    async def _lifespan(self, _: Any) -> AsyncIterator[None]:
        for service in self._services:
            await service.start()
        try:
            yield
        finally:
            for service in reversed(self._services):
                await service.stop()


def _check_names(folders: Mapping[str, Any], options: Options) -> None:
    """Before any model is loaded: what can be said at once."""
    if not folders:
        raise InputError("no bundle: name at least one")
    if options.artifact is not None:
        raise InputError(
            f"artifact {options.artifact} for several bundles: name it in the request, or serve one bundle"
        )
    for name, folder in folders.items():
        if not _PATH.fullmatch(name) or name in _TAKEN:
            raise InputError(
                f"{folder} is called {name!r}: letters, digits, dots, dashes and underscores are allowed, and not "
                f"{', '.join(_TAKEN)}; give it another name, as in digits={folder}"
            )
        Manifest.read(folder)


def _site(service: Service) -> list[BaseRoute]:
    """One bundle's API and its page."""
    mounts = [Mount("/", StaticFiles(directory=STATIC, html=True))]
    if service.assets is not None:
        mounts.insert(0, Mount(f"/{ASSETS_PATH.rstrip('/')}", StaticFiles(directory=service.assets)))
    return [*routes(service), *mounts]
