"""A gate: limits that a report must keep, for a build that should fail where one is broken.

A limit is kept only where the report shows it. What was not measured, or not precisely enough, breaks it.
"""

import math
import os
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from xml.etree import ElementTree

from edgepress.runtime import InputError

from .statistics.intervals import score_difference
from .statistics.margins import PERCENT, POINTS
from .values import Metric, Report, Row

__all__ = ["Check", "Gate", "check_baseline", "check_gate", "read_gate", "to_junit"]

_SLACK_POINTS = 0.5
_SLACK_PERCENT = 1.0
_SLACK_LATENCY = 1.10
_SLACK_BYTES = 1.01


@dataclass(frozen=True)
class Gate:
    """What `gate.toml` may hold; a limit that is left out is not checked."""

    max_drop_points: float | None = None
    """Largest drop of accuracy in percentage points that may not be excluded with `confidence`."""
    max_error_percent: float | None = None
    """Likewise of a metric that is an error: largest growth, in percent of the trivial answer's error."""
    max_bytes: float | None = None
    """Largest file."""
    max_latency_ratio: float | None = None
    """Largest ratio of the median latency to the baseline's; its interval's upper end must keep it."""
    max_peak_mb: float | None = None
    """Largest peak memory of the process, in MB of 1,000,000 bytes."""
    confidence: float = 0.95
    """Of the interval whose lower end must stay above -max_drop_points; intervals of metrics other than accuracy are
    those of 0.95."""
    artifacts: tuple[str, ...] = ()
    """File names that the gate is about; all but the baseline where empty."""

    def __post_init__(self) -> None:
        for limit in _LIMITS:
            value = getattr(self, limit)
            if value is not None and not (type(value) in (int, float) and math.isfinite(value) and value >= 0):
                raise InputError(f"gate {limit} {value!r}: a number of 0 or more is allowed")
        if not (isinstance(self.confidence, float) and 0.5 <= self.confidence < 1):
            raise InputError(f"gate confidence {self.confidence!r}: 0.5 up to but not 1 is allowed, such as 0.95")
        if all(getattr(self, limit) is None for limit in _LIMITS):
            raise InputError(f"the gate holds no limit: give one or more of {', '.join(_LIMITS)}")


_LIMITS = ("max_drop_points", "max_error_percent", "max_bytes", "max_latency_ratio", "max_peak_mb")


@dataclass(frozen=True)
class Check:
    """One limit on one row."""

    row: str
    limit: str
    passed: bool
    reason: str
    """What was found and what is allowed."""


def read_gate(path: str | os.PathLike[str]) -> Gate:
    """Read `gate.toml`.

    Raises:
        InputError: Not there, not TOML, an unknown key, or a value that is not allowed.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"gate {path}: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"gate {path} is not TOML: {error}") from None
    known = [field.name for field in fields(Gate)]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise InputError(f"gate {path} has the key {unknown[0]!r}: allowed are {', '.join(known)}")
    artifacts = data.get("artifacts", [])
    if not (isinstance(artifacts, list) and all(isinstance(name, str) for name in artifacts)):
        raise InputError(f"gate {path}: artifacts is a list of file names")
    return Gate(**{**data, "artifacts": tuple(artifacts)})


def check_gate(report: Report, gate: Gate) -> list[Check]:
    """Hold every row but the baseline against the gate's limits.

    Returns:
        One check a row and limit. Rows that could not be measured, or that the gate names and the report lacks, are
        failed checks, and so are artifacts that do not conform.
    """
    rows = [row for row in report.rows[1:] if not gate.artifacts or row.artifact in gate.artifacts]
    checks = [
        Check(row.name, limit, *_CHECKS[limit](row, report, gate))
        for row in rows
        for limit in _LIMITS
        if getattr(gate, limit) is not None
    ]
    checks += [
        Check(f"{failure.artifact} ({failure.backend})", "measured", False, failure.reason)
        for failure in report.failed
        if not gate.artifacts or failure.artifact in gate.artifacts
    ]
    refused = (report.conformance or {}).get("refused", {})
    checks += [
        Check(name, "conformance", False, reason)
        for name, reason in refused.items()
        if not gate.artifacts or name in gate.artifacts
    ]
    there = {check.row.split(" (")[0] for check in checks}
    missing = [name for name in gate.artifacts if name not in there]
    checks += [Check(name, "measured", False, "the report has no such artifact") for name in missing]
    if not checks:
        checks = [Check("report", "measured", False, "the report has no row besides the baseline")]
    return checks


def _drop(row: Row, report: Report, gate: Gate) -> tuple[bool, str]:
    if not report.classifies and row.metric is not None and row.metric.trivial is not None:
        return _worse(row, POINTS, gate.max_drop_points, "max_drop_points")
    if row.comparison is None or report.dataset is None:
        return False, "accuracy was not measured: pass --data"
    lower = 100 * score_difference(row.comparison.pairs, confidence=gate.confidence)[0]
    return lower > -_given(gate.max_drop_points), (
        f"difference {row.comparison.difference_points:+.2f} points, at least {lower:+.2f} with "
        f"{100 * gate.confidence:g} % confidence on {report.dataset.images:,} images; "
        f"-{gate.max_drop_points:g} is allowed"
    )


def _error(row: Row, report: Report, gate: Gate) -> tuple[bool, str]:
    if row.metric is None or row.metric.trivial is None:
        return False, "the metric was not measured: pass --data"
    return _worse(row, PERCENT, gate.max_error_percent, "max_error_percent")


def _worse(row: Row, unit: str, allowed: float | None, limit: str) -> tuple[bool, str]:
    """Hold what the verdict cannot exclude against a limit in the verdict's own unit."""
    metric, found = row.metric, row.verdict
    if metric is None or found is None or found.lower is None:
        return False, "the report says nothing about the difference"
    if found.unit != unit:
        other = next(name for name, theirs in _UNITS.items() if theirs == found.unit)
        return False, f"{metric.name} is judged in {found.unit}: {other} is its limit, not {limit}"
    return found.lower > -_given(allowed), (
        f"{metric.name} {metric.value:.4g}, at worst {found.lower:+.3g} {unit} with {100 * found.confidence:g} % "
        f"confidence; -{allowed:g} is allowed"
    )


_UNITS = {"max_drop_points": POINTS, "max_error_percent": PERCENT}
"""Limits of the metric, and the unit in which each is stated."""


def _bytes(row: Row, report: Report, gate: Gate) -> tuple[bool, str]:
    return row.sizes.bytes <= _given(gate.max_bytes), f"{row.sizes.bytes:,} bytes; {gate.max_bytes:,.0f} are allowed"


def _latency(row: Row, report: Report, gate: Gate) -> tuple[bool, str]:
    ratio = row.speed.latency_ratio
    if ratio.interval is None:
        return False, "the latency ratio has no interval: measure more than one repetition"
    if report.conditions.not_comparable:
        return False, "latencies are not comparable: " + "; ".join(report.conditions.not_comparable)
    low, high = ratio.interval
    return high <= _given(gate.max_latency_ratio), (
        f"{ratio.value:.3g} times the baseline's latency, {low:.3g} to {high:.3g}; "
        f"{gate.max_latency_ratio:g} is allowed"
    )


def _peak(row: Row, report: Report, gate: Gate) -> tuple[bool, str]:
    peak = row.speed.memory_bytes.peak
    if peak is None:
        return False, "this system does not tell a process' peak memory"
    return peak <= 1e6 * _given(gate.max_peak_mb), f"peak {peak / 1e6:.1f} MB; {gate.max_peak_mb:g} MB are allowed"


_CHECKS: dict[str, Callable[[Row, Report, Gate], tuple[bool, str]]] = {
    "max_drop_points": _drop,
    "max_error_percent": _error,
    "max_bytes": _bytes,
    "max_latency_ratio": _latency,
    "max_peak_mb": _peak,
}


def _given(limit: float | None) -> float:
    assert limit is not None
    return limit


def check_baseline(report: Report, earlier: Report) -> list[Check]:
    """Hold a report against an earlier one of the same machine and data: every row must still be there, no worse.

    Accuracy may be 0.5 points lower (an error 1 % of the trivial answer's higher), the file 1 % larger, and the latency
    ratio's interval must reach down to the earlier one's upper end or below, 10 % allowed: slack for noise, not for
    regressions that show. Where both runs' answers were kept, a loss that shows in pairs breaks it, however small.
    """
    now = {row.key: row for row in report.rows}
    checks = []
    if (report.dataset and report.dataset.sha256) != (earlier.dataset and earlier.dataset.sha256):
        checks.append(Check("report", "dataset", False, "the two reports were measured on different data sets"))
    machines = [{key: r.machine[key] for key in ("processor", "architecture", "cores")} for r in (report, earlier)]
    if machines[0] != machines[1]:
        checks.append(Check("report", "machine", False, "the two reports were measured on different machines"))
    for old in earlier.rows:
        new = now.get(old.key)
        if new is None:
            checks.append(Check(old.name, "measured", False, "the earlier report has this row and this one does not"))
            continue
        checks += [Check(new.name, limit, passed, reason) for limit, passed, reason in _against(new, old)]
        checks += _paired(report, earlier, new)
    return checks or [Check("report", "measured", False, "the earlier report has no rows")]


def _paired(report: Report, earlier: Report, row: Row) -> list[Check]:
    """Whether a loss shows example by example, where both runs' answers were kept: smaller ones do than by totals."""
    if report.kept is None or earlier.kept is None:
        return []
    since = report.kept.since(earlier.kept, row.key)
    if since is None:
        return []
    low, high = since.interval
    reason = (
        f"{since.gain:+.3g} {since.unit} since the earlier report, {low:+.3g} to {high:+.3g} on the same "
        f"{since.examples:,} examples; a loss that shows is none that is allowed"
    ).replace("  ", " ")
    return [Check(row.name, "paired", high >= 0, reason)]


def _against(new: Row, old: Row) -> Iterator[tuple[str, bool, str]]:
    if old.scores is not None:
        if new.scores is None:
            yield "accuracy", False, "accuracy was not measured: pass --data"
        else:
            change = 100 * (new.scores.accuracy - old.scores.accuracy)
            yield (
                "accuracy",
                change >= -_SLACK_POINTS,
                (f"{change:+.2f} points since the earlier report; -{_SLACK_POINTS:g} is allowed"),
            )
    elif old.metric is not None and old.metric.trivial is not None:
        yield _since(new.metric, old.metric)
    growth = new.sizes.bytes / old.sizes.bytes
    yield "bytes", growth <= _SLACK_BYTES, f"{new.sizes.bytes:,} bytes, {old.sizes.bytes:,} before; 1 % more is allowed"
    own, other = new.speed.latency_ratio, old.speed.latency_ratio
    if own.interval is None or other.interval is None:
        yield "latency", False, "a latency ratio has no interval: measure more than one repetition"
    else:
        low, high = own.interval[0], other.interval[1]
        yield (
            "latency",
            low <= _SLACK_LATENCY * high,
            (f"{own.value:.3g} times the baseline, at least {low:.3g}; before at most {high:.3g}, 10 % more"),
        )


def _since(new: Metric | None, old: Metric) -> tuple[str, bool, str]:
    """A metric that is no accuracy against its earlier value."""
    if new is None or new.name != old.name or new.trivial is None:
        return old.name, False, f"{old.name} was not measured: pass --data"
    sign = 1 if old.better == "higher" else -1
    if old.unit == POINTS:
        change, slack, unit = 100 * sign * (new.value - old.value), _SLACK_POINTS, POINTS
    else:
        # What a loss weighs is told by the error of the answer that looks at no input.
        change, slack, unit = 100 * sign * (new.value - old.value) / (old.trivial or 1.0), _SLACK_PERCENT, PERCENT
    return old.name, change >= -slack, f"{change:+.2f} {unit} since the earlier report; -{slack:g} is allowed"


def to_junit(checks: list[Check]) -> str:
    """The checks as JUnit XML, one test case each, for CI systems."""
    failures = sum(not check.passed for check in checks)
    suite = ElementTree.Element("testsuite", name="edgepress gate", tests=str(len(checks)), failures=str(failures))
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", classname=check.row, name=check.limit)
        if check.passed:
            ElementTree.SubElement(case, "system-out").text = check.reason
        else:
            ElementTree.SubElement(case, "failure", message=check.reason)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
