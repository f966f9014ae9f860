"""What a terminal shows of a report: what to ship, and as much of the table as fits."""

import json
from dataclasses import replace

import pytest

from edgepress.benchmarks import parse_report
from edgepress.benchmarks.report.ship import choose_row, fastest_row, say_fastest, say_what_to_ship
from edgepress.benchmarks.report.table import COLUMNS
from edgepress.benchmarks.report.terminal import DROPPED_FIRST, to_terminal


@pytest.fixture
def report(pytestconfig):
    return parse_report(json.loads((pytestconfig.rootpath / "tests/golden/report/report.json").read_text()))


def with_verdict(report, **changes):
    rows = [replace(row, verdict=replace(row.verdict, **changes)) for row in report.rows]
    return replace(report, rows=tuple(rows))


def test_it_says_first_what_to_ship_and_why(report):
    chosen = choose_row(report)
    line = to_terminal(report).splitlines()[0]
    assert line.startswith(f"ship {chosen.artifact}: {chosen.sizes.bytes / 1000:,.1f} KB (")
    for text in (f"{100 * chosen.accuracy:.2f} %", "within 5 points", f"us in {chosen.backend}"):
        assert text in line


def test_the_smallest_download_that_is_as_good_is_shipped(report):
    assert choose_row(report).sizes.gzip_bytes == min(row.sizes.gzip_bytes for row in report.rows[1:])
    doubtful = with_verdict(report, non_inferior=False)
    assert choose_row(doubtful).accuracy == max(row.accuracy for row in report.rows[1:])
    assert say_what_to_ship(doubtful).startswith("no file is shown to be within 5 points")


def test_without_accuracy_nothing_is_said_to_be_fit(report):
    rows = [replace(row, scores=None, comparison=None, verdict=None) for row in report.rows]
    assert "accuracy was not measured" in say_what_to_ship(replace(report, rows=tuple(rows), dataset=None))
    assert say_what_to_ship(replace(report, rows=report.rows[:1])).startswith("nothing to ship")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_the_table_fits(report, width):
    lines = to_terminal(report, width=width).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("artifact"))
    table = lines[start : start + 1 + len(report.rows)]
    assert max(map(len, table)) <= width
    assert "accuracy %" in table[0]


def test_what_was_left_out_is_named_in_the_stated_order(report):
    text = to_terminal(report, width=100)
    (note,) = [line for line in text.splitlines() if line.startswith("left out for want of width: ")]
    dropped = tuple(note.removeprefix("left out for want of width: ").split(", "))
    assert dropped == DROPPED_FIRST[: len(dropped)]
    assert "left out" not in to_terminal(report)
    assert set(DROPPED_FIRST) | {"artifact", "accuracy %"} == set(COLUMNS)


def test_the_fastest_that_is_as_good_is_named_in_the_first_lines(report):
    slow = choose_row(report)
    quick = next(row for row in report.rows[1:] if row.key != slow.key)
    latency = replace(quick.speed.latency_us, p50=min(row.speed.latency_us.p50 for row in report.rows) / 2)
    rows = tuple(
        replace(row, speed=replace(row.speed, latency_us=latency)) if row.key == quick.key else row
        for row in report.rows
    )
    swift = replace(report, rows=rows)
    assert fastest_row(swift).key == quick.key
    line = to_terminal(swift).splitlines()[1]
    assert line == say_fastest(swift)
    assert line.startswith(f"fastest within 5 points: {quick.artifact} in {quick.backend}, {latency.p50:,.1f} us")
    # What a backend gets wrong is not called fast.
    wrong = replace(swift, conformance={"refused": {quick.artifact: "is off"}, "cells": []})
    assert fastest_row(wrong).key != quick.key
    assert say_fastest(with_verdict(swift, non_inferior=False)) == ""


def test_the_baseline_is_named_where_it_is_the_fastest(report):
    base = report.rows[0]
    latency = replace(base.speed.latency_us, p50=0.01)
    swift = replace(report, rows=(replace(base, speed=replace(base.speed, latency_us=latency)), *report.rows[1:]))
    assert fastest_row(swift).key == base.key
    assert say_fastest(swift).startswith(f"fastest within 5 points: {base.artifact} in {base.backend}, the baseline, ")


def test_the_fastest_is_named_where_it_is_the_one_to_ship_and_where_the_machine_was_busy(report):
    chosen = choose_row(report).key
    rows = tuple(
        replace(row, speed=replace(row.speed, latency_us=replace(row.speed.latency_us, p50=0.5)))
        if row.key == chosen
        else row
        for row in report.rows
    )
    idle = replace(report, rows=rows, conditions=replace(report.conditions, not_comparable=()))
    assert fastest_row(idle).key == choose_row(idle).key
    line = to_terminal(idle).splitlines()[1]
    assert line.startswith(f"fastest within 5 points: {choose_row(idle).artifact} in ")
    assert ", the one to ship, " in line
    assert "not comparable" not in line
    busy = replace(idle, conditions=replace(idle.conditions, not_comparable=("others were at work",)))
    assert to_terminal(busy).splitlines()[1] == f"{line}; latencies are not comparable"
    # Of one file beside the baseline nothing is the fastest.
    assert say_fastest(replace(idle, rows=idle.rows[:2])) == ""
