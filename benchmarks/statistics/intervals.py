"""Intervals and tests for two models that answered the same images.

Everything here follows from four counts (`Pairs`), so a device can report them and a workstation can look again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Pairs",
    "bootstrap_difference",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "repeat_interval",
    "score_difference",
    "student_t_quantile",
    "wilson",
]


@dataclass(frozen=True)
class Pairs:
    """How two models answered the same images: counts that sum to the number of images."""

    both_right: int
    only_float_right: int
    only_row_right: int
    both_wrong: int

    @classmethod
    def count(cls, float_right: NDArray[np.bool_], row_right: NDArray[np.bool_]) -> "Pairs":
        """From two arrays of shape (n,): did the model name the right class?"""
        return cls(
            both_right=int(np.sum(float_right & row_right)),
            only_float_right=int(np.sum(float_right & ~row_right)),
            only_row_right=int(np.sum(~float_right & row_right)),
            both_wrong=int(np.sum(~float_right & ~row_right)),
        )

    @property
    def images(self) -> int:
        """How many images were answered."""
        return self.both_right + self.only_float_right + self.only_row_right + self.both_wrong

    @property
    def discordant(self) -> int:
        """On how many images exactly one of the two was right."""
        return self.only_float_right + self.only_row_right

    @property
    def difference(self) -> float:
        """Accuracy of the row minus accuracy of the float model, a fraction."""
        return (self.only_row_right - self.only_float_right) / self.images


def bootstrap_difference(
    pairs: Pairs, *, confidence: float = 0.95, seed: int = 0, resamples: int = 20_000
) -> tuple[float, float]:
    """Percentile interval of the accuracy difference from the paired bootstrap.

    Resampling images with replacement and counting is the multinomial draw made here (Efron and Tibshirani, 1993).

    Returns:
        Lower and upper limit, fractions.
    """
    n = pairs.images
    shares = np.array([pairs.only_float_right, pairs.only_row_right, pairs.both_right + pairs.both_wrong]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile((draws[:, 1] - draws[:, 0]) / n, [tail, 1 - tail])
    return float(low), float(high)


def score_difference(pairs: Pairs, *, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval of the accuracy difference (Statistics in Medicine 17, 1998, 891-908).

    It stays honest where the bootstrap does not: with no discordant image at all it still has a width, 3.84 / n at
    95 %. Verdicts and gates rest on it.

    Returns:
        Lower and upper limit, fractions.
    """
    n, won, lost = pairs.images, pairs.only_row_right, pairs.only_float_right
    z = NormalDist().inv_cdf(0.5 + confidence / 2)

    def score(delta: float) -> float:
        b = -won - lost + (2 * n - won + lost) * delta
        c = -lost * delta * (1 - delta)
        share_lost = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * (2 * share_lost + delta * (1 - delta))
        excess = won - lost - n * delta
        if variance <= 0:
            return math.copysign(math.inf, excess) if excess else 0.0
        return excess / math.sqrt(variance)

    # The score falls as delta grows: the limits are where it crosses z and -z.
    middle = pairs.difference
    return _falls_to(score, z, -1.0, middle), _falls_to(score, -z, middle, 1.0)


def _falls_to(function: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a falling function of [low, high] reaches `level`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        if function(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def wilson(right: int, images: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of an accuracy (JASA 22, 1927, 209-212), fractions."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = right / images
    scale = 1 + z * z / images
    middle = (share + z * z / (2 * images)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar_exact(pairs: Pairs) -> float:
    """Two-sided p of the exact McNemar test: would a fair coin split the discordant images this unevenly?"""
    return _mcnemar(pairs)[0]


def mcnemar_mid_p(pairs: Pairs) -> float:
    """Its mid-p variant, which rejects nearer to the nominal rate (Fagerland et al., BMC Med Res Methodol 13:91)."""
    return _mcnemar(pairs)[1]


def _mcnemar(pairs: Pairs) -> tuple[float, float]:
    n, k = pairs.discordant, min(pairs.only_float_right, pairs.only_row_right)
    term, tail = 1, 0
    for i in range(k + 1):
        tail += term
        if i < k:
            term = term * (n - i) // (i + 1)
    # Integers of any size divide exactly where floats of 2**-n would vanish.
    exact, point = 2 * tail / 2**n, term / 2**n
    if 2 * k == n:
        return 1.0, 1 - point / 2
    return exact, exact - point


def repeat_interval(values: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Where the mean of as many new values will fall: Student's prediction interval.

    Each value comes from processes of its own. The interval is wider by the square root of 2 than that of the mean,
    because another run scatters as much as this one.

    Returns:
        Lower and upper limit, or None for fewer than two values, which tell nothing about scatter.
    """
    if len(values) < 2:
        return None
    middle = fmean(values)
    half = student_t_quantile(0.5 + confidence / 2, len(values) - 1) * stdev(values) * math.sqrt(2 / len(values))
    return middle - half, middle + half


def student_t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t for a whole number of degrees of freedom; probability at least 0.5."""
    low, high = 0.0, 1.0
    while _student_t(high, freedom) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if _student_t(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _student_t(t: float, freedom: int) -> float:
    """P(T <= t) for t >= 0, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    if freedom % 2:
        term = total = math.cos(angle) if freedom > 1 else 0.0
        for i in range(3, freedom - 1, 2):
            term *= square * (i - 1) / i
            total += term
        central = 2 / math.pi * (angle + sine * total)
    else:
        term = total = 1.0
        for i in range(2, freedom - 1, 2):
            term *= square * (i - 1) / i
            total += term
        central = sine * total
    return 0.5 + central / 2
