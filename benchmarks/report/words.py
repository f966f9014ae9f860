"""A row's metric and its difference from float in words, whatever the task."""

import math

from ..values import Metric, Row

__all__ = ["difference_cell", "say_difference", "say_value", "signed"]

_POINTS = "points"
_DECIBELS = "dB"


def signed(value: float, digits: int = 2) -> str:
    """With a sign; nothing is called minus zero."""
    text = f"{value:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text


def say_value(row: Row) -> str:
    """Accuracy in percent; another metric as it is."""
    if row.scores is not None:
        return f"{100 * row.scores.accuracy:.2f}"
    metric = row.metric
    if metric is None:
        return "-"
    if metric.unit == _POINTS:
        return f"{metric.value:.4f}"
    return f"{metric.value:.1f}" if metric.unit == _DECIBELS else f"{metric.value:.4g}"


def difference_cell(row: Row) -> str:
    """The difference from float with its 95 % interval; - where there is none."""
    found = _difference(row)
    if found is None:
        return "-"
    difference, (low, high), digits = found
    return f"{signed(difference, digits)} [{signed(low, digits)}, {signed(high, digits)}]"


def say_difference(row: Row) -> str:
    """The interval of the difference with its unit."""
    found = _difference(row)
    if found is None:
        return "no difference is known"
    _, (low, high), digits = found
    unit = _POINTS if row.metric is None else row.metric.unit
    return f"{low:+.{digits}f} to {high:+.{digits}f}" + (f" {unit}" if unit else "")


def _difference(row: Row) -> tuple[float, tuple[float, float], int] | None:
    """The difference, its interval, and how many digits tell it."""
    if row.comparison is not None:
        return row.comparison.difference_points, row.comparison.difference_interval_points, 2
    metric = row.metric
    if metric is None or metric.difference is None or metric.difference_interval is None:
        return None
    return metric.difference, metric.difference_interval, _digits(metric)


def _digits(metric: Metric) -> int:
    """Decimals: two for points; of an error those down to its fourth digit."""
    if metric.unit == _POINTS or not metric.value:
        return 2
    return max(0, 3 - math.floor(math.log10(abs(metric.value))))
