"""uvicorn's HTTP protocol, with whole answers in one packet and a word on what to mend in what is no HTTP."""

import asyncio
import importlib
from importlib.util import find_spec
from typing import Any

__all__ = ["http_protocol"]


class _JoiningTransport:
    """A transport that joins the head of an answer with its body: one system call, and the client wakes up once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
            self._transport.write(data)
        elif data:
            self._held = data
            # What has no successor goes out by itself.
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def http_protocol() -> type[asyncio.Protocol]:
    """The protocol class for uvicorn: on httptools, the quicker one, or on h11 where that has no wheel."""
    name = "httptools" if find_spec("httptools") else "h11"
    module = importlib.import_module(f"uvicorn.protocols.http.{name}_impl")
    base: Any = module.HttpToolsProtocol if name == "httptools" else module.H11Protocol

    class Protocol(base):  # type: ignore[misc]  # which of the two it is shows when it runs
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(_JoiningTransport(transport))

        def send_400_response(self, msg: str) -> None:
            super().send_400_response(f"{msg.rstrip('.')}: send HTTP/1.1 (RFC 9112)")

    return Protocol
