"""Intervals and tests against scipy-checked values, known tables and simulation."""

from functools import partial

import numpy as np
import pytest

from edgepress.benchmarks.statistics.intervals import (
    Pairs,
    bootstrap_difference,
    mcnemar_exact,
    mcnemar_mid_p,
    repeat_interval,
    score_difference,
    student_t_quantile,
    wilson,
)

SAME = Pairs(9800, 0, 0, 200)


def test_pairs_count_every_image_once():
    pairs = Pairs.count(np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool))
    assert pairs == Pairs(2, 1, 1, 1)
    assert (pairs.images, pairs.discordant, pairs.difference) == (5, 2, 0.0)


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    # statsmodels 0.14 proportion_confint(method="wilson")
    [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0), (9801, 10000, 0.97717, 0.98264)],
)
def test_wilson(right, images, low, high):
    assert wilson(right, images) == pytest.approx((low, high), abs=6e-5)


def test_mcnemar_matches_the_binomial_distribution():
    # scipy.stats.binomtest(6, 22).pvalue
    assert mcnemar_exact(Pairs(100, 6, 16, 3)) == pytest.approx(0.052479, abs=1e-6)
    assert mcnemar_exact(Pairs(100, 16, 6, 3)) == mcnemar_exact(Pairs(100, 6, 16, 3))
    # Fagerland et al. 2013, table 1 (1 and 7 discordant): exact 0.070, mid-p 0.039
    assert mcnemar_exact(Pairs(7, 1, 7, 6)) == pytest.approx(0.0703, abs=1e-4)
    assert mcnemar_mid_p(Pairs(7, 1, 7, 6)) == pytest.approx(0.0391, abs=1e-4)


def test_mcnemar_of_equal_counts_and_of_thousands():
    assert mcnemar_exact(SAME) == 1.0
    assert mcnemar_exact(Pairs(0, 30, 30, 0)) == 1.0
    assert 0.9 < mcnemar_mid_p(Pairs(0, 30, 30, 0)) < 1.0
    assert mcnemar_exact(Pairs(1000, 4000, 1000, 0)) < 1e-300


def test_tests_keep_their_level_without_a_difference():
    """1,000 pairs of models with no true difference, at least 50 discordant images each."""
    rng = np.random.default_rng(5)
    exact = mid = simulated = 0
    while simulated < 1000:
        won, lost = (int(n) for n in rng.multinomial(10_000, [0.004, 0.004, 0.992])[:2])
        if won + lost < 50:
            continue
        simulated += 1
        pairs = Pairs(9_800 - won - lost, lost, won, 200)
        exact += mcnemar_exact(pairs) < 0.05
        mid += mcnemar_mid_p(pairs) < 0.05
    assert exact <= 70
    assert 30 <= mid <= 70


def test_tests_see_a_true_difference():
    assert mcnemar_exact(Pairs(9_700, 80, 30, 190)) < 1e-5


def test_bootstrap_interval():
    pairs = Pairs(9_700, 60, 40, 200)
    low, high = bootstrap_difference(pairs)
    assert low < pairs.difference < high
    # A normal interval has half width 1.96 * sqrt(discordant) / n here.
    assert high - low == pytest.approx(2 * 1.96 * 100**0.5 / 10_000, rel=0.1)
    assert bootstrap_difference(pairs) == (low, high)
    assert bootstrap_difference(SAME) == (0.0, 0.0)


@pytest.mark.parametrize("interval", [partial(bootstrap_difference, resamples=2_000), score_difference])
def test_intervals_cover_the_true_difference(interval):
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        both, lost, won, neither = (int(n) for n in rng.multinomial(2_000, [0.95, 0.02, 0.01, 0.02]))
        low, high = interval(Pairs(both, lost, won, neither))
        covered += low <= -0.01 <= high
    assert covered >= 0.92 * 400


def test_score_interval_solves_the_score_equation():
    """At each limit the score statistic, its nuisance maximised over a grid instead of in closed form, is +-1.96."""
    pairs = Pairs(30, 9, 3, 8)
    n, lost, won = pairs.images, pairs.only_float_right, pairs.only_row_right
    for delta, z in zip(score_difference(pairs), (1.96, -1.96), strict=True):
        share_lost = np.linspace(max(0, -delta) + 1e-9, (1 - delta) / 2 - 1e-9, 400_001)
        likelihood = (
            won * np.log(share_lost + delta)
            + lost * np.log(share_lost)
            + (n - won - lost) * np.log(1 - 2 * share_lost - delta)
        )
        best = share_lost[np.argmax(likelihood)]
        statistic = (won - lost - n * delta) / np.sqrt(n * (2 * best + delta * (1 - delta)))
        assert statistic == pytest.approx(z, abs=1e-3)


def test_score_interval_keeps_a_width_without_discordant_images():
    low, high = score_difference(Pairs(64, 0, 0, 0))
    assert high == pytest.approx(3.8415 / (64 + 3.8415), abs=1e-4)
    assert low == pytest.approx(-high, abs=1e-9)


def test_student_t():
    for freedom, expected in [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (7, 2.3646), (30, 2.0423)]:
        assert student_t_quantile(0.975, freedom) == pytest.approx(expected, abs=1e-4)


def test_repeat_interval_contains_the_next_run():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(1000):
        low, high = repeat_interval(list(rng.normal(1, 0.05, 6)))
        hits += low <= rng.normal(1, 0.05, 6).mean() <= high
    assert 930 <= hits <= 970
    assert repeat_interval([1.0]) is None
