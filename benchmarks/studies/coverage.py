"""Do the intervals hold what they promise? Experiments whose truth is known, drawn many times over, task by task.

    python -m edgepress.benchmarks.studies.coverage

Each experiment draws a test set of its own, on which a baseline and a row answer. The row is either as good as the
baseline or worse by twice the margin; the true difference is that of a population of 400,000 examples. Counted is how
often the paired 95 % interval holds the true difference, and how often the verdict refuses the row that is worse. The
functions are those that `Judge` calls.
"""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.tables import markdown_table
from edgepress.quality import QUALITY, Metric, paired_interval

from ..statistics.intervals import Pairs, bootstrap_difference, score_difference
from ..statistics.margins import POINTS, judge_difference, margin_of
from ..statistics.metrics import verdict

__all__ = ["KINDS", "Covered", "measure", "table"]

_POPULATION = 400_000
_EQUAL_HARM = 0.02
"""Of a row that is as good but no copy: it answers otherwise here and there."""

Drawn = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Truth, the baseline's answers, the row's."""
Draw = Callable[[np.random.Generator, int, float], Drawn]
"""From a generator, the number of examples, and how far the row's answers stray."""


class Covered(NamedTuple):
    """What one task's experiments came to."""

    kind: str
    metric: str
    interval: str
    examples: int
    """Of each experiment's test set."""
    experiments: int
    held: float
    """Share of the intervals that hold the true difference."""
    refused: float
    """Share of the rows that are worse by twice the margin that the verdict refuses."""


def _classes(rng: np.random.Generator, count: int, harm: float) -> Drawn:
    truth = rng.integers(0, 10, count)
    wrong = (truth + rng.integers(1, 10, count)) % 10
    base = np.where(rng.random(count) < 0.1, wrong, truth)
    # Some mistakes of the baseline are mended, as many made anew, and the harm besides.
    right, strays = base == truth, rng.random(count)
    own = np.where(right & (strays < (0.02 + harm) / 0.9), wrong, np.where(~right & (strays < 0.2), truth, base))
    return truth, base, own


def _two_classes(rng: np.random.Generator, count: int, harm: float) -> Drawn:
    truth, base, own = _classes(rng, count, harm)
    # Whether each is right is all that counts.
    return np.zeros(count, np.int64), (base != truth).astype(np.int64), (own != truth).astype(np.int64)


def _labels(rng: np.random.Generator, count: int, harm: float) -> Drawn:
    truth = (rng.random((count, 4)) < [0.3, 0.5, 0.2, 0.4]).astype(np.int64)
    base = np.where(rng.random(truth.shape) < 0.1, 1 - truth, truth)
    return truth, base, np.where(rng.random(truth.shape) < harm, 1 - base, base)


def _numbers(rng: np.random.Generator, count: int, harm: float) -> Drawn:
    truth = rng.normal(0, 1, (count, 1))
    base = truth + rng.standard_t(5, truth.shape) * 0.3
    return truth, base, base + rng.normal(0, harm, truth.shape)


def _scores(rng: np.random.Generator, count: int, harm: float) -> Drawn:
    truth = (rng.random(count) < 0.3).astype(np.int64)
    base = rng.normal(0, 1, count) + 1.5 * truth
    return truth, base, base + rng.normal(0, harm, count)


KINDS: dict[str, tuple[Draw, int]] = {
    "multiclass": (_classes, 2_000),
    "binary": (_two_classes, 500),
    "multilabel": (_labels, 600),
    "regression": (_numbers, 500),
    "anomaly": (_scores, 500),
}
"""By the task's kind: what draws an experiment, and the size of its test set."""


def measure(kind: str, experiments: int, seed: int = 0) -> list[Covered]:
    """Both kinds of experiments for one task; one entry for each interval that a report states."""
    draw, count = KINDS[kind]
    metric = QUALITY[kind].metric
    classifies = metric.prepare is not None
    trivial = _trivial(kind)
    worse = _planted(draw, metric, trivial)
    equal_truth = _true_difference(draw, metric, _EQUAL_HARM)
    held: dict[str, int] = {}
    refused = 0
    for number in range(experiments):
        rng = np.random.default_rng([seed, number])
        truth, base, own = draw(rng, count, _EQUAL_HARM)
        for name, (low, high) in _intervals(metric, truth, base, own, classifies, number).items():
            held[name] = held.get(name, 0) + (low <= equal_truth <= high)
        truth, base, own = draw(rng, count, worse)
        refused += not _passes(metric, truth, base, own, classifies, trivial, number)
    return [
        Covered(kind, metric.name, name, count, experiments, times / experiments, refused / experiments)
        for name, times in held.items()
    ]


def _intervals(
    metric: Metric, truth: NDArray[Any], base: NDArray[Any], own: NDArray[Any], classifies: bool, seed: int
) -> dict[str, tuple[float, float]]:
    """As shown, by the method's name."""
    if classifies:
        pairs = Pairs.count(base == truth, own == truth)
        both = {"bootstrap": bootstrap_difference(pairs, seed=seed), "Tango": score_difference(pairs)}
        return {name: (100 * low, 100 * high) for name, (low, high) in both.items()}
    _, low, high = paired_interval(metric, own, base, truth, seed=seed)
    return {"bootstrap" if metric.deviation is None else "all pairs": (low, high)}


def _passes(
    metric: Metric,
    truth: NDArray[Any],
    base: NDArray[Any],
    own: NDArray[Any],
    classifies: bool,
    trivial: float,
    seed: int,
) -> bool:
    margin = margin_of(metric, None)
    if classifies:
        return verdict(Pairs.count(base == truth, own == truth), margin_points=margin.value).non_inferior
    (interval,) = _intervals(metric, truth, base, own, classifies, seed).values()
    return judge_difference(metric, interval, trivial, len(truth), margin).non_inferior


def _trivial(kind: str) -> float:
    """What the answer that looks at no input is worth, on the population."""
    truth, base, _ = KINDS[kind][0](np.random.default_rng(1), _POPULATION // 10, 0.0)
    nothing = np.tile(truth.mean(axis=0), (len(truth), 1)) if truth.ndim > 1 else np.zeros(len(base))
    return QUALITY[kind].metric.of(nothing, truth)


def _true_difference(draw: Draw, metric: Metric, harm: float) -> float:
    truth, base, own = draw(np.random.default_rng(2), _POPULATION, harm)
    return (metric.of(own, truth) - metric.of(base, truth)) * metric.scale


def _planted(draw: Draw, metric: Metric, trivial: float) -> float:
    """How far a row strays that is worse by twice the margin, by bisection."""
    margin = margin_of(metric, None)
    wanted = 2 * (margin.value if margin.unit == POINTS else margin.value * trivial / 100)
    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        loss = abs(_true_difference(draw, metric, middle))
        low, high = (middle, high) if loss < wanted else (low, middle)
    return (low + high) / 2


def table(found: list[Covered]) -> list[str]:
    """As Markdown."""
    rows = [
        (
            each.kind, each.metric, each.interval, f"{each.examples:,}", f"{each.experiments:,}",
            f"{100 * each.held:.1f}", f"{100 * each.refused:.1f}",
        )
        for each in found
    ]  # fmt: skip
    heads = ("task", "metric", "interval", "examples", "experiments", "holds the truth %", "refuses twice the margin %")
    return markdown_table(heads, rows, columns="lllr")


def main() -> None:
    """Measure every task and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task", choices=tuple(KINDS), action="append", help="one of them; all where it is left out")
    options = parser.parse_args()
    found = [each for kind in options.task or KINDS for each in measure(kind, options.experiments, options.seed)]
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
