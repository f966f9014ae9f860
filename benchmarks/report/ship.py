"""Which row to ship, by one rule, and why, in one sentence."""

from ..values import Report, Row
from .words import say_difference, say_value

__all__ = ["choose_row", "fastest_row", "say_fastest", "say_what_to_ship"]

_SEVERAL = 3
"""Rows, the baseline among them, of which one can be the fastest."""


def choose_row(report: Report) -> Row | None:
    """The row that one would ship: the smallest download that is non-inferior, else the best one; of equal ones
    the fastest, and never the baseline. None where nothing was
    judged."""
    others = [(row, _worth(row)) for row in report.rows[1:] if row.verdict is not None]
    shown = [row for row, _ in others if row.verdict is not None and row.verdict.non_inferior]
    if shown:
        return min(shown, key=lambda row: (row.sizes.gzip_bytes, row.speed.latency_us.p50))
    return max(others, key=lambda each: (each[1], -each[0].speed.latency_us.p50), default=(None, 0.0))[0]


def fastest_row(report: Report) -> Row | None:
    """The fastest of the rows that are as good as the baseline, itself among them, and conform; None without any."""
    refused = (report.conformance or {}).get("refused", {})
    others = [row for row in report.rows[1:] if row.verdict is not None and row.verdict.non_inferior]
    true = [row for row in (report.rows[0], *others) if row.artifact not in refused]
    return min(true, key=lambda row: row.speed.latency_us.p50) if others else None


def say_fastest(report: Report) -> str:
    """The fastest row that is as good, in one sentence; empty where none is, and of a single row."""
    row, chosen = fastest_row(report), choose_row(report)
    if row is None or chosen is None or chosen.verdict is None or len(report.rows) < _SEVERAL:
        return ""
    threads = f" with {row.threads} threads" if row.threads > 1 else ""
    too = {chosen.key: ", the one to ship", report.rows[0].key: ", the baseline"}.get(row.key, "")
    doubt = "; latencies are not comparable" if report.conditions.not_comparable else ""
    return (
        f"fastest within {chosen.verdict.within}: {row.artifact} in {row.backend}{threads}{too}, "
        f"{row.speed.latency_us.p50:,.1f} us ({row.speed.latency_ratio.value:.2f} x {report.rows[0].artifact}){doubt}"
    )


def _worth(row: Row) -> float:
    """More is better."""
    if row.scores is not None:
        return row.scores.accuracy
    return 0.0 if row.metric is None else row.metric.value * (1 if row.metric.better == "higher" else -1)


def say_what_to_ship(report: Report) -> str:
    """The choice with the figures that make it one; or why there is none."""
    row, base = choose_row(report), report.rows[0]
    if report.chance is not None:
        return f"NO BETTER THAN CHANCE: {report.chance}"
    if row is None or row.verdict is None:
        if report.dataset is None:
            return "nothing is said to be fit to ship: accuracy was not measured (no --data)"
        if base.metric is not None and base.metric.trivial is None:
            return "nothing is said to be fit to ship: nothing is known to be right about these outputs"
        if base.verdict is None:
            return f"nothing is said to be fit to ship: {report.dataset.name} has no targets"
        return "nothing to ship: no row was measured besides the baseline"
    download = f"{row.sizes.gzip_bytes / 1000:,.1f} KB gzipped"
    size = f"{row.sizes.bytes / 1000:,.1f} KB ({row.sizes.bytes / base.sizes.bytes:.2f} x {base.artifact}; {download})"
    speed = f"{row.speed.latency_us.p50:,.1f} us in {row.backend}"
    worth = (
        f"{say_value(row)} %" if row.scores is not None else f"{row.metric.name if row.metric else ''} {say_value(row)}"
    )
    if row.verdict.non_inferior:
        within = f"within {row.verdict.within} of {base.artifact}"
        return f"ship {row.artifact}: {size}, {worth}, {within}, {speed}; no smaller download is as good"
    best = "the most accurate" if report.classifies else "the best"
    return (
        f"no file is shown to be within {row.verdict.within} of {base.artifact}: {best} is "
        f"{row.artifact}: {size}, {worth} ({say_difference(row)}), {speed}"
    )
