"""A backend in a child process with limits, so that a file that kills a parser becomes a Python exception.

`isolated_child` is the program of that process, `pipes` how the two sides talk.
"""

import contextlib
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import how_it_ended
from edgepress.base.errors import ArtifactRefusedError, InputError, Refusal

from ..bundle.manifest import TensorSpec
from ..formats.content import Content
from .pipes import memory_for, read_message, write_message

__all__ = ["IsolatedSession"]

_ERRORS: dict[str, type[Exception]] = {"value": ValueError, "input": InputError, "refused": ArtifactRefusedError}
"""What is raised here for each kind of error that the child tells of."""
_SECONDS = 60.0
"""What loading, or one call, may take before the child is killed."""


class IsolatedSession:
    """A session whose backend runs in a child process."""

    failures: tuple[type[Exception], ...] = (ValueError,)

    def __init__(self, name: str, content: Content, threads: int, delegate: bool) -> None:
        program = f"{__package__}.isolated_child"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise _unavailable(f"{sys.executable}: {error.strerror}") from None
        # A session that is forgotten, not closed, leaves no child either.
        self._end = weakref.finalize(self, _end, self._process)
        self._greeted = False
        try:
            size = len(content.data)
            settings = {
                "backend": name, "format": content.format, "threads": threads, "delegate": delegate, "bytes": size,
            }  # fmt: skip
            self._memory = memory_for(size)
            # The first answer comes before the child has seen the file: what ends it there is not the file's fault.
            self._ask(settings, [])
            self._greeted = True
            reply, _ = self._ask({}, [np.frombuffer(content.data, np.uint8)])
        except BaseException:
            self.close()
            raise
        self.inputs = tuple(map(TensorSpec.from_dict, reply["inputs"]))
        self.outputs = tuple(map(TensorSpec.from_dict, reply["outputs"]))
        self.chunk = int(reply["chunk"])
        self.metadata = {str(key): str(value) for key, value in reply["metadata"].items()}

    def call(self, array: NDArray[Any]) -> NDArray[Any]:
        """One input in, the first output out."""
        return self.run([array])[0]

    def run(self, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """One array per input, of its exact type; one new array per output."""
        return self._ask({}, arrays)[1]

    def close(self) -> None:
        """End the child."""
        self._end()

    def _ask(
        self, message: dict[str, Any], arrays: Sequence[NDArray[Any]]
    ) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        if not self._end.alive:
            raise ValueError("closed")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Killing the child ends the reading below, on every system.
        late = threading.Event()

        def kill() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(_SECONDS, kill)
        watch.start()
        try:
            write_message(self._process.stdin, message, arrays)
            reply, results = read_message(self._process.stdout)
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            raise self._ending(late.is_set()) from None
        finally:
            watch.cancel()
        if "error" in reply:
            raise _ERRORS[reply["kind"]](str(reply["error"]))
        return reply, results

    def _ending(self, late: bool) -> ArtifactRefusedError:
        if self._process.poll() is None and not late:
            # It closed the pipe or wrote nonsense; a moment later it is gone by itself, or it is ended here.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process.kill()
        status = self._process.wait()
        how = f"gave no answer in {_SECONDS:g} s" if late else f"ended: {how_it_ended(status)}"
        if not self._greeted:
            return _unavailable(f"the process {how}")
        return ArtifactRefusedError(
            f"the model's own process {how}: the file is unsafe or needs more than {self._memory // 10**6:,} MB; "
            "do not use it",
            Refusal.CRASHED,
        )


def _unavailable(how: str) -> ArtifactRefusedError:
    return ArtifactRefusedError(
        f"this model needs a process of its own, which cannot be started here ({how}); nothing is known against the "
        "file: load it from a bundle that you trust",
        Refusal.NO_ISOLATION,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
