"""The report's rows as a table for people: terminal, Markdown, CSV, and the cells of the page."""

import csv
import html
import io
from collections.abc import Callable
from typing import Any

from edgepress.base.tables import html_table, markdown_table, text_table

from ..values import Ratio, Report, Row
from .codec import encode
from .words import difference_cell, say_value

__all__ = [
    "ALIGNED",
    "COLUMNS",
    "cells",
    "headings",
    "headline",
    "remarks",
    "to_csv",
    "to_html",
    "to_markdown",
    "to_text",
    "warning",
]


def _share(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{100 * value:.{digits}f}"


def _kilobytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 1000:,.1f}"


def _time(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _ratio(ratio: Ratio) -> str:
    if ratio.interval is None:
        return _digits(ratio.value)
    low, high = ratio.interval
    return f"{_digits(ratio.value)} [{_digits(low)}, {_digits(high)}]"


def _digits(value: float) -> str:
    """Two digits after the leading one, never a power of ten."""
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


# Header and how a row fills it. One row is one artifact in one backend.
COLUMNS: dict[str, Callable[[Row], str]] = {
    "artifact": lambda row: row.artifact,
    "backend": lambda row: row.backend + ("" if row.threads == 1 else f" x{row.threads}"),
    "accuracy %": say_value,
    "points from float [95 %]": difference_cell,
    "agree %": lambda row: _share(row.agreement, 2),
    "KB": lambda row: _kilobytes(row.sizes.bytes),
    "KB gzip": lambda row: _kilobytes(row.sizes.gzip_bytes),
    "zeros %": lambda row: _share(row.sparsity, 0),
    "p50 us": lambda row: _time(row.speed.latency_us.p50),
    "p90 us": lambda row: _time(row.speed.latency_us.p90),
    "p99 us": lambda row: _time(row.speed.latency_us.p99),
    "x float [95 %]": lambda row: _ratio(row.speed.latency_ratio),
    "images/s": lambda row: "-" if row.speed.throughput_per_s is None else f"{row.speed.throughput_per_s:,.0f}",
}
_METRIC, _DIFFERENCE, _RATE = "accuracy %", "points from float [95 %]", "images/s"
_POINTS = "points"
ALIGNED = "llr"
"""The first two are text, the rest figures; as `base.tables` takes it."""


def headings(report: Report) -> list[str]:
    """What stands over the columns, in the order of `COLUMNS`: the task's own metric and its unit."""
    metric = report.rows[0].metric
    names = {_RATE: f"{report.examples}/s"}
    if not report.classifies:
        unit = "" if metric is None or metric.unit in ("", _POINTS) else f" {metric.unit}"
        names[_METRIC] = "metric" if metric is None else f"{metric.name}{unit}"
        names[_DIFFERENCE] = f"{metric.unit if metric and metric.unit else 'difference'} from float [95 %]"
    return [names.get(name, name) for name in COLUMNS]


def cells(report: Report) -> list[list[str]]:
    """The table's body, a list of strings for every row, in the order of `COLUMNS`."""
    return [[fill(row) for fill in COLUMNS.values()] for row in report.rows]


def to_text(report: Report) -> str:
    """For a terminal: aligned columns under a line that says what was measured."""
    body = text_table(headings(report), cells(report), columns=ALIGNED)
    return "\n".join([*warning(report), headline(report), "", *body, *remarks(report)])


def to_markdown(report: Report) -> str:
    """For a README or a pull request."""
    lines = markdown_table(headings(report), cells(report), columns=ALIGNED)
    return "\n".join([*warning(report), headline(report), "", *lines, *remarks(report)]) + "\n"


def to_html(report: Report) -> str:
    """For a notebook."""
    before, after = [*warning(report), headline(report)], remarks(report)
    table = html_table(headings(report), cells(report), columns=ALIGNED)
    lines = [[f"<p>{html.escape(line)}</p>" for line in part if line] for part in (before, after)]
    return "\n".join([*lines[0], *table, *lines[1]])


def to_csv(report: Report) -> str:
    """For a spreadsheet: unrounded, one column a fact; nested facts as `latency_us.p50`."""
    flat = [_flatten({key: value for key, value in encode(row).items() if key != "curves"}) for row in report.rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def headline(report: Report) -> str:
    """What was measured on what, in one line."""
    data = report.dataset
    on = f"{data.images:,} test {report.examples} of {data.name}" if data else "accuracy not measured (no --data)"
    machine = report.machine
    place = machine["model"] or machine["processor"] or machine["architecture"]
    return f"{report.bundle.name}: {on}; preset {report.preset}; {place}"


def warning(report: Report) -> list[str]:
    """What stands before everything else: that the float model is no better than the trivial answer."""
    return [f"NO BETTER THAN CHANCE: {report.chance}.", ""] if report.chance else []


def remarks(report: Report) -> list[str]:
    """What spoils comparisons, and what could not be measured."""
    lines = [f"{note[0].upper()}{note[1:]}." for note in report.notes or ()]
    if report.conditions.not_comparable:
        lines.append("Latencies are not comparable: " + "; ".join(report.conditions.not_comparable) + ".")
    lines += [f"Not measured: {f.artifact} in {f.backend}: {f.reason}" for f in report.failed]
    return ["", *lines] if lines else []


def _flatten(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects become dotted names and short lists of numbers numbered ones; what is no figure is left out."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        name = prefix + key
        if isinstance(value, dict):
            flat |= _flatten(value, name + ".")
        elif isinstance(value, list):
            if len(value) == 2 and all(isinstance(x, int | float) for x in value):
                flat |= {f"{name}.low": value[0], f"{name}.high": value[1]}
        else:
            flat[name] = value
    return flat
