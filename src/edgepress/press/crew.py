"""Who runs the trials of a search: this process, several of our own, or a Ray cluster. What is lost runs again."""

import logging
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from edgepress.base.extras import require
from edgepress.runtime import CheckFailedError

__all__ = ["Crew", "crew_of"]

_LOG = logging.getLogger("edgepress")
_LIVES = 3
"""Times that a trial may be lost with the process that ran it."""
_Work = Callable[..., Any]


class Crew(Protocol):
    """Runs `work(*args)` under numbers."""

    size: int
    """How many run at a time."""

    def submit(self, number: int, *args: Any) -> None:
        """Begin."""

    def next(self) -> tuple[int, Any]:
        """Wait for one that is done, and give its number and what it returned; what it raised is raised."""


@contextmanager
def crew_of(work: _Work, *, workers: int = 1, ray: str | None = None) -> Iterator[Crew]:
    """A crew, which is sent home when the block ends.

    Args:
        work: A function of a module, with arguments and results that can be pickled.
        workers: Processes; with `ray` the tasks that run at a time, each on one processor.
        ray: `local`, or the address of a cluster; None without Ray.

    Raises:
        MissingExtraError: Ray is asked for and not installed.
    """
    if ray is not None:
        with _ray_crew(work, workers, ray) as crew:
            yield crew
    elif workers == 1:
        yield _Alone(work)
    else:
        processes = _Processes(work, workers)
        try:
            yield processes
        finally:
            processes.close()


class _Alone:
    """This process, one after another."""

    size = 1

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._waiting: list[tuple[int, tuple[Any, ...]]] = []

    def submit(self, number: int, *args: Any) -> None:
        self._waiting.append((number, args))

    def next(self) -> tuple[int, Any]:
        number, args = self._waiting.pop(0)
        return number, self._work(*args)


class _Processes:
    """Processes of our own. Where one dies, all begin anew: what they had done lies in the trials' folders."""

    def __init__(self, work: _Work, size: int) -> None:
        self.size = size
        self._work = work
        self._given: dict[int, tuple[Any, ...]] = {}
        self._futures: dict[Future[Any], int] = {}
        self._lost: Counter[int] = Counter()
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        threads = max(1, (os.cpu_count() or 1) // self.size)
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.size, context, _begin, (threads, _LOG.level))

    def submit(self, number: int, *args: Any) -> None:
        self._given[number] = args
        self._futures[self._pool.submit(self._work, *args)] = number

    def next(self) -> tuple[int, Any]:
        while True:
            done, _ = wait(self._futures, return_when=FIRST_COMPLETED)
            future = done.pop()
            number = self._futures.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool:
                self._begin_anew(number)
                continue
            del self._given[number]
            return number, result

    def _begin_anew(self, number: int) -> None:
        kept = {future: each for future, each in self._futures.items() if future.done() and not future.exception()}
        lost = [number, *(each for future, each in self._futures.items() if future not in kept)]
        self._pool.shutdown(wait=True, cancel_futures=True)
        _LOG.warning("search: a process has ended: trials %s run again", ", ".join(map(str, sorted(lost))))
        self._lost.update(lost)
        if max(self._lost[each] for each in lost) >= _LIVES:
            raise CheckFailedError(
                f"trials {', '.join(map(str, sorted(lost)))} were lost {_LIVES} times with the processes that ran "
                "them: give them more memory, or fewer --workers; the same command goes on where they were"
            )
        self._pool, self._futures = self._new_pool(), kept
        for each in lost:
            self.submit(each, *self._given[each])

    def close(self) -> None:
        """End the processes, with what they are at."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin(threads: int, level: int) -> None:
    """A process of the crew: it ends with its parent, shares the processors, and says what it does."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{os.getpid()}: %(message)s"))
    _LOG.addHandler(handler)
    _LOG.setLevel(level)
    _LOG.propagate = False


@contextmanager
def _ray_crew(work: _Work, workers: int, address: str) -> Iterator[Crew]:
    ray = require("ray", extra="ray")
    alone = address == "local"
    own = {"num_cpus": workers, "include_dashboard": False} if alone else {}
    ray.init(address=address, **own)
    try:
        yield _Ray(ray, work, workers)
    finally:
        ray.shutdown()


class _Ray:
    """Tasks of a Ray cluster, one processor each. Ray itself runs those again whose node is lost."""

    def __init__(self, ray: Any, work: _Work, size: int) -> None:
        self.size = size
        self._ray = ray
        self._task = ray.remote(num_cpus=1, max_retries=_LIVES)(work)
        self._running: dict[Any, int] = {}
        # The data go to each node once.
        self._shared: dict[int, tuple[Any, Any]] = {}

    def submit(self, number: int, *args: Any) -> None:
        self._running[self._task.remote(*(self._stored(each) for each in args))] = number

    def _stored(self, value: Any) -> Any:
        if isinstance(value, str | int | float | dict | type(None)):
            return value
        if id(value) not in self._shared:
            self._shared[id(value)] = (value, self._ray.put(value))
        return self._shared[id(value)][1]

    def next(self) -> tuple[int, Any]:
        (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
        number = self._running.pop(done)
        try:
            return number, self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise CheckFailedError(
                f"trial {number} was lost {_LIVES} times ({reason}): the same command goes on"
            ) from None
