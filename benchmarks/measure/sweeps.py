"""What more threads do to a model that is called with one image and with batches."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.runtime.machine import usable_cores

from ..values import Batch, Threads
from .speed import BATCH, Pace
from .workers import Worker, WorkerError

__all__ = ["sweep_threads", "thread_counts"]

_LOG = logging.getLogger("edgepress")
_ROUNDS = 5
_BATCHES = 3
"""Of a size and round: a first one, untimed, precedes them."""
_LONGEST_NS = 250_000_000
"""Other sizes than the table's are left out where a batch would take longer: little is left to gain, and it is long to
wait for."""


def thread_counts(cores: int) -> tuple[int, ...]:
    """1, 2, 4 ... up to the cores that there are."""
    return tuple(count for count in (1, 2, 4, 8, 16) if count <= cores)


def sweep_threads(subjects: Sequence[dict[str, Any]], examples: Path, pace: Pace) -> list[tuple[Threads, ...]]:
    """Measure each subject with 1, 2, 4 ... threads, the counts in turn.

    Returns:
        One entry a subject: its figures by count. A subject that a count breaks has none.
    """
    cores = usable_cores()
    counts = thread_counts(cores)
    if len(counts) < 2:
        return [() for _ in subjects]
    _LOG.info("benchmark: measuring with %s threads", ", ".join(map(str, counts)))
    found: list[tuple[Threads, ...]] = []
    for subject in subjects:
        try:
            found.append(_sweep(subject, examples, pace, counts))
        except WorkerError as error:
            _LOG.warning("benchmark: %s", error)
            found.append(())
    return found


def _sweep(subject: dict[str, Any], examples: Path, pace: Pace, counts: Sequence[int]) -> tuple[Threads, ...]:
    latencies: dict[int, list[float]] = {count: [] for count in counts}
    with ExitStack() as stack:
        workers = {c: stack.enter_context(Worker({**subject, "threads": c}, examples)) for c in counts}
        alone_ns = np.median(workers[counts[0]].ask("latency", what="run", warmup=5, count=10)["ns"])
        sizes = [size for size in pace.batches if size == BATCH or size * alone_ns <= _LONGEST_NS]
        batches: dict[int, dict[int, list[float]]] = {count: {size: [] for size in sizes} for count in counts}
        for _ in range(_ROUNDS):
            for count, worker in workers.items():
                one = np.median(worker.ask("latency", what="run", warmup=0, count=10)["ns"])
                calls = int(np.clip(1000 * pace.turn_us / one, 10, 1_000))
                latencies[count] += worker.ask("latency", what="run", warmup=0, count=calls)["ns"]
                for size, taken in batches[count].items():
                    taken += worker.ask("batch", size=size, count=_BATCHES)["ns"]
    speeds = {
        count: {size: 1e9 * size / float(np.median(taken)) for size, taken in sizes.items()}
        for count, sizes in batches.items()
    }
    return tuple(
        Threads(
            threads=count,
            p50_us=float(np.median(latencies[count])) / 1000,
            images_per_s=speeds[count][BATCH],
            batches=tuple(Batch(size, speed) for size, speed in speeds[count].items()),
        )
        for count in counts
    )
