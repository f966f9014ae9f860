"""Several reports, one table: the same artifacts on different machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgepress.base.tables import markdown_table, text_table
from edgepress.runtime import InputError

from ..values import Report, Row
from .codec import encode
from .table import COLUMNS, headings

__all__ = ["DeviceRow", "Merged", "device_name", "merge_reports", "to_comparison_markdown", "to_comparison_text"]

_ALIGNED = "lllr"


@dataclass(frozen=True)
class DeviceRow:
    """A report's row, and where it was measured."""

    device: str
    comparable: bool
    """False where the machine changed while it measured."""
    row: Row


@dataclass(frozen=True)
class Merged:
    """All rows of all reports; those of one artifact stand together, in the first report's order."""

    bundle: str
    devices: tuple[tuple[str, Report], ...]
    """By name."""
    rows: tuple[DeviceRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """As `edgepress compare --json` prints it: schema, bundle, devices, and rows without their examples."""
        shared = ("machine", "conditions", "dataset", "created", "preset")
        return {
            "schema": 1,
            "bundle": self.bundle,
            "devices": [
                {"name": name, **{key: encode(getattr(report, key)) for key in shared}} for name, report in self.devices
            ],
            "rows": [
                {
                    "device": each.device,
                    "comparable": each.comparable,
                    **{key: value for key, value in encode(each.row).items() if key not in _LEFT_OUT},
                }
                for each in self.rows
            ],
        }


_LEFT_OUT = ("mistakes", "flips", "confusion", "curves", "told")


def merge_reports(reports: Sequence[Report]) -> Merged:
    """One table of several machines' reports.

    Raises:
        InputError: Nothing to merge, or reports of bundles with different names.
    """
    if not reports:
        raise InputError("no reports: name one or more report.json files")
    names = {report.bundle.name for report in reports}
    if len(names) > 1:
        raise InputError(f"reports of different bundles ({', '.join(sorted(names))}): compare those of one")
    devices = _unique([device_name(report) for report in reports])
    rows = [
        DeviceRow(device, not report.conditions.not_comparable, row)
        for device, report in zip(devices, reports, strict=True)
        for row in report.rows
    ]
    order = list(dict.fromkeys(each.row.artifact for each in rows))
    rows.sort(key=lambda each: order.index(each.row.artifact))
    return Merged(names.pop(), tuple(zip(devices, reports, strict=True)), tuple(rows))


def device_name(report: Report) -> str:
    """What people call the machine: host, board, processor, architecture."""
    machine = report.machine
    names = (machine.get("host"), machine["model"], machine["processor"], machine["architecture"])
    return next(str(name) for name in names if name)


def _unique(names: Sequence[str]) -> list[str]:
    """Equal names are numbered."""
    counted: dict[str, int] = {}
    unique = []
    for name in names:
        counted[name] = counted.get(name, 0) + 1
        unique.append(name if names.count(name) == 1 else f"{name} ({counted[name]})")
    return unique


def _head(merged: Merged) -> list[str]:
    first, *others = headings(merged.devices[0][1])
    return [first, "device", *others]


def _lines(merged: Merged) -> list[list[str]]:
    lines = []
    for each in merged.rows:
        artifact, *rest = [fill(each.row) for fill in COLUMNS.values()]
        lines.append([artifact, each.device + ("" if each.comparable else " *"), *rest])
    return lines


def _remarks(merged: Merged) -> list[str]:
    return [
        f"* {name}: latencies are not comparable: {'; '.join(report.conditions.not_comparable)}."
        for name, report in merged.devices
        if report.conditions.not_comparable
    ]


def to_comparison_text(merged: Merged) -> str:
    """For a terminal."""
    return "\n".join([*text_table(_head(merged), _lines(merged), columns=_ALIGNED), *_remarks(merged)])


def to_comparison_markdown(merged: Merged) -> str:
    """For a README."""
    lines = markdown_table(_head(merged), _lines(merged), columns=_ALIGNED)
    return "\n".join([*lines, "", *_remarks(merged)]).rstrip() + "\n"
