"""What a model's answers are worth: accuracy and its relatives, from labels and probabilities."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..values import ClassDifference, Comparison, Perturbed, Scores, Verdict
from .intervals import Pairs, bootstrap_difference, mcnemar_exact, mcnemar_mid_p, score_difference, wilson

__all__ = ["MOST_CLASSES", "Answers", "agreement", "compare", "compare_accuracy", "describe", "verdict"]

_BINS = 15
MOST_CLASSES = 100
"""Of which a confusion matrix is kept: nobody looks at a larger one, and it grows with the square."""
_ROWS = 1_000
"""Examples that are looked at together."""
_TOP_K = (2, 3, 5)
# Integer outputs state probabilities of exactly 0, whose logarithm is infinite; Keras clips at the same value.
_SMALLEST = 1e-7


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model said about a set of images."""

    probabilities: NDArray[np.float32]
    """Shape (n, classes), in memory or on disk; NaN or infinite where the model computed nonsense."""

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Whether an image got an answer at all: NaN is none, and no luck makes it a right one. Shape (n,)."""
        # NaN and infinity, of any sign, survive no sum.
        with np.errstate(invalid="ignore", over="ignore"):
            valid: NDArray[np.bool_] = np.isfinite(self.probabilities.sum(axis=1, dtype=np.float64))
        return valid

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Most probable class of each image, -1 for no answer; shape (n,)."""
        return np.where(self.valid, self.probabilities.argmax(axis=1), -1)


def describe(answers: Answers, truth: NDArray[np.int64]) -> Scores:
    """Accuracy (with Wilson's 95 % interval), top-k, calibration, log-loss, confusion, invalid answers; and per class
    precision, recall and F1.

    Args:
        answers: Of n images.
        truth: True classes, shape (n,).
    """
    right = answers.labels == truth
    classes = answers.probabilities.shape[1]
    counts = _Counts.of(truth, answers.labels, classes)
    own, ranks, confidence = _by_rows(answers, truth)
    answered = confidence > 0
    return Scores(
        invalid_answers=int((~answers.valid).sum()),
        accuracy=float(right.mean()),
        accuracy_interval=wilson(int(right.sum()), len(right)),
        top_k={str(k): float(((ranks < k) & answered).mean()) for k in _TOP_K if k < classes},
        expected_calibration_error=_calibration_error(confidence, right),
        log_loss=float(-np.log(np.clip(own, _SMALLEST, 1)).mean()),
        precision=_shares(counts.hits, counts.named),
        recall=_shares(counts.hits, counts.true),
        f1=tuple(float(x) for x in counts.f1),
        confusion=_confusion(truth, answers.labels, classes) if classes <= MOST_CLASSES else None,
    )


def _by_rows(
    answers: Answers, truth: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Of each example the probability of the true class, how many classes stand above it, and the highest probability;
    0 where there is no answer. Ties count in the lower index's favour. Shape (n,) each."""
    count = len(truth)
    own, ranks, confidence = np.zeros(count), np.zeros(count, np.int64), np.zeros(count)
    for start in range(0, count, _ROWS):
        part = slice(start, start + _ROWS)
        valid, true = answers.valid[part], truth[part]
        values = np.where(valid[:, None], answers.probabilities[part], np.float32(0))
        mine = values[np.arange(len(true)), true]
        before = np.arange(values.shape[1]) < true[:, None]
        ranks[part] = ((values > mine[:, None]) | ((values == mine[:, None]) & before)).sum(axis=1)
        own[part], confidence[part] = mine, values.max(axis=1)
    return own, ranks, confidence


class _Counts(NamedTuple):
    """How often each class was named, was true, and both. Shape (classes,) each: no pair of classes has a place."""

    hits: NDArray[np.float64]
    named: NDArray[np.float64]
    true: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        truth: NDArray[np.int64],
        said: NDArray[np.int64],
        classes: int,
        weights: NDArray[np.float64] | None = None,
    ) -> "_Counts":
        """From true classes and answers, -1 for none; weights are how often each of them is there."""
        weights = np.ones(len(truth)) if weights is None else weights
        hit, named = said == truth, said >= 0
        drawn = ((truth, hit), (said, named), (truth, slice(None)))
        # Of nothing, numpy counts in integers.
        return cls(*(np.bincount(which[part], weights[part], classes).astype(np.float64) for which, part in drawn))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Of each class; 0 for one that nobody named or is."""
        named_or_is = self.named + self.true
        return np.divide(2 * self.hits, named_or_is, out=np.zeros_like(self.hits), where=named_or_is > 0)


def _confusion(truth: NDArray[np.int64], said: NDArray[np.int64], classes: int) -> tuple[tuple[int, ...], ...]:
    """True class down, answer across; what is no answer has no column."""
    named = said >= 0
    pairs = np.bincount(truth[named] * classes + said[named], minlength=classes * classes)
    return tuple(tuple(line) for line in pairs.reshape(classes, classes).tolist())


def agreement(row: Answers, base: Answers) -> float:
    """Share of the images that both answer alike."""
    return float((row.labels == base.labels).mean())


def compare(row: Answers, base: Answers, truth: NDArray[np.int64], *, seed: int) -> Comparison:
    """The paired comparison with the float model on the same images; differences are row minus float.

    Returns:
        The difference in percentage points with its paired bootstrap 95 % interval and Tango's score interval,
        McNemar's p values, the four counts that they follow from, and the F1 difference per class with bootstrap
        intervals.
    """
    pairs = Pairs.count(base.labels == truth, row.labels == truth)
    low, high = score_difference(pairs)
    return Comparison(
        difference_points=100 * pairs.difference,
        difference_interval_points=_interval_points(pairs, seed=seed),
        difference_score_interval_points=(100 * low, 100 * high),
        pairs=pairs,
        mcnemar_exact_p=mcnemar_exact(pairs),
        mcnemar_mid_p=mcnemar_mid_p(pairs),
        f1_difference=_f1_difference(row, base, truth, seed=seed),
    )


def compare_accuracy(name: str, row: Answers, base: Answers, truth: NDArray[np.int64], *, seed: int) -> Perturbed:
    """Accuracy on images that were changed as `name` says, and its difference in percentage points with the paired
    bootstrap 95 % interval."""
    pairs = Pairs.count(base.labels == truth, row.labels == truth)
    accuracy = float((row.labels == truth).mean())
    return Perturbed(name, accuracy, 100 * pairs.difference, _interval_points(pairs, seed=seed))


def _interval_points(pairs: Pairs, *, seed: int) -> tuple[float, float]:
    low, high = bootstrap_difference(pairs, seed=seed)
    return 100 * low, 100 * high


def verdict(pairs: Pairs, *, margin_points: float, confidence: float = 0.95) -> Verdict:
    """May the row replace the float model? Only if even the lower limit of the difference is above minus the margin.

    The limit is that of Tango's two-sided score interval, so that few images never pass for proof.
    """
    lower, _ = score_difference(pairs, confidence=confidence)
    shown = 100 * lower > -margin_points
    return Verdict(
        confidence=confidence,
        non_inferior=shown,
        text=f"non-inferior within {margin_points:g} points" if shown else "not shown",
        margin_points=margin_points,
        lower_points=100 * lower,
        margin=margin_points,
        lower=100 * lower,
        unit="points",
    )


def _calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal width (Guo et al., ICML 2017)."""
    bins = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gap = np.bincount(bins, weights=confidence - right, minlength=_BINS)
    return float(np.abs(gap).sum() / len(right))


def _shares(hits: NDArray[np.float64], of: NDArray[np.float64]) -> tuple[float, ...]:
    """What share of `of` each class's hits are; 0 for a class without any, as for F1."""
    return tuple(float(x) for x in np.divide(hits, of, out=np.zeros_like(hits), where=of > 0))


def _f1_difference(
    row: Answers, base: Answers, truth: NDArray[np.int64], *, seed: int, resamples: int = 1_000
) -> tuple[ClassDifference, ...]:
    """F1 of the row minus F1 of the float model for each class, with paired bootstrap 95 % intervals."""
    classes = row.probabilities.shape[1]
    answers = classes + 1  # the last one is no answer, -1
    said_twice = (truth * answers + base.labels % answers) * answers + row.labels % answers
    # Examples that both answer alike are one cell: few cells carry all that there is to draw.
    cells, counts = np.unique(said_twice, return_counts=True)
    true = cells // answers**2
    said = [np.where(place == classes, -1, place) for place in (cells % answers, cells // answers % answers)]

    def difference(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        own, other = (_Counts.of(true, each, classes, weights).f1 for each in said)
        return own - other

    observed = difference(counts.astype(np.float64))
    rng, shares = np.random.default_rng(seed), counts / len(truth)
    drawn = [difference(rng.multinomial(len(truth), shares).astype(np.float64)) for _ in range(resamples)]
    low, high = np.quantile(np.stack(drawn), [0.025, 0.975], axis=0)
    return tuple(ClassDifference(float(d), (float(a), float(b))) for d, a, b in zip(observed, low, high, strict=True))
