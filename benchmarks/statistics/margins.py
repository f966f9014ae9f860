"""How much worse is still as good, in the task's own unit."""

from typing import NamedTuple

from edgepress.quality import Metric

from ..values import Interval, Verdict

__all__ = ["PERCENT", "POINTS", "Margin", "judge_difference", "margin_of"]

POINTS = "points"
PERCENT = "% of the trivial answer's error"
_DEFAULTS = {POINTS: 0.5, PERCENT: 1.0}
_CONFIDENCE = 0.95
_UNSEEN = 3.84
"""Tango's interval for n examples without a change is 3.84 / n wide: a handful that agree prove nothing."""


class Margin(NamedTuple):
    """The largest true loss that counts as none."""

    value: float
    unit: str
    """`POINTS` for metrics that are shares. `PERCENT` for errors, which are in the target's own unit: what a loss
    weighs is told by the error of the answer that looks at no input."""


def margin_of(metric: Metric, value: float | None) -> Margin:
    """The margin for a metric; its unit's default where None."""
    unit = POINTS if metric.unit == "points" else PERCENT
    return Margin(_DEFAULTS[unit] if value is None else value, unit)


def judge_difference(metric: Metric, interval: Interval, trivial: float, examples: int, margin: Margin) -> Verdict:
    """May the row replace the float model? Only if not even the interval's worse end is beyond the margin.

    Args:
        metric: What decides.
        interval: Of the difference, row minus float, as shown. Paired, 95 %.
        trivial: The trivial answer's value.
        examples: How many were answered.
        margin: The largest loss that counts as none.
    """
    worst = metric.weighed(interval[0] if metric.higher else -interval[1], trivial)
    if margin.unit == POINTS:
        worst = min(worst, -metric.scale * _UNSEEN / (examples + _UNSEEN))
    shown = worst > -margin.value
    within = f"within {margin.value:g} {margin.unit}"
    return Verdict(
        confidence=_CONFIDENCE,
        non_inferior=bool(shown),
        text=f"non-inferior {within}" if shown else "not shown",
        margin=margin.value,
        lower=float(worst),
        unit=margin.unit,
    )
