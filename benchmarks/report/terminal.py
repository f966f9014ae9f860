"""A report in a terminal: what to ship first, then the table with as many columns as fit."""

from collections.abc import Sequence

from edgepress.base.tables import text_table

from ..values import Report
from .ship import say_fastest, say_what_to_ship
from .table import ALIGNED, COLUMNS, cells, headings, headline, remarks

__all__ = ["DROPPED_FIRST", "fit_columns", "to_terminal"]

DROPPED_FIRST = (
    "zeros %", "p99 us", "p90 us", "KB gzip", "images/s", "agree %", "x float [95 %]", "points from float [95 %]",
    "backend", "p50 us", "KB",
)  # fmt: skip
"""Columns that a narrow terminal does without, in this order; the report has them all. Artifact and accuracy stay."""


def to_terminal(report: Report, *, width: int | None = None) -> str:
    """What to ship and why, what was measured, the table, and what could not be measured.

    Args:
        report: What `benchmark` returned.
        width: Columns of the terminal; None for all columns of the table, however wide they are.
    """
    lines, dropped = fit_columns(list(COLUMNS), cells(report), width, headings(report))
    note = [f"left out for want of width: {', '.join(dropped)}"] if dropped else []
    fastest = say_fastest(report)
    first = [say_what_to_ship(report), *([fastest] if fastest else [])]
    return "\n".join([*first, "", headline(report), "", *lines, *note, *remarks(report)])


def fit_columns(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, shown: Sequence[str] = ()
) -> tuple[list[str], tuple[str, ...]]:
    """The table's lines, none longer than `width` where dropping columns can reach that, and what was dropped.

    Args:
        head: The columns by name.
        rows: Their cells.
        width: Of the terminal; None for any.
        shown: What stands over the columns, where that is not their names.
    """
    over = shown or head
    letters = ALIGNED.ljust(len(head), ALIGNED[-1])
    for count in range(len(DROPPED_FIRST) + 1):
        dropped = tuple(name for name in DROPPED_FIRST[:count] if name in head)
        kept = [i for i, name in enumerate(head) if name not in dropped]
        lines = text_table(
            [over[i] for i in kept], [[row[i] for i in kept] for row in rows], columns="".join(letters[i] for i in kept)
        )
        if width is None or max(map(len, lines)) <= width:
            break
    return lines, dropped
