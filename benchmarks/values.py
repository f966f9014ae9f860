"""What a report says, as values: one `Row` for an artifact in a backend, and the `Report` around the rows.

They become JSON, and come back, in `report.write` alone. A field is called as its key in `report.json`; the fields of a
part that is marked `inline` stand among those of the value that holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgepress.runtime.contract import KINDS, Picture
from edgepress.runtime.tasks import TASKS

from .costs import Batch, Energy, Interval, Latency, Memory, Ratio, Sizes, Speed, Threads
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
    "Interval",
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
    "Told",
    "Verdict",
]

_INLINE: dict[str, Any] = {"inline": True, "null": ()}
"""A part whose keys stand in its owner's object; where there is none, the keys of `null` do, holding null."""
_OPTIONAL = {"optional": True}
"""What has no key in the file where it is None."""
_APART = {"apart": True}
"""What lies in a file of its own."""


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
    confusion: tuple[tuple[int, ...], ...] | None = field(default=None, metadata=_OPTIONAL)
    """True class down, answer across; None of so many classes that nobody could look at it."""


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

    margin_points: float | None = field(default=None, kw_only=True, metadata=_OPTIONAL)
    """Of a classifier, as is `lower_points`."""
    confidence: float
    lower_points: float | None = field(default=None, kw_only=True, metadata=_OPTIONAL)
    non_inferior: bool
    text: str
    margin: float | None = field(default=None, metadata=_OPTIONAL)
    """How much worse is still as good; None in reports of before there were tasks, as are the next two."""
    lower: float | None = field(default=None, metadata=_OPTIONAL)
    """What cannot be excluded: row minus float, negative where it is worse."""
    unit: str | None = field(default=None, metadata=_OPTIONAL)
    """Of margin and lower, as `statistics.margins` names it."""

    @property
    def within(self) -> str:
        """The margin with its unit."""
        margin = self.margin_points if self.margin is None else self.margin
        return f"{margin:g} {self.unit or 'points'}"


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
    """accuracy, macro_f1, mae, roc_auc; of a raw model sqnr_db, which is a comparison with the float model itself."""
    value: float
    better: str
    """higher or lower."""
    unit: str
    """Of the difference: points of a share, the target's own unit, dB; empty where it has none."""
    difference: float | None
    """Row minus float."""
    difference_interval: Interval | None
    """Paired, 95 %."""
    trivial: float | None
    """What the answer that looks at no input is worth."""


@dataclass(frozen=True)
class Told:
    """One example that is no picture of a class, and what was said about it, in words."""

    example: int
    truth: str
    said: str
    float_said: str


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
    agreement: float | None
    """Share of the examples that are answered as the baseline answers them; None where answers are numbers."""
    verdict: Verdict | None = field(default=None, metadata=_OPTIONAL)
    robustness: tuple[Perturbed, ...] | None = field(default=None, metadata=_OPTIONAL)
    flips: Flips | None = field(default=None, metadata=_OPTIONAL)
    mistakes: tuple[Example, ...] | None = field(default=None, metadata=_OPTIONAL)
    """The most certain ones."""
    metric: Metric | None = field(default=None, metadata=_OPTIONAL)
    """The one that decides; None where nothing is known to be right, and in reports of before there were tasks."""
    metrics: Mapping[str, float] | None = field(default=None, metadata=_OPTIONAL)
    """What else tells of the task: roc_auc, rmse, r2, exact_match, sqnr_db."""
    curves: Mapping[str, Any] | None = field(default=None, metadata=_OPTIONAL)
    """What is drawn of the task: `roc`, `precision_recall`, `micro_precision_recall`, `residuals`, `label_f1`,
    `scores`, as JSON holds them."""
    told: tuple[Told, ...] | None = field(default=None, metadata=_OPTIONAL)
    """Examples that show the difference, of every task but classification, which has `flips` and `mistakes`."""

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
    margin_points: float | None = field(default=None, kw_only=True, metadata=_OPTIONAL)
    """Of metrics that are shares."""
    baseline: Baseline
    rows: tuple[Row, ...]
    """The baseline first."""
    failed: tuple[Failure, ...]
    energy: str | None
    """Why there is no energy; None where there is."""
    agreement_images: int
    images: Mapping[str, Any]
    """Those that rows' examples name, by index: class where there are classes, and pixels as PNG in base64 (`png`) or
    the input in short (`text`)."""
    conformance: Mapping[str, Any] | None
    explanations: tuple[Mapping[str, Any], ...]
    layers: Mapping[str, Any] | None
    mlperf: Mapping[str, Any] | None
    margin: float | None = field(default=None, metadata=_OPTIONAL)
    """In `margin_unit`; None in reports of before there were tasks."""
    margin_unit: str | None = field(default=None, metadata=_OPTIONAL)
    task: Mapping[str, Any] | None = field(default=None, metadata=_OPTIONAL)
    """As in the manifest; None in reports of before there were tasks, which are classifiers'."""
    contract: Mapping[str, Any] | None = field(default=None, metadata=_OPTIONAL)
    """Likewise; None in reports of before there were contracts, which are about pictures."""
    chance: str | None = field(default=None, metadata=_OPTIONAL)
    """That the float model is no better than the trivial answer, with figures; None where it is."""
    notes: tuple[str, ...] | None = field(default=None, metadata=_OPTIONAL)
    """What a reader must know about the test: what it is not known to exclude, and how lone files are fed."""
    models: tuple[Mapping[str, Any], ...] | None = field(default=None, metadata=_OPTIONAL)
    """Of files that are no part of a bundle: `artifact`, and its `contract` (with how that was found) and `task`."""
    answers: Mapping[str, Any] | None = field(default=None, metadata=_OPTIONAL)
    """The `file` beside the report that keeps what the rows answered, and its `sha256`."""
    kept: Any = field(default=None, compare=False, repr=False, metadata=_APART)
    """That file's content, a `report.answers.Kept`; None where there is none."""

    @property
    def examples(self) -> str:
        """What people call the examples: images, or examples where they are none."""
        kinds = {KINDS[each["kind"]] for each in self.contract["inputs"]} if self.contract else {Picture}
        return "images" if kinds == {Picture} else "examples"

    @property
    def classifies(self) -> bool:
        """Whether each example gets one of the labels."""
        return self.task is None or TASKS[self.task["kind"]].classifies

    def __repr__(self) -> str:
        return f"<edgepress Report of {self.bundle.name}: {len(self.rows)} rows, {self.created}>"

    def __str__(self) -> str:
        from .report.table import to_text

        return to_text(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .report.table import to_html

        return to_html(self)

    def _repr_markdown_(self) -> str:
        from .report.table import to_markdown

        return to_markdown(self)
