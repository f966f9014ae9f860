"""How the learning rate runs, as a function of progress from 0 (first step) to 1 (last step)."""

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "rate_schedule"]

SCHEDULES = ("cosine", "one-cycle", "constant")
_WARM_UP = 0.3
_FIRST_RATE = 1 / 25


def rate_schedule(name: str, highest: float) -> Callable[[float], float]:
    """The schedule with that name.

    Args:
        name: `cosine`: from the highest rate to zero along a half cosine (Loshchilov and Hutter 2017). `one-cycle`: up
            from a 25th of it in the first 30 % of the steps, then down to zero (Smith and Topin 2018). `constant`.
        highest: The highest rate.
    """
    if name == "constant":
        return lambda progress: highest
    if name == "cosine":
        return lambda progress: highest * _half_cosine(progress)
    first = highest * _FIRST_RATE

    def one_cycle(progress: float) -> float:
        if progress < _WARM_UP:
            return highest + (first - highest) * _half_cosine(progress / _WARM_UP)
        return highest * _half_cosine((progress - _WARM_UP) / (1 - _WARM_UP))

    return one_cycle


def _half_cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2
