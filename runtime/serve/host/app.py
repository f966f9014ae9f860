"""The ASGI application."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from ..api.routes import routes
from ..web.assets import ASSETS_PATH
from ..web.words import STATIC
from ..work.options import Options
from ..work.service import Service
from .admission import Gate

__all__ = ["App"]


class App:
    """Serves one bundle: the API, the Open Inference Protocol, the metrics and the drawing page."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        options: Options | None = None,
        connections: Callable[[], int] = lambda: 0,
    ) -> None:
        """Load the bundle.

        Args:
            folder: The bundle.
            options: The defaults when None.
            connections: How many connections the web server holds; the limit on them rests on it.

        Raises:
            EdgepressError: The bundle cannot be served.
        """
        options = options or Options()
        self.service = Service(folder, options)
        mounts: list[Mount] = []
        if self.service.assets is not None:
            mounts.append(Mount(f"/{ASSETS_PATH.rstrip('/')}", StaticFiles(directory=self.service.assets)))
        mounts.append(Mount("/", StaticFiles(directory=STATIC, html=True)))
        router = Router([*routes(self.service), *mounts], lifespan=self._lifespan)
        self._app: ASGIApp = Gate(router, self.service, connections)
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
        self.service.stopping = True

    @asynccontextmanager
    async def _lifespan(self, _: object) -> AsyncIterator[None]:
        await self.service.start()
        try:
            yield
        finally:
            await self.service.stop()
