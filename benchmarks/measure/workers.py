"""Measurement processes: start them, give them orders, end them."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import how_it_ended
from edgepress.runtime import CheckFailedError

__all__ = ["Worker", "WorkerError"]

_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "ORT_DISABLE_TELEMETRY": "1"}
_PATIENCE_S = 600
_PROGRAM = Path(__file__).with_name("worker.py")


class WorkerError(CheckFailedError):
    """A model could not be opened or died while it was measured."""


class Worker:
    """One fresh process with one model in it; a context manager.

    Args:
        subject: What to open: an order of `models.subjects`; its own `examples` go before these.
        examples: What to measure with, as `Examples.write` wrote it; without any, the model only says what it is.
    """

    def __init__(self, subject: dict[str, Any], examples: Path | None = None) -> None:
        self.subject = subject
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        threads = str(subject["threads"])
        spawned = time.monotonic_ns()
        self._process = subprocess.Popen(
            # -P: the folder of the program is not a place to import from.
            [sys.executable, "-P", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | _ENVIRONMENT | {"OMP_NUM_THREADS": threads},
            text=True,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("both are pipes")
        self._orders, self._answers = self._process.stdin, self._process.stdout
        try:
            own = {"examples": None if examples is None else str(examples)} | subject
            self.opened = self.ask("open", **own, spawned_ns=spawned)
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        """Give one order and wait for its answer.

        Raises:
            WorkerError: The order failed, or the process is gone; the message names the model and the reason.
        """
        # A process that hangs must not hang the benchmark: killed, it reads as one that died.
        late = threading.Event()
        alarm = threading.Timer(_PATIENCE_S, self._end_late, [late])
        alarm.start()
        try:
            self._orders.write(json.dumps({"do": do, **order}) + "\n")
            self._orders.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        finally:
            alarm.cancel()
        name = self.subject.get("file") or self.subject["path"]
        if not line:
            status = self._process.wait()
            reason = f"no answer after {_PATIENCE_S:g} s" if late.is_set() else how_it_ended(status, self._said())
            raise WorkerError(f"{name}: the process that measures it ended: {reason}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{name}: {answer['type']}: {answer['error']}")
        return answer

    def answers(self, examples: Path, out: Path, **order: Any) -> dict[str, NDArray[Any]]:
        """What the model says about a file of examples, by output; an empty name is the task's answer.

        The arrays stay on disk, beside `out`: many classes are larger than memory.
        """
        files: dict[str, str] = self.ask("answer", examples=str(examples), out=str(out), **order)["files"]
        return {name: np.load(file, mmap_mode="r") for name, file in files.items()}

    def _end_late(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _said(self) -> str:
        """Everything on its standard error."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self._orders.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._log.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
