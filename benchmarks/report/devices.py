"""Several reports, one table: the same artifacts on different machines."""

from collections.abc import Sequence
from typing import Any

from edgepress.base.tables import markdown_table, text_table
from edgepress.runtime import InputError

from .table import COLUMNS

__all__ = ["device_name", "merge_reports", "to_comparison_markdown", "to_comparison_text"]

_HEAD = ("artifact", "device", *list(COLUMNS)[1:])
_ALIGNED = "lllr"


def merge_reports(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All rows of all reports, each with its device; rows of one artifact stand together, in the first report's order.

    Returns:
        schema, devices (name, machine, conditions, data set), and rows (those of the reports, with `device`, and with
        `comparable` false where their machine changed while it measured).

    Raises:
        InputError: Nothing to merge, or reports of bundles with different names.
    """
    if not reports:
        raise InputError("no reports: name one or more report.json files")
    names = {report["bundle"]["name"] for report in reports}
    if len(names) > 1:
        raise InputError(f"reports of different bundles ({', '.join(sorted(names))}): compare those of one")
    devices = _unique([device_name(report) for report in reports])
    rows = [
        {
            "device": device,
            "comparable": not report["conditions"]["not_comparable"],
            **{key: value for key, value in row.items() if key not in ("mistakes", "flips", "confusion")},
        }
        for device, report in zip(devices, reports, strict=True)
        for row in report["rows"]
    ]
    order = list(dict.fromkeys(row["artifact"] for row in rows))
    rows.sort(key=lambda row: order.index(row["artifact"]))
    return {
        "schema": 1,
        "bundle": names.pop(),
        "devices": [
            {"name": device, **{key: report[key] for key in ("machine", "conditions", "dataset", "created", "preset")}}
            for device, report in zip(devices, reports, strict=True)
        ],
        "rows": rows,
    }


def device_name(report: dict[str, Any]) -> str:
    """What people call the machine: host, board, processor, architecture."""
    machine = report["machine"]
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


def _lines(merged: dict[str, Any]) -> list[list[str]]:
    lines = []
    for row in merged["rows"]:
        artifact, *rest = [fill(row) for fill in COLUMNS.values()]
        lines.append([artifact, row["device"] + ("" if row["comparable"] else " *"), *rest])
    return lines


def _remarks(merged: dict[str, Any]) -> list[str]:
    return [
        f"* {device['name']}: latencies are not comparable: {'; '.join(device['conditions']['not_comparable'])}."
        for device in merged["devices"]
        if device["conditions"]["not_comparable"]
    ]


def to_comparison_text(merged: dict[str, Any]) -> str:
    """For a terminal."""
    return "\n".join([*text_table(_HEAD, _lines(merged), columns=_ALIGNED), *_remarks(merged)])


def to_comparison_markdown(merged: dict[str, Any]) -> str:
    """For a README."""
    lines = markdown_table(_HEAD, _lines(merged), columns=_ALIGNED)
    return "\n".join([*lines, "", *_remarks(merged)]).rstrip() + "\n"
