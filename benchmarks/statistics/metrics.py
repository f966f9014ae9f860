"""What a model's answers are worth: accuracy and its relatives, from labels and probabilities."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..values import ClassDifference, Comparison, Perturbed, Scores, Verdict
from .intervals import Pairs, bootstrap_difference, mcnemar_exact, mcnemar_mid_p, score_difference, wilson

__all__ = ["Answers", "agreement", "compare", "compare_accuracy", "describe", "verdict"]

_BINS = 15
_TOP_K = (2, 3, 5)
# Integer outputs state probabilities of exactly 0, whose logarithm is infinite; Keras clips at the same value.
_SMALLEST = 1e-7


@dataclass(frozen=True, eq=False)
class Answers:
    """What one model said about a set of images."""

    probabilities: NDArray[np.float32]
    """Shape (n, classes); NaN or infinite where the model computed nonsense."""

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Whether an image got an answer at all: NaN is none, and no luck makes it a right one. Shape (n,)."""
        valid: NDArray[np.bool_] = np.all(np.isfinite(self.probabilities), axis=1)
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
    # What is no answer counts in a column of its own, the last one, where -1 points.
    confusion = np.zeros((classes, classes + 1), np.int64)
    np.add.at(confusion, (truth, answers.labels), 1)
    probabilities = np.where(answers.valid[:, None], answers.probabilities, np.float32(0))
    return Scores(
        invalid_answers=int((~answers.valid).sum()),
        accuracy=float(right.mean()),
        accuracy_interval=wilson(int(right.sum()), len(right)),
        top_k={str(k): _top_k(probabilities, truth, k) for k in _TOP_K if k < classes},
        expected_calibration_error=_calibration_error(probabilities, right),
        log_loss=_log_loss(probabilities, truth),
        precision=_shares(confusion, confusion.sum(axis=0)[:classes]),
        recall=_shares(confusion, confusion.sum(axis=1)),
        f1=tuple(float(x) for x in _f1(confusion)),
        confusion=tuple(tuple(line) for line in confusion[:, :classes].tolist()),
    )


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
        margin_points=margin_points,
        confidence=confidence,
        lower_points=100 * lower,
        non_inferior=shown,
        text=f"non-inferior within {margin_points:g} points" if shown else "not shown",
    )


def _top_k(probabilities: NDArray[np.float32], truth: NDArray[np.int64], k: int) -> float:
    """Share of images with fewer than k classes above the true one; ties count in the lower index's favour."""
    rows = np.arange(len(truth))
    own = probabilities[rows, truth][:, None]
    before = np.arange(probabilities.shape[1]) < truth[:, None]
    above = (probabilities > own) | ((probabilities == own) & before)
    return float(((above.sum(axis=1) < k) & (probabilities.max(axis=1) > 0)).mean())


def _calibration_error(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 bins of equal width (Guo et al., ICML 2017)."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    bins = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gap = np.bincount(bins, weights=confidence - right, minlength=_BINS)
    return float(np.abs(gap).sum() / len(right))


def _log_loss(probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Mean negative log probability of the true class, probabilities clipped at 1e-7."""
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.clip(own, _SMALLEST, 1)).mean())


def _shares(confusion: NDArray[np.int64], of: NDArray[np.int64]) -> tuple[float, ...]:
    """What share of `of` each class's hits are; 0 for a class without any, as for F1."""
    hits = np.diagonal(confusion).astype(np.float64)
    return tuple(float(x) for x in np.divide(hits, of, out=np.zeros_like(hits), where=of > 0))


def _f1(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of each class from confusion matrices (..., true, predicted or none); 0 for a class nobody named or is."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    named_or_is = confusion.sum(axis=-1) + confusion.sum(axis=-2)[..., : hits.shape[-1]]
    return np.divide(2 * hits, named_or_is, out=np.zeros_like(hits), where=named_or_is > 0)


def _f1_difference(
    row: Answers, base: Answers, truth: NDArray[np.int64], *, seed: int, resamples: int = 1_000
) -> tuple[ClassDifference, ...]:
    """F1 of the row minus F1 of the float model for each class, with paired bootstrap 95 % intervals."""
    classes = row.probabilities.shape[1]
    answers = classes + 1  # the last one is no answer, -1
    said_twice = (truth * answers + base.labels % answers) * answers + row.labels % answers
    cells, counts = np.unique(said_twice, return_counts=True)
    true, base_said, row_said = cells // answers**2, cells // answers % answers, cells % answers

    def matrices(said: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.float64]:
        place = np.zeros((len(cells), classes * answers))
        place[np.arange(len(cells)), true * answers + said] = 1
        return _f1((weights @ place).reshape(-1, classes, answers))

    def difference(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return matrices(row_said, weights) - matrices(base_said, weights)

    observed = difference(counts[None])[0]
    draws = np.random.default_rng(seed).multinomial(len(truth), counts / len(truth), size=resamples)
    low, high = np.quantile(difference(draws), [0.025, 0.975], axis=0)
    return tuple(ClassDifference(float(d), (float(a), float(b))) for d, a, b in zip(observed, low, high, strict=True))
