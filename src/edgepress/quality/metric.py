"""A metric that can be computed of weighted examples, and what follows from that: paired intervals.

Efron and Tibshirani 1993, An Introduction to the Bootstrap: drawing examples with replacement is giving each a
multinomial weight, the same one for both models that are compared.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Metric", "bootstrap", "paired_interval", "resamples"]

Answers = NDArray[Any]
"""What a model says about n examples, in the form of its task: probabilities (n, k), values (n, k) or scores (n,)."""
Value = Callable[[Answers, NDArray[Any], NDArray[np.float64]], float]

RESAMPLES = 1000
_SHOWN = 0.95
_NORMAL = 1.959964
"""Standard deviations to either side that hold as much of a normal distribution."""


class Metric(NamedTuple):
    """One number about a model's answers."""

    name: str
    """As reports call it: accuracy, roc_auc, macro_f1, mae, ..."""
    value: Value
    """Of answers, targets and the examples' weights (n,)."""
    higher: bool = True
    """Whether more is better."""
    unit: str = "points"
    """`points`: a share, whose differences are shown in percentage points. `target`: in the target's own unit. Empty:
    a plain number."""
    prepare: Callable[[Answers], Answers] | None = None
    """What `value` takes as well in place of answers, found once where it is asked often."""
    deviation: Callable[[Answers, Answers, NDArray[Any]], float | None] | None = None
    """Of the paired difference ours - theirs on such targets, where the bootstrap's is known to be too wide and a
    closed form is better; it gives None where it cannot tell."""

    def prepared(self, answers: Answers) -> Answers:
        """Answers that `value` takes, and takes quickly."""
        return answers if self.prepare is None else self.prepare(answers)

    @property
    def better(self) -> str:
        """`higher` or `lower`."""
        return "higher" if self.higher else "lower"

    @property
    def scale(self) -> float:
        """From a difference of values to one that is shown."""
        return 100.0 if self.unit == "points" else 1.0

    def of(self, answers: Answers, targets: NDArray[Any]) -> float:
        """The value on all examples alike."""
        return self.value(answers, targets, np.ones(len(targets)))

    def gain(self, value: float, reference: float) -> float:
        """How much better `value` is, as shown; negative where it is worse."""
        return (value - reference) * self.scale * (1 if self.higher else -1)

    def weighed(self, difference: float, trivial: float) -> float:
        """A difference, as shown, in the unit in which it is judged: that of a share in points, that of an error in
        percent of the error of the answer that looks at no input, which has the value `trivial`."""
        return difference if self.unit == "points" or not trivial else 100 * difference / trivial


def resamples(count: int, seed: int, draws: int = RESAMPLES) -> Iterator[NDArray[np.float64]]:
    """Weights of `count` examples drawn with replacement, `draws` times."""
    rng = np.random.default_rng(seed)
    shares = np.full(count, 1 / count)
    for _ in range(draws):
        yield rng.multinomial(count, shares).astype(np.float64)


def bootstrap(
    metric: Metric, ours: Answers, theirs: Answers, targets: NDArray[Any], *, seed: int, draws: int = RESAMPLES
) -> tuple[float, float, float]:
    """The paired difference ours - theirs of a metric, as shown, with its 95 % percentile interval."""
    ours, theirs = metric.prepared(ours), metric.prepared(theirs)
    observed = metric.of(ours, targets) - metric.of(theirs, targets)
    found = [
        metric.value(ours, targets, weights) - metric.value(theirs, targets, weights)
        for weights in resamples(len(targets), seed, draws)
    ]
    tail = (1 - _SHOWN) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return observed * metric.scale, float(low) * metric.scale, float(high) * metric.scale


def paired_interval(
    metric: Metric, ours: Answers, theirs: Answers, targets: NDArray[Any], *, seed: int
) -> tuple[float, float, float]:
    """The paired difference ours - theirs of a metric, as shown, with its 95 % interval: from the metric's own
    deviation where it has one, by bootstrap otherwise."""
    found = None if metric.deviation is None else metric.deviation(ours, theirs, targets)
    if found is None:
        return bootstrap(metric, ours, theirs, targets, seed=seed)
    observed = (metric.of(ours, targets) - metric.of(theirs, targets)) * metric.scale
    reach = _NORMAL * found * metric.scale
    return observed, observed - reach, observed + reach
