"""uvicorn's HTTP protocol, with fewer copies of long bodies, whole answers in one packet, and a word on what to mend in
what is no HTTP."""

import asyncio
import importlib
from importlib.util import find_spec
from typing import Any

from ..work.requests import WHOLE

__all__ = ["http_protocol"]

_READ_BYTES = 1 << 18


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


def http_protocol() -> Any:
    """The protocol class for uvicorn: on httptools, the quicker one, or on h11 where that has no wheel."""
    name = "httptools" if find_spec("httptools") else "h11"
    module = importlib.import_module(f"uvicorn.protocols.http.{name}_impl")
    base: Any = module.HttpToolsProtocol if name == "httptools" else module.H11Protocol

    class Protocol(base):  # type: ignore[misc]  # which of the two it is shows when it runs
        def on_body(self, body: bytes) -> None:
            # uvicorn's own gathers pieces in a bytearray and copies that for the application, and it stops reading at
            # 64 KB until the application asks. Here what one read brings is handed on as it is.
            cycle = self.cycle
            if not cycle.response_complete:
                cycle.body = bytes(cycle.body) + body if cycle.body else body
                if len(cycle.body) > _READ_BYTES:
                    self.flow.pause_reading()
                cycle.message_event.set()

        def on_message_complete(self) -> None:
            # What came whole with its head needs no clock; this runs before the application does.
            self.scope[WHOLE] = True
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            super().send_400_response(f"{msg.rstrip('.')}: send HTTP/1.1 (RFC 9112)")

    # All connections read into one buffer: what came is parsed before the next one reads. Fresh memory for every read
    # would cost more than reading, since the system has to clear it.
    received = memoryview(bytearray(_READ_BYTES))

    class Reader(asyncio.BufferedProtocol):
        # Beside the protocol, not above it: uvloop reads into a buffer only where no `asyncio.Protocol` is.
        def __init__(self, **settings: Any) -> None:
            self._protocol = Protocol(**settings)

        def connection_made(self, transport: Any) -> None:
            self._protocol.connection_made(_JoiningTransport(transport))

        def get_buffer(self, sizehint: int) -> memoryview:
            return received

        def buffer_updated(self, nbytes: int) -> None:
            self._protocol.data_received(received[:nbytes])

        def eof_received(self) -> None:
            self._protocol.eof_received()

        def pause_writing(self) -> None:
            self._protocol.pause_writing()

        def resume_writing(self) -> None:
            self._protocol.resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._protocol.connection_lost(exc)

    return Reader
