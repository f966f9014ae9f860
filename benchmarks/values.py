"""What a report says, as values: one `Row` for an artifact in a backend, and the `Report` around the rows.

They become JSON, and come back, in `report.write` alone. A field is called as its key in `report.json`; the fields of a
part that is marked `inline` stand among those of the value that holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .statistics.intervals import Pairs

__all__ = [
    "Baseline",
    "Batch",
    "Bundle",
    "ClassDifference",
    "Comparison",
    "Conditions",
    "Data",
    "Energy",
    "Example",
    "Failure",
    "Flips",
    "Latency",
    "Memory",
    "Metric",
    "Perturbed",
    "Ratio",
    "Report",
    "Row",
    "Scores",
    "Sizes",
    "Speed",
    "Threads",
    "Verdict",
]

Interval = tuple[float, float]


_INLINE: dict[str, Any] = {"inline": True, "null": ()}
"""A part whose keys stand in its owner's object; where there is none, the keys of `null` do, holding null."""
_OPTIONAL = {"optional": True}
"""What has no key in the file where it is None."""


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


@dataclass(frozen=True)
class Scores:
    """What a classifier's answers are worth on the labelled images, on their own."""

    invalid_answers: int
    accuracy: float
    accuracy_interval: Interval
    """Wilson's, 95 %."""
    top_k: Mapping[str, float]
    expected_calibration_error: float
    log_loss: float
    precision: tuple[float, ...]
    """One a class, as are the next two."""
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    """True class down, answer across."""


@dataclass(frozen=True)
class ClassDifference:
    """F1 of one class, row minus float."""

    difference: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """A classifier's answers beside the float model's on the same images; differences are row minus float."""

    difference_points: float
    difference_interval_points: Interval
    """Paired bootstrap, 95 %."""
    difference_score_interval_points: Interval
    """Tango's, 95 %."""
    pairs: Pairs
    mcnemar_exact_p: float
    mcnemar_mid_p: float
    f1_difference: tuple[ClassDifference, ...]


@dataclass(frozen=True)
class Verdict:
    """May the row replace the float model?"""

    margin_points: float
    confidence: float
    lower_points: float
    non_inferior: bool
    text: str


@dataclass(frozen=True)
class Perturbed:
    """Accuracy on test images that were changed in one way."""

    name: str
    accuracy: float
    difference_points: float
    difference_interval_points: Interval


@dataclass(frozen=True)
class Example:
    """One image and what was said about it, by index; -1 is no answer."""

    image: int
    said: int
    float_said: int
    probability: float


@dataclass(frozen=True)
class Flips:
    """Images that only one of the two models answers rightly."""

    only_float_right: tuple[Example, ...]
    only_row_right: tuple[Example, ...]


@dataclass(frozen=True)
class Metric:
    """What a model is worth in its task's own measure, and how far that is from the float model's."""

    name: str
    """accuracy, roc_auc, macro_f1, mae ..."""
    value: float
    better: str
    """higher or lower."""
    unit: str
    difference: float
    difference_interval: Interval
    trivial: float
    """What the trivial answer is worth."""


@dataclass(frozen=True)
class Row:
    """One artifact in one backend, or the float Keras model."""

    model: str
    artifact: str
    format: str
    variant: str
    backend: str
    threads: int
    sparsity: float
    """Share of the weights that are zero."""
    sha256: str
    sizes: Sizes = field(metadata=_INLINE)
    runtime_bytes: Mapping[str, int] | None
    """Installed bytes of the packages that it needs, by name."""
    speed: Speed = field(metadata=_INLINE)
    threads_sweep: tuple[Threads, ...]
    energy_uj: Energy | None
    scores: Scores | None = field(metadata=_INLINE | {"null": ("accuracy",)})
    """Of a classifier on labelled images, as is `comparison`."""
    comparison: Comparison | None = field(
        metadata=_INLINE | {"null": ("difference_points", "difference_interval_points")}
    )
    agreement: float
    """Share of the images that are answered as the baseline answers them."""
    verdict: Verdict | None = field(default=None, metadata=_OPTIONAL)
    robustness: tuple[Perturbed, ...] | None = field(default=None, metadata=_OPTIONAL)
    flips: Flips | None = field(default=None, metadata=_OPTIONAL)
    mistakes: tuple[Example, ...] | None = field(default=None, metadata=_OPTIONAL)
    """The most certain ones."""
    metric: Metric | None = field(default=None, metadata=_OPTIONAL)
    """Of every task but classification, which has `scores`."""

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the other rows of a report."""
        return self.artifact, self.backend, self.threads

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled images that are answered rightly; None where that was not measured."""
        return None if self.scores is None else self.scores.accuracy

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.artifact} ({self.backend})"


@dataclass(frozen=True)
class Data:
    """The labelled images that accuracy is measured on."""

    name: str
    images: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """What was measured."""

    name: str
    labels: tuple[str, ...]
    source: Mapping[str, Any]
    """As in the manifest."""


@dataclass(frozen=True)
class Conditions:
    """The machine's state, as `machine.conditions` reads it, and what makes latencies incomparable."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    not_comparable: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """The row that the others are compared with."""

    name: str
    accuracy: float | None
    artifact: str
    backend: str
    threads: int


@dataclass(frozen=True)
class Failure:
    """What could not be measured, and why."""

    artifact: str
    backend: str
    threads: int
    reason: str


@dataclass(frozen=True)
class Report:
    """Everything that a benchmark found. Mappings are JSON objects as the file holds them."""

    schema: int
    dataset: Data | None
    bundle: Bundle
    machine: Mapping[str, Any]
    """As `machine.describe_machine` tells it."""
    conditions: Conditions
    created: str
    """ISO 8601, UTC."""
    seed: int
    preset: str
    margin_points: float
    baseline: Baseline
    rows: tuple[Row, ...]
    """The baseline first."""
    failed: tuple[Failure, ...]
    energy: str | None
    """Why there is no energy; None where there is."""
    agreement_images: int
    images: Mapping[str, Any]
    """Those that examples name: class, and pixels as PNG in base64."""
    conformance: Mapping[str, Any] | None
    explanations: tuple[Mapping[str, Any], ...]
    layers: Mapping[str, Any] | None
    mlperf: Mapping[str, Any] | None
