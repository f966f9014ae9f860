"""`edgepress.serve`: the server in a process of its own, so that a notebook's own event loop can go on."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from .base.child import how_it_ended
from .base.errors import CheckFailedError, InputError

__all__ = ["Server", "serve"]

_STOP_S = 15.0
"""Longer than the server itself waits for answers that are under way."""
_UNUSABLE = 2
"""Exit status for what the user can mend."""


class Server:
    """A server that runs until `close`, the end of a `with` block, or the end of this Python. Made by `serve`."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.url = url
        """The page's address; the API is below it."""
        self._process = process

    def wait(self) -> None:
        """Wait until it ends, as a script does that only serves. Ctrl-C stops it."""
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """Answer what is under way, and stop. Closing twice is fine."""
        atexit.unregister(self.close)
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "stopped" if self._process.poll() is not None else "running"
        return f"<edgepress Server {self.url} {state}>"


def serve(bundle: str | os.PathLike[str], *, host: str = "127.0.0.1", port: int = 8000, **options: Any) -> Server:
    """Serve a bundle: its HTTP API and its page. Returns once requests are answered.

    Args:
        bundle: The bundle's folder. A new bundle in its place is taken over without dropping a request.
        host: Address to listen on; 0.0.0.0 for the network.
        port: 0 takes a free one.
        **options: More of `edgepress serve --help`, such as artifact="mnist-int8.tflite", threads=2, batch=64.

    Raises:
        InputError: The bundle cannot be served, the address cannot be listened on, or the extra `serve` is missing.
    """
    command = [sys.executable, "-m", "edgepress", "serve", os.fspath(bundle), "--json"]
    command += [f"--host={host}", f"--port={port}"]
    for name, value in options.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            command.append(f"--{name.replace('_', '-')}={each}")
    with tempfile.TemporaryFile("w+") as log:
        # It keeps the file, which has no name, as its log. What interrupts a notebook's cell is not meant for it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            status = process.wait()
            process.stdout.close()
            log.seek(0)
            said = log.read()
            last = next((line for line in reversed(said.splitlines()) if line.startswith("edgepress: ")), "")
            if status == _UNUSABLE and last:
                raise InputError(last.removeprefix("edgepress: "))
            raise CheckFailedError(f"the server did not start: {last or how_it_ended(status, said)}")
    server = Server(process, str(json.loads(first)["url"]))
    atexit.register(server.close)
    return server
