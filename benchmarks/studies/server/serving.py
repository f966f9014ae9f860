"""A server in a process of its own, and the quickest client that Python has: what the studies of `serve` share."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.files import write_file
from edgepress.runtime import Manifest
from edgepress.runtime.machine import describe_machine

__all__ = [
    "Client",
    "Load",
    "Server",
    "closed_loop",
    "open_loop",
    "post",
    "publish",
    "random_images",
    "served_variant",
    "start_server",
]

_PROGRAM = """
import json, sys
from edgepress.runtime.serve import Limits, Options, serve
from edgepress.runtime.serve.host.logs import log_as_json
log_as_json()
options = Options(port=0, backend=sys.argv[3], limits=Limits(**json.loads(sys.argv[2])))
serve(sys.argv[1], options, lambda url: print(json.dumps(url), flush=True))
"""


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    def rss_bytes(self) -> int:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def start_server(bundle: str | os.PathLike[str], *, backend: str = "auto", **limits: float) -> Iterator[Server]:
    """Serve a bundle on a free loopback port; stopped by SIGTERM, whose exit status must be 0."""
    command = [sys.executable, "-c", _PROGRAM, str(bundle), json.dumps(limits), backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline() or '""')
        if not url:
            raise RuntimeError(f"the server did not start: try  edgepress serve {bundle}")
        try:
            yield Server(process, int(url.rstrip("/").rpartition(":")[2]))
        finally:
            process.terminate()
            status = process.wait(60)
        if status:
            raise RuntimeError(f"the server stopped with status {status}")


_USUAL = "int8"


def served_variant(bundle: str | os.PathLike[str]) -> str:
    """What a server answers with by default: int8, or the default model's first where there is none."""
    manifest = Manifest.read(bundle)
    variants = [each.variant for each in manifest.artifacts if each.model == manifest.default_model]
    return _USUAL if _USUAL in variants else variants[0]


def post(path: str, body: bytes, content_type: str = "application/octet-stream", accept: str = "*/*") -> bytes:
    """A whole request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nhost: edgepress\r\ncontent-type: {content_type}\r\naccept: {accept}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Client:
    """One kept connection. Requests are bytes made before; sending and receiving leave Python's lock alone."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; returns status and body. Raises OSError when no whole answer comes."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
            head, _, body = self._receive(b"").partition(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next(int(line[15:]) for line in fields if line.startswith(b"content-length:"))
            while len(body) < length:
                body = self._receive(body)
            if b"connection: close" in fields:
                self.close()
            return int(head[9:12]), body
        except (OSError, ValueError, StopIteration) as error:
            self.close()
            raise OSError(f"no whole answer: {error!r}") from None

    def _receive(self, received: bytes) -> bytes:
        assert self._socket is not None
        while True:
            more = self._socket.recv(1 << 18)
            if not more:
                raise OSError("the connection was closed")
            received += more
            if b"\r\n\r\n" in received or received[:5] != b"HTTP/":
                return received

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass
class Load:
    """What came back."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    """Answers by status; 0 stands for a request without an answer."""
    wrong: int = 0
    """Answers of status 200 that the check refused."""
    latencies_s: list[float] = field(default_factory=list)
    """Of answers of status 200, from the moment the request was due: a client that is behind adds to it."""
    answered_s: list[float] = field(default_factory=list)
    """The same from the moment the request was sent."""

    def quantile_ms(self, share: float) -> float:
        """A quantile of the latencies, milliseconds."""
        return float(np.quantile(np.array(self.latencies_s), share)) * 1e3


Check = Callable[[int, bytes], bool]
"""Request number and body of an answer 200: whether it is right."""


def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Each client sends its next request when the last is answered."""
    end = time.perf_counter() + seconds

    def due(number: int) -> float | None:
        now = time.perf_counter()
        return now if now < end else None

    return _run(port, requests, clients, due, lambda number, body: True)


def open_loop(
    port: int, requests: Sequence[bytes], clients: int, seconds: float, rate: float, check: Check = lambda *_: True
) -> Load:
    """`rate` requests a second, whatever the server does; latency counts from the moment each was due.

    Clients that fall behind, all of them waiting for answers, leave what they have not sent by the end unsent.
    """
    start = time.perf_counter()
    end = start + seconds

    def due(number: int) -> float | None:
        at = start + number / rate
        return at if max(at, time.perf_counter()) < end else None

    return _run(port, requests, clients, due, check)


def _run(port: int, requests: Sequence[bytes], clients: int, due: Callable[[int], float | None], check: Check) -> Load:
    load, lock, numbers = Load(), threading.Lock(), iter(range(1 << 60))

    def work() -> None:
        client = Client(port)
        while True:
            with lock:
                number = next(numbers)
                at = due(number)
            if at is None:
                client.close()
                return
            time.sleep(max(0.0, at - time.perf_counter()))
            sent = time.perf_counter()
            try:
                status, body = client.ask(requests[number % len(requests)])
            except OSError:
                status, body = 0, b""
            now = time.perf_counter()
            right = status != 200 or check(number % len(requests), body)
            with lock:
                load.statuses[status] += 1
                load.wrong += not right
                if status == 200:
                    load.latencies_s.append(now - at)
                    load.answered_s.append(now - sent)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.seconds = time.perf_counter() - start
    return load


def random_images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Pixels to send, (count, 28, 28)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def publish(result: dict[str, Any], out: Path | None) -> None:
    """Add the command and the machine to a study's figures, print them, and write them to `out`."""
    spec = sys.modules["__main__"].__spec__
    # Where a file lies on this machine is nobody's business, and of no use to whoever repeats the command.
    words = [os.path.relpath(word) if os.path.isabs(word) else word for word in sys.argv[1:]]
    command = " ".join(["python -m", spec.name if spec else sys.argv[0], *words])
    text = json.dumps({**result, "command": command, "machine": describe_machine()}, indent=1)
    if out:
        write_file(out, text + "\n")
    print(text)
