"""What came of a row, against what it must show; and the table."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from edgepress.base.tables import markdown_table
from edgepress.runtime import InputError

from .rows import ROWS, Wanted

__all__ = ["Made", "made_of", "missed", "table"]

_TOLD = ("roc_auc", "r2")
"""What is told beside the metric that decides."""


class Made(NamedTuple):
    """What came of a row."""

    metric: str
    float_value: float
    int8_value: float
    difference: float | None
    interval: tuple[float, float] | None
    unit: str
    trivial: float | None
    bytes: int
    microseconds: float
    float_more: dict[str, float]
    int8_more: dict[str, float]
    found: str
    """How the model's input was found to be, where export found it."""


def made_of(bundle: Path) -> Made:
    """What a bundle's report says of the float model and of its int8 TFLite file.

    Raises:
        InputError: The report has no such rows, or no metric.
    """
    report = json.loads((bundle / "report/report.json").read_text())
    rows = report["rows"]
    names = ("pressed-int8.tflite", "float-int8.tflite")
    chosen = next((row for name in names for row in rows if row["artifact"] == name), None)
    if chosen is None or not chosen.get("metric"):
        came = ", ".join(row["artifact"] for row in rows)
        raise InputError(f"{bundle} reports on {came}: an int8 TFLite file with a metric is needed")
    metric, first = chosen["metric"], rows[0]
    manifest = json.loads((bundle / "manifest.json").read_text())
    return Made(
        metric["name"],
        (first.get("metric") or metric)["value"],
        metric["value"],
        metric["difference"],
        metric["difference_interval"],
        metric["unit"],
        metric["trivial"],
        chosen["bytes"],
        chosen["latency_us"]["p50"],
        dict(first.get("metrics") or {}),
        dict(chosen.get("metrics") or {}),
        str((manifest.get("contract", {}).get("found") or {}).get("why", "")),
    )


def missed(wanted: Wanted, made: Made, linear: float | None = None) -> list[str]:
    """What a row must show and does not, in words."""
    name = wanted.metric or made.metric
    floats, ints = made.float_more | {made.metric: made.float_value}, made.int8_more | {made.metric: made.int8_value}
    told = []
    for whose, values, least in (("float", floats, wanted.float_at_least), ("int8", ints, wanted.int8_at_least)):
        if least is not None and not values[name] >= least:
            told.append(f"{whose} {name} {values[name]:.4f}, at least {least:g} is wanted")
    apart = abs(ints[name] - floats[name])
    share = apart / abs(floats[name]) if floats[name] else 0.0
    if wanted.int8_within is not None and not apart <= wanted.int8_within + 1e-9:
        told.append(f"int8 {name} {apart:.4f} from float, {wanted.int8_within:g} is allowed")
    if wanted.int8_within_share is not None and not share <= wanted.int8_within_share:
        told.append(f"int8 {name} {share:.1%} from float, {wanted.int8_within_share:.0%} is allowed")
    for more, least in wanted.more.items():
        if not ints[more] >= least:
            told.append(f"int8 {more} {ints[more]:.4f}, at least {least:g} is wanted")
    if wanted.like_linear is not None and linear is not None and not floats["r2"] >= linear - wanted.like_linear:
        told.append(f"float r2 {floats['r2']:.4f}, a linear model has {linear:.4f}")
    if wanted.bytes_at_most is not None and made.bytes > wanted.bytes_at_most:
        told.append(f"{made.bytes:,} bytes, at most {wanted.bytes_at_most:,} are wanted")
    if wanted.input is not None and made.found != wanted.input:
        told.append(f"input found as {made.found!r}, {wanted.input!r} is wanted")
    return told


def table(made: Mapping[str, Made | str]) -> Iterator[str]:
    """The Markdown table; a text in place of what a row made is why there is nothing."""
    head = (
        "data", "task", "model", "float", "int8", "int8 - float [95 %]", "trivial", "bytes", "us",
    )  # fmt: skip
    lines = []
    for name, found in made.items():
        row = ROWS[name]
        if isinstance(found, str):
            lines.append((row.data, row.task, row.model, found, "", "", "", "", ""))
            continue
        also = {key: found.int8_more[key] for key in _TOLD if key in found.int8_more and key in found.float_more}
        floats = [f"{found.metric} {found.float_value:.4g}", *(f"{key} {found.float_more[key]:.4g}" for key in also)]
        ints = [f"{found.int8_value:.4g}", *(f"{value:.4g}" for value in also.values())]
        interval = ""
        if found.difference is not None:
            interval = f"{found.difference:+.3g} {found.unit}".strip()
            if found.interval is not None:
                interval += " [{:+.3g}, {:+.3g}]".format(*found.interval)
        trivial = "" if found.trivial is None else f"{found.trivial:.4g}"
        lines.append(
            (
                row.data, row.task, row.model, ", ".join(floats), ", ".join(ints), interval, trivial,
                f"{found.bytes:,}", f"{found.microseconds:.1f}",
            )
        )  # fmt: skip
    yield from markdown_table(head, lines, columns="lllrrrrrr")
