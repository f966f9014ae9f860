"""Serve a bundle: HTTP API, Open Inference Protocol, metrics and a page. Needs the extra `serve`."""

import os
from collections.abc import Callable, Mapping

from edgepress.base.extras import require

from .work.options import Limits, Options

__all__ = ["Limits", "Options", "serve"]


def serve(
    bundle: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    options: Options | None = None,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a bundle, or several, until SIGTERM or SIGINT.

    Args:
        bundle: The bundle's folder, or the folders of several by name, each of which is served under it. A new bundle
            in a folder's place is taken over without dropping a request.
        options: Where to listen, the key, the limits; the defaults when None.
        started: Called with the page's address once connections are accepted.

    Raises:
        MissingExtraError: The web server is not installed.
        EdgepressError: A bundle cannot be served, or the address cannot be listened on.
    """
    for module in ("uvicorn", "starlette", "orjson", "python_multipart", "prometheus_client"):
        require(module, extra="serve")
    from .host.server import serve

    serve(bundle, options or Options(), started)
