"""Which artifact is best on which device, and which devices were not measured."""

from collections.abc import Sequence
from typing import Any

from edgepress.base.tables import markdown_table, text_table

from ..values import Report, Row
from .devices import device_name, merge_reports, to_comparison_markdown, to_comparison_text
from .ship import choose_row
from .table import COLUMNS

__all__ = ["shelf_to_dict", "to_shelf_markdown", "to_shelf_text"]

_HEAD = ("device", "ship", "backend", "KB gzip", "p50 us", "fastest", "its p50 us")
_ALIGNED = "lllrrlr"


def _fastest(report: Report) -> Row:
    return min(report.rows, key=lambda row: row.speed.latency_us.p50)


def _best(report: Report) -> list[str]:
    ship, fastest = choose_row(report), _fastest(report)
    # Without data nothing is said to be fit to ship.
    shipped = [COLUMNS[name](ship) if ship else "-" for name in ("artifact", "backend", "KB gzip", "p50 us")]
    return [device_name(report), *shipped, *(COLUMNS[name](fastest) for name in ("artifact", "p50 us"))]


def _failures(failed: Sequence[Any]) -> list[str]:
    return [f"{each.device}: not measured: {each.reason}" for each in failed]


def shelf_to_dict(reports: Sequence[Report], failed: Sequence[Any]) -> dict[str, Any]:
    """As `compare --json`, with `best` (device, ship, fastest: artifacts) and `failed` (device, host, reason)."""
    best = [
        {
            "device": device_name(report),
            "ship": ship.artifact if (ship := choose_row(report)) else None,
            "fastest": _fastest(report).artifact,
        }
        for report in reports
    ]
    return merge_reports(reports).to_dict() | {"best": best, "failed": [each._asdict() for each in failed]}


def to_shelf_text(reports: Sequence[Report], failed: Sequence[Any]) -> str:
    """For a terminal: all rows, the best of each device, and who is missing."""
    best = text_table(_HEAD, map(_best, reports), columns=_ALIGNED)
    return "\n".join([to_comparison_text(merge_reports(reports)), "", *best, *_failures(failed)])


def to_shelf_markdown(reports: Sequence[Report], failed: Sequence[Any]) -> str:
    """For a README."""
    best = markdown_table(_HEAD, map(_best, reports), columns=_ALIGNED)
    more = ["", *(f"- {line}" for line in _failures(failed))] if failed else []
    return "\n".join([*best, *more, "", to_comparison_markdown(merge_reports(reports))])
