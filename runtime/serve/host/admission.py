"""What every request passes: its id, the key, the answer to whatever went wrong, the metrics and one log line."""

import logging
import os
import re
import time
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgepress.base.errors import InputError

from ..work.answers import json_response
from ..work.problems import Problem, overloaded
from ..work.service import Service
from .logs import log_fields

__all__ = ["Gate"]

logger = logging.getLogger("edgepress.serve")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_CLIENT_GONE = 499


class Gate:
    """Wraps the routes. Every answer is one of theirs or `{"error": ...}`."""

    def __init__(
        self, routes: ASGIApp, service: Service, connections: Callable[[], int], guide: str = "/openapi.json"
    ) -> None:
        """`connections` tells how many are open, `guide` where the paths are described."""
        self._guide = guide
        self._routes = routes
        self._service = service
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        start = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = os.urandom(8).hex().encode()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = [(b"x-request-id", request_id)]
                if self._service.stopping:
                    extra.append((b"connection", b"close"))
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        problem: Problem | None = None
        detail = ""
        metrics = self._service.metrics
        metrics.in_progress += 1
        try:
            try:
                limit = self._service.options.limits.connections
                if self._connections() > limit:
                    raise overloaded(f"{limit} connections are open already", headers={"connection": "close"})
                # Starlette raises for unknown paths and methods where it sees an application, and answers itself else.
                scope["app"] = self
                await self._routes(scope, receive, answer)
            except ClientDisconnect:
                status = _CLIENT_GONE
            except Exception as error:  # The last stop: a request never takes the server down.
                problem = _as_problem(error, self._guide)
                detail = problem.detail
                if problem.status == 500:
                    logger.exception("failed", extra={"fields": {"id": request_id.decode()}})
            if problem is not None:
                if status:
                    # Half an answer is out; only closing the connection tells the client.
                    raise RuntimeError("the answer failed after it had begun")
                response = json_response({"error": detail}, problem.status, problem.headers)
                await response(scope, receive, answer)
        finally:
            metrics.in_progress -= 1
        self._account(scope, status, time.perf_counter() - start, request_id, detail)

    def _account(self, scope: Scope, status: int, seconds: float, request_id: bytes, detail: str) -> None:
        # The path as declared, never as sent: labels of a client's choice would let the metrics grow without bound.
        operation = scope.get("operation")
        route = operation.path if operation else "static"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        self._service.metrics.observe_request(method, route, status, seconds)
        if logger.isEnabledFor(logging.INFO):
            client = scope.get("client")
            fields: dict[str, Any] = {
                "id": request_id.decode(),
                "client": client[0] if client else None,
                "method": method,
                "path": scope["path"][:200],
                "status": status,
                "duration_s": round(seconds, 6),
            }
            if detail:
                fields["error"] = detail
            log_fields(logger, "request", fields)


def _as_problem(error: Exception, guide: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        mend = {404: f"see {guide} for the paths", 405: f"allowed is {(error.headers or {}).get('Allow', '')}"}
        detail = f"{error.detail}: {mend.get(error.status_code, f'see {guide}')}"
        return Problem(error.status_code, detail, dict(error.headers or {}))
    if isinstance(error, InputError):
        return Problem(422, str(error))
    return Problem(500, "the server failed at this request; its log has the reason under the request's id")
