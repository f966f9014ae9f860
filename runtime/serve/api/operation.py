"""What the router and the OpenAPI document both know about a path."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from ...contract import Contract
from ..work.service import Service

__all__ = ["Operation"]


@dataclass(frozen=True)
class Operation:
    """One path and what it does. Its summary is the first line of the handler's docstring."""

    method: str
    path: str
    handler: Callable[[Service, Request], Awaitable[Response]]
    tag: str
    answers: Mapping[str, str] = field(default_factory=dict)
    """Media type to the name of its schema."""
    bodies: Mapping[str, str] | Callable[[Contract], Mapping[str, str]] = field(default_factory=dict)
    """Media type that it takes to the name of its schema; by the bundle's contract where it depends on that."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Query parameter to its description."""
    refusals: tuple[int, ...] = ()
    """Statuses besides 200 that its own rules lead to; a wrong key adds 401."""
    fits: Callable[[Contract], bool] = lambda contract: True
    """Whether it is described where that is the bundle's contract."""
    open: bool = False
    """Answered without the key."""
