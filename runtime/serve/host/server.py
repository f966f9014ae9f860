"""The web server around the application: one process, one event loop, a stop that loses nothing."""

import asyncio
import ctypes
import importlib
import logging
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

import uvicorn

from edgepress.base.errors import InputError

from ..work.options import Options
from .app import App
from .protocol import http_protocol

__all__ = ["serve"]

logger = logging.getLogger("edgepress.serve")
_SWITCH_S = 0.0005
_SWEEP_S = 0.5
# Each step of a stop waits this long for what is on the wire already.
_STEP_S = 0.25
_HANDSHAKE_S = 0.05
_SYSTEMD_FIRST_FD = 3
_SO_ATTACH_FILTER = 26
# mallopt(3), and the bytes that are set.
_M_TRIM_THRESHOLD, _TRIM_BYTES = -1, 4 << 20
_M_MMAP_THRESHOLD, _MMAP_BYTES = -3, 1 << 20


def serve(
    folders: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    options: Options,
    started: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve bundles until SIGTERM or SIGINT. SIGHUP looks for new ones at once.

    Args:
        folders: A bundle, or several by name.
        options: Where to listen, and the limits. A socket that systemd hands over is taken instead of host and port.
        started: Called with the page's address once connections are accepted.

    Raises:
        EdgepressError: A bundle cannot be served, or the address cannot be listened on.
    """
    server: _Server
    app = App(folders, options, connections=lambda: len(server.server_state.connections))
    inherited = _inherited_socket()
    listener = inherited or _bind(options.host, options.port)
    server = _Server(app, options, lambda: started(_address(listener)), inherited=inherited is not None)
    # By default a thread that computes in Python keeps the other one, inference or event loop, waiting for 5 ms.
    sys.setswitchinterval(_SWITCH_S)
    _keep_freed_memory()
    # uvloop takes a tenth off a request of many images; it has no wheel for 32-bit ARM.
    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
    if find_spec("uvloop"):
        run = importlib.import_module("uvloop").run
    run(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """uvicorn, with a bound on idle connections and a stop in steps."""

    def __init__(self, app: App, options: Options, started: Callable[[], None], *, inherited: bool) -> None:
        limits = options.limits
        super().__init__(
            uvicorn.Config(
                app,
                http=http_protocol(),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=max(1, round(limits.idle_s)),
                timeout_graceful_shutdown=max(1, round(limits.drain_s)),
            )
        )
        self._edgepress = app
        self._idle_s = limits.idle_s
        self._announce = started
        self._inherited = inherited

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT and end with exit status 0: uvicorn itself would end by the signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(self._edgepress.reload()))
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        await super().startup(sockets)
        self._sweeper = asyncio.create_task(self._close_idle())
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop without losing a request that was sent.

        First every answer asks its client to close, so that busy connections end by themselves; then new connections
        are turned away and those that the kernel has made already are accepted; then they get the time to be answered.
        """
        logger.info("stopping")
        self._edgepress.drain()
        await asyncio.sleep(_STEP_S)
        for listener in sockets or []:
            await self._close_door(listener)
        await asyncio.sleep(_STEP_S)
        self._sweeper.cancel()
        await super().shutdown(sockets)
        logger.info("stopped")

    async def _close_door(self, listener: socket.socket) -> None:
        """Close the listening socket with nobody in it: whoever the kernel let in would be reset.

        A socket of systemd's stays open there, and who is in it waits for the next process.
        """
        if not self._inherited:
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener.fileno())
            _drop_new_connections(listener)
            await asyncio.sleep(_HANDSHAKE_S)
            with suppress(BlockingIOError):
                while True:
                    connection, _ = listener.accept()
                    await loop.connect_accepted_socket(self._protocol, connection)
        for server in self.servers:
            server.close()

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    async def _close_idle(self) -> None:
        """Close connections that have sent no complete request header for too long (uvicorn waits for ever)."""
        idle: dict[Any, tuple[Any, float]] = {}
        while True:
            await asyncio.sleep(_SWEEP_S)
            now, seen = time.monotonic(), idle
            idle = {}
            connections: list[Any] = list(self.server_state.connections)
            for connection in connections:
                cycle = connection.cycle
                if cycle is None or cycle.response_complete:
                    before, since = seen.get(connection, (cycle, now))
                    idle[connection] = (cycle, since if before is cycle else now)
                    if now - idle[connection][1] > self._idle_s:
                        connection.transport.close()


def _keep_freed_memory() -> None:
    """Let glibc keep a few freed megabytes: what it gives back and takes again, the system clears page by page."""
    libc = ctypes.CDLL(None)
    if mallopt := getattr(libc, "mallopt", None):
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host} port {port} ({error.strerror or error}): name another with --host and --port"
        ) from None
    listener.setblocking(False)
    return listener


def _drop_new_connections(listener: socket.socket) -> None:
    """Let Linux drop SYN packets from now on: clients see a server that is not there."""
    # Classic BPF over the TCP header: 0 bytes of the packet pass when, of SYN and ACK in byte 13, SYN alone is set.
    program = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    with suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
        )


def _inherited_socket() -> socket.socket | None:
    """The socket of systemd's socket activation (sd_listen_fds(3)): it stays open while the service restarts."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    listener = socket.socket(fileno=_SYSTEMD_FIRST_FD)
    listener.setblocking(False)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
