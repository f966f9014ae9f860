"""Speed: every row measured in turn, round by round, in fresh processes that live for one repetition.

Interleaving gives each row the same share of whatever else the machine does; repetitions in new processes show what a
new memory layout changes. A ratio to the baseline is formed inside each round, so that a slow minute slows both sides.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.progress import STEP, Stage, stage

from ..statistics.intervals import repeat_interval
from ..values import Batch, Latency, Memory, Ratio, Speed
from .workers import Worker, WorkerError

__all__ = ["BATCH", "PACES", "Pace", "Samples", "find_warmup", "measure_speed", "summarize"]

_LOG = logging.getLogger("edgepress")
BATCH = 256
_QUANTILES = (0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)
_COST_CALLS = 2_000
# Fewer samples than this leave less than ten beyond the quantile.
_ENOUGH_FOR_P999 = 10_000


@dataclass(frozen=True)
class Pace:
    """How long to measure."""

    repetitions: int
    """Fresh processes of every row."""
    rounds: int
    """Turns of every row in one repetition."""
    turn_us: float
    """Time of one turn."""
    batches: tuple[int, ...]
    """Images a batch; `BATCH`, whose throughput the table shows, is one of them."""
    thorough: bool
    """Measure the rest, too: more threads, energy, perturbed images, conformance."""
    patience_s: float = 0.0
    """For how long a busy machine is waited for."""


PACES = {
    "quick": Pace(repetitions=3, rounds=5, turn_us=8_000, batches=(32, BATCH), thorough=False, patience_s=5),
    "default": Pace(
        repetitions=6, rounds=15, turn_us=16_000, batches=(8, 32, 128, BATCH, 1024), thorough=True, patience_s=60
    ),
    "frontier": Pace(
        repetitions=12, rounds=30, turn_us=20_000, batches=(8, 32, 128, BATCH, 1024, 4096), thorough=True, patience_s=60
    ),
}


@dataclass
class Samples:
    """What was measured of one row, one entry a repetition."""

    latency_ns: list[list[NDArray[np.float64]]] = field(default_factory=list)
    """Per repetition and round, every single call."""
    predict_ns: list[float] = field(default_factory=list)
    """Median of `predict`, from pixels to probabilities."""
    batch_ns: dict[int, list[float]] = field(default_factory=dict)
    """Per batch size, the median time of a batch."""
    cold_start_us: list[dict[str, float]] = field(default_factory=list)
    memory: list[dict[str, int | None]] = field(default_factory=list)
    warmup_calls: list[int] = field(default_factory=list)
    cost_ns: list[float] = field(default_factory=list)
    failure: str | None = None
    """Why the row could not be measured."""


def measure_speed(
    subjects: Sequence[dict[str, Any]],
    examples: Path,
    pace: Pace,
    *,
    seed: int = 0,
    then: Callable[[int, Worker], None] | None = None,
) -> list[Samples]:
    """Measure all subjects against each other.

    Args:
        subjects: As `Worker` takes them.
        examples: As `Examples.write` wrote them.
        pace: How long.
        seed: Of the order of turns.
        then: Called with a subject's index and its process after the last repetition, while that still lives.

    Returns:
        One `Samples` a subject; one that fails says why in `failure` and does not stop the others.
    """
    rng = np.random.default_rng(seed)
    samples = [Samples() for _ in subjects]
    started = time.monotonic()
    turns = pace.repetitions * (2 + pace.rounds + len(pace.batches))
    with stage(f"measure {len(subjects)} rows", turns) as shown:
        for repetition in range(pace.repetitions):
            with ExitStack() as stack:
                workers: dict[int, Worker] = {}
                for index in rng.permutation(len(subjects)):
                    with _noting_failure(samples[index]):
                        if samples[index].failure is None:
                            workers[index] = stack.enter_context(Worker(subjects[index], examples))
                _repetition(workers, samples, pace, rng, shown)
                if then is not None and repetition == pace.repetitions - 1:
                    for index, worker in sorted(workers.items()):
                        with _noting_failure(samples[index]):
                            then(index, worker)
            _LOG.info(
                "benchmark: repetition %d of %d measured, %d rows, %.0f s",
                repetition + 1, pace.repetitions, len(workers), time.monotonic() - started,
                extra=STEP,
            )  # fmt: skip
    return samples


@contextmanager
def _noting_failure(samples: Samples) -> Iterator[None]:
    """Turn a `WorkerError` into the row's failure and go on."""
    try:
        yield
    except WorkerError as error:
        samples.failure = str(error)
        _LOG.warning("benchmark: %s", error)


def _repetition(
    workers: dict[int, Worker], samples: list[Samples], pace: Pace, rng: np.random.Generator, shown: Stage
) -> None:
    """Warm up, then take turns."""

    def turns(action: Callable[[int, Worker], None]) -> None:
        for index in rng.permutation(sorted(workers)):
            with _noting_failure(samples[index]):
                if samples[index].failure is None:
                    action(index, workers[index])
        last = [row.latency_ns[-1][-1] for row in samples if row.latency_ns and row.latency_ns[-1]]
        medians = [float(np.median(calls)) / 1000 for calls in last]
        figures = {"fastest": min(medians), "slowest": max(medians)} if medians else {}
        shown.advance(1, **{name: f"{value:,.1f} us" for name, value in figures.items()})

    counts: dict[int, int] = {}

    def warm_up(index: int, worker: Worker) -> None:
        series = worker.ask("latency", what="run", warmup=0, count=20)["ns"]
        more = int(np.clip(200_000_000 / np.median(series), 20, 500))
        series += worker.ask("latency", what="run", warmup=0, count=more)["ns"]
        row = samples[index]
        row.warmup_calls.append(find_warmup(series))
        row.cold_start_us.append(worker.opened["cold_start_us"])
        row.memory.append(worker.ask("memory"))
        row.latency_ns.append([])
        counts[index] = int(np.clip(1000 * pace.turn_us / np.median(series[-20:]), 10, 2_000))

    def latency(index: int, worker: Worker) -> None:
        row = samples[index]
        # Other processes had the caches since this one's last turn.
        answer = worker.ask("latency", what="run", warmup=max(5, min(row.warmup_calls[-1], 100)), count=counts[index])
        row.latency_ns[-1].append(np.array(answer["ns"], np.float64))

    def rest(index: int, worker: Worker) -> None:
        row = samples[index]
        row.predict_ns.append(
            float(np.median(worker.ask("latency", what="predict", warmup=10, count=max(10, counts[index] // 2))["ns"]))
        )
        row.cost_ns.append(float(np.median(worker.ask("cost", count=_COST_CALLS)["ns"])))

    def batches(size: int) -> Callable[[int, Worker], None]:
        def action(index: int, worker: Worker) -> None:
            one = float(np.median(worker.ask("batch", size=size, count=1)["ns"]))
            count = int(np.clip(1000 * pace.turn_us / one, 3, 50))
            taken = float(np.median(worker.ask("batch", size=size, count=count)["ns"]))
            samples[index].batch_ns.setdefault(size, []).append(taken)

        return action

    turns(warm_up)
    for _ in range(pace.rounds):
        turns(latency)
    turns(rest)
    for size in pace.batches:
        turns(batches(size))


def find_warmup(series: Sequence[float], *, window: int = 10, within: float = 1.05) -> int:
    """How many calls pass before the times settle.

    Returns:
        The first index from which the median of `window` calls is within 5 % of the median of the last half.
    """
    values = np.asarray(series, np.float64)
    settled = float(np.median(values[len(values) // 2 :]))
    running = np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
    return int(np.argmax(running <= within * settled))


def summarize(row: Samples, base: Samples) -> Speed:
    """The figures of one row; the ratio is to `base`, below 1 where the row is faster."""
    pooled = np.concatenate([calls for rounds in row.latency_ns for calls in rounds]) / 1000
    p50, p90, p99 = (float(np.percentile(pooled, q)) for q in (50, 90, 99))
    latency = Latency(p50, p90, p99, float(np.percentile(pooled, 99.9)) if len(pooled) >= _ENOUGH_FOR_P999 else None)
    cost = float(np.median(row.cost_ns)) / 1000
    batches = tuple(Batch(size, 1e9 * size / float(np.median(taken))) for size, taken in row.batch_ns.items())
    return Speed(
        latency_us=latency,
        latency_calls=len(pooled),
        latency_quantiles_us=tuple((q, float(np.percentile(pooled, q))) for q in _QUANTILES),
        latency_ratio=_ratio(row, base),
        predict_latency_us=float(np.median(row.predict_ns)) / 1000,
        warmup_calls=int(np.median(row.warmup_calls)),
        harness_cost_us=cost,
        harness_share=cost / float(np.median(pooled)),
        throughput_per_s=max((b.images_per_s for b in batches if b.size == BATCH), default=None),
        batches=batches,
        cold_start_us={
            part: float(np.median([start[part] for start in row.cold_start_us])) for part in row.cold_start_us[0]
        },
        memory_bytes=Memory(
            peak=_median([m["peak_bytes"] for m in row.memory]),
            steady=_median([m["steady_bytes"] for m in row.memory]),
        ),
    )


def _ratio(row: Samples, base: Samples) -> Ratio:
    """Latency against the baseline: the median over each repetition's rounds, then the mean of their logarithms."""
    logs = []
    for own, other in zip(row.latency_ns, base.latency_ns, strict=True):
        rounds = [math.log(np.median(a) / np.median(b)) for a, b in zip(own, other, strict=True)]
        logs.append(float(np.median(rounds)))
    interval = repeat_interval(logs)
    return Ratio(
        value=math.exp(float(np.mean(logs))),
        interval=None if interval is None else (math.exp(interval[0]), math.exp(interval[1])),
        repetitions=tuple(math.exp(x) for x in logs),
    )


def _median(values: Sequence[int | None]) -> int | None:
    known = [v for v in values if v is not None]
    return int(np.median(known)) if known else None
