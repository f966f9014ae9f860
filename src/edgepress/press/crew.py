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
from typing import Any, NamedTuple, Protocol

from edgepress.base.cluster import ALONE, ray_cluster
from edgepress.runtime import CheckFailedError, InputError

__all__ = ["Crew", "Needs", "crew_of"]

_LOG = logging.getLogger("edgepress")
_LIVES = 3
"""Times that a trial may be lost with the process that ran it."""
_Work = Callable[..., Any]


class Needs(NamedTuple):
    """What one trial takes of a Ray cluster's node."""

    cpus: int = 1
    """Processors; TensorFlow uses as many threads."""
    gpus: float = 0.0
    """Graphics processors: a share of one, or whole ones."""

    def check(self) -> None:
        """Raise InputError where Ray could not give that."""
        if self.cpus < 1:
            raise InputError(f"processors of a trial {self.cpus}: at least 1 is allowed")
        if self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise InputError(f"GPUs of a trial {self.gpus:g}: a share from 0 to 1, or a whole number is allowed")


class Crew(Protocol):
    """Runs `work(*args)` under numbers."""

    size: int
    """How many run at a time."""

    def submit(self, number: int, *args: Any) -> None:
        """Begin."""

    def next(self) -> tuple[int, Any]:
        """Wait for one that is done, and give its number and what it returned; what it raised is raised."""


@contextmanager
def crew_of(work: _Work, *, workers: int = 1, ray: str | None = None, needs: Needs | None = None) -> Iterator[Crew]:
    """A crew, which is sent home when the block ends.

    Args:
        work: A function of a module, with arguments and results that can be pickled.
        workers: Processes; with `ray` the tasks that run at a time.
        ray: `local`, or the address of a cluster; None without Ray.
        needs: What each task takes with `ray`; one processor when None.

    Raises:
        InputError: Needs without Ray, or that this machine alone cannot fulfil.
        MissingExtraError: Ray is asked for and not installed.
    """
    if needs is not None:
        needs.check()
        if ray is None:
            raise InputError("what a trial needs of processors and GPUs is said to Ray: name --ray, or leave it out")
    if ray is not None:
        with _ray_crew(work, workers, ray, needs or Needs()) as crew:
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
def _ray_crew(work: _Work, workers: int, address: str, needs: Needs) -> Iterator[Crew]:
    with ray_cluster(address, workers * needs.cpus) as ray:
        _check_nodes(ray, needs, alone=address == ALONE)
        yield _Ray(ray, work, workers, needs)


def _check_nodes(ray: Any, needs: Needs, *, alone: bool) -> None:
    """A trial that no node can run would wait without end: not on a machine alone, and told where nodes may come."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(node.get("CPU", 0) >= needs.cpus and node.get("GPU", 0) >= needs.gpus for node in nodes):
        return
    there = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
    what = f"a trial takes {needs.cpus} CPUs and {needs.gpus:g} GPUs, and the nodes have {there}"
    if alone:
        raise InputError(f"{what}: ask for less with --trial-cpus and --trial-gpus, or name a cluster with --ray")
    _LOG.warning("search: %s: trials wait until one comes that has enough", what)


class _Ray:
    """Tasks of a Ray cluster. Ray itself runs those again whose node is lost."""

    def __init__(self, ray: Any, work: _Work, size: int, needs: Needs) -> None:
        self.size = size
        self._ray = ray
        # A task on a part of a node must not take all of its processors.
        threads = {"env_vars": {"TF_NUM_INTRAOP_THREADS": str(needs.cpus)}}
        self._task = ray.remote(
            num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=_LIVES, runtime_env=threads
        )(work)  # fmt: skip
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
