"""The study of coverage in small: intervals hold the truth, and a planted loss does not pass."""

import pytest

from edgepress.benchmarks.statistics import intervals
from edgepress.benchmarks.studies import coverage


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_intervals_hold_and_losses_are_refused(kind, monkeypatch):
    monkeypatch.setattr(coverage, "_POPULATION", 50_000)
    for found in coverage.measure(kind, 60, seed=3):
        assert found.held >= 0.87
        assert found.refused >= 0.93
    assert len(coverage.table(coverage.measure(kind, 2))) == 4


def test_numbers(monkeypatch):
    monkeypatch.setattr(coverage, "_POPULATION", 50_000)
    monkeypatch.setitem(coverage.KINDS, "regression", (coverage.KINDS["regression"][0], 200))
    (found,) = coverage.measure("regression", 25, seed=3)
    assert found.held >= 0.8
    assert found.refused >= 0.9


def test_an_interval_that_is_too_narrow_is_found(monkeypatch):
    def narrow(pairs, **options):
        low, high = intervals.bootstrap_difference(pairs, **options)
        middle = (low + high) / 2
        return middle - (high - low) / 8, middle + (high - low) / 8

    monkeypatch.setattr(coverage, "_POPULATION", 50_000)
    monkeypatch.setattr(coverage, "bootstrap_difference", narrow)
    bootstrap, _ = coverage.measure("multiclass", 40)
    assert bootstrap.held < 0.8
