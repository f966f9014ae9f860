"""What a row costs, as values: bytes, time, memory, energy. `values` offers them with the rest of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Batch", "Energy", "Interval", "Latency", "Memory", "Ratio", "Sizes", "Speed", "Threads"]

Interval = tuple[float, float]


@dataclass(frozen=True)
class Sizes:
    """What a model weighs, in bytes."""

    bytes: int
    gzip_bytes: int
    xz_bytes: int
    zstd_bytes: int | None
    """None where zstandard is not installed."""


@dataclass(frozen=True)
class Latency:
    """Quantiles of one image's time, in microseconds."""

    p50: float
    p90: float
    p99: float
    p99_9: float | None = field(metadata={"key": "p99.9"})
    """None where there are too few calls for it."""


@dataclass(frozen=True)
class Ratio:
    """Latency against the baseline's; below 1 is faster."""

    value: float
    interval: Interval | None
    """Where a second run falls 95 % of the time; None with one repetition."""
    repetitions: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """Throughput with so many images a call."""

    size: int
    images_per_s: float


@dataclass(frozen=True)
class Memory:
    """Resident bytes of the process; None where the system does not tell."""

    peak: int | None
    steady: int | None


@dataclass(frozen=True)
class Threads:
    """Speed with so many threads."""

    threads: int
    p50_us: float
    images_per_s: float
    """In batches of 256."""
    batches: tuple[Batch, ...] | None = field(default=None, metadata={"optional": True})
    """All that were tried; None in reports of before they were."""


@dataclass(frozen=True)
class Energy:
    """Of the whole processor, microjoules an image."""

    per_image_uj: float
    above_idle_uj: float


@dataclass(frozen=True)
class Speed:
    """How fast a row is, and what it takes to start."""

    latency_us: Latency
    latency_calls: int
    latency_quantiles_us: tuple[tuple[float, float], ...]
    """Quantile in percent, microseconds."""
    latency_ratio: Ratio
    predict_latency_us: float
    """From pixels to probabilities."""
    warmup_calls: int
    harness_cost_us: float
    harness_share: float
    """Of the median latency."""
    throughput_per_s: float | None
    batches: tuple[Batch, ...]
    cold_start_us: Mapping[str, float]
    """By part: python, import, load, first."""
    memory_bytes: Memory
