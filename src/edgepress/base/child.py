"""Processes of our own, with a time limit: what may crash, hang or print runs in one, and the caller goes on."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Ended", "Started", "how_it_ended", "run_child", "run_module", "start_module"]

_GLANCE = 1.0
"""Seconds between looks at whether a process still lives."""


class Ended(NamedTuple):
    """A process that is over."""

    status: int
    """Its exit status; the negative number of the signal that killed it."""
    stdout: str
    stderr: str
    late: str = ""
    """Why it was killed by us; empty where it ended by itself."""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and well."""
        return self.status == 0 and not self.late

    @property
    def reason(self) -> str:
        """How it ended, in half a line: what limit it passed, what signal killed it, or its last words."""
        return self.late or how_it_ended(self.status, self.stderr)


def how_it_ended(status: int, stderr: str = "") -> str:
    """`killed by SIGSEGV`, or `exit status 1: ` and the last line of what it wrote to standard error."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    last = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "no message")
    return f"exit status {status}: {last}"


class Started:
    """A program that runs beside us; as a context it is killed at the end, whatever it does."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, told: bool = False) -> None:
        """Start it.

        Args:
            command: The program and its arguments.
            env: The environment; this process's by default.
            told: Whether it reads from standard input what to do: it may import meanwhile what that takes. Where we
                are gone there is nothing to read.

        Raises:
            OSError: There is no such program.
        """
        self._process = subprocess.Popen(
            list(command),
            env=env,
            stdin=subprocess.PIPE if told else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def __enter__(self) -> "Started":
        return self

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                # What was not sent is not wanted any more.
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def ended(self, said: str | None = None, *, seconds: float, alive: Path | None = None) -> Ended:
        """Wait for its end, and kill it when it takes too long.

        Args:
            said: What it is told.
            seconds: How long it may take from now; with `alive`, how long it may be silent.
            alive: A file that the program touches as a sign of life. It is made here.
        """
        seen = 0
        if alive is not None:
            alive.touch()
            seen = alive.stat().st_mtime_ns
        since = time.monotonic()
        while True:
            left = since + seconds - time.monotonic()
            if left <= 0:
                self._process.kill()
                out, errors = self._process.communicate()
                what = "no sign of life for" if alive else "not done after"
                return Ended(self._process.returncode, out, errors, f"{what} {seconds:g} s")
            try:
                out, errors = self._process.communicate(said, timeout=min(left, _GLANCE) if alive else left)
            except subprocess.TimeoutExpired:
                said = None
                if alive is not None and (now := alive.stat().st_mtime_ns) != seen:
                    seen, since = now, time.monotonic()
            else:
                return Ended(self._process.returncode, out, errors)


def run_child(
    command: Sequence[str], *, seconds: float, alive: Path | None = None, env: Mapping[str, str] | None = None
) -> Ended:
    """Run a program to its end, and kill it when it takes too long.

    Args:
        command: The program and its arguments.
        seconds: How long it may take; with `alive`, how long it may be silent.
        alive: A file that the program touches as a sign of life. It is made here.
        env: The environment; this process's by default.

    Raises:
        OSError: There is no such program.
    """
    with Started(command, env=env) as process:
        return process.ended(seconds=seconds, alive=alive)


def run_module(
    module: str,
    *arguments: str,
    seconds: float,
    alive: Path | None = None,
    env: Mapping[str, str] | None = None,
    python: Sequence[str] = (),
) -> Ended:
    """`python -m module arguments...`, as `run_child` runs it; by this interpreter where no other is named."""
    return run_child([*(python or [sys.executable]), "-m", module, *arguments], seconds=seconds, alive=alive, env=env)


def start_module(module: str, *arguments: str) -> Started:
    """`python -m module arguments...` by this interpreter, which reads from standard input what to do."""
    return Started([sys.executable, "-m", module, *arguments], told=True)
