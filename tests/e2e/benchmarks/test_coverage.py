"""Intervals that are drawn many times over cover what they are of."""

import numpy as np

from edgepress.benchmarks.statistics.metrics import Answers, compare


def answers(rng, truth, classes, skill):
    raw = rng.random((len(truth), classes)).astype(np.float32)
    raw[np.arange(len(truth)), truth] += skill
    return Answers(raw / raw.sum(axis=1, keepdims=True))


def test_f1_intervals_cover():
    """The interval of 100 samples' F1 differences covers the difference on the whole population."""
    rng = np.random.default_rng(7)
    population = np.random.default_rng(8).integers(0, 3, 60_000)
    base, row = answers(rng, population, 3, 0.9), answers(rng, population, 3, 0.8)
    expected = compare(row, base, population, seed=0).f1_difference[1].difference
    covered = 0
    for _ in range(100):
        pick = rng.choice(len(population), 1_500, replace=False)
        facts = compare(Answers(row.probabilities[pick]), Answers(base.probabilities[pick]), population[pick], seed=0)
        low, high = facts.f1_difference[1].interval
        covered += low <= expected <= high
    assert covered >= 88
