"""Which candidate a budget takes, and what is said where none will do."""

import pytest

from edgepress.press import Budget, Candidate
from edgepress.press.budget import choose, pareto_front
from edgepress.runtime import CheckFailedError, InputError


def candidate(file, drop, size, latency=None):
    return Candidate(0, {"sparsity": 0.8}, file, "tflite:int8", False, size, 0.98, drop, "points", latency)


SMALL, MIDDLE, LARGE = candidate("small", 0.9, 4_000), candidate("middle", 0.4, 9_000), candidate("large", 0.1, 30_000)
WORSE = candidate("worse", 0.5, 9_500)
ALL = [LARGE, WORSE, SMALL, MIDDLE]


def test_the_front_leaves_out_what_is_beaten():
    assert pareto_front(ALL) == [SMALL, MIDDLE, LARGE]


def test_equal_candidates_do_not_push_each_other_off_the_front():
    assert len(pareto_front([SMALL, candidate("twin", 0.9, 4_000)])) == 2


@pytest.mark.parametrize(
    ("budget", "chosen"),
    [
        (Budget(max_drop=0.5), MIDDLE),
        (Budget(max_drop=1.0), SMALL),
        (Budget(max_bytes=10_000), MIDDLE),
        (Budget(max_bytes=9_600, max_drop=0.6), MIDDLE),
        (Budget(max_bytes=5_000), SMALL),
    ],
)
def test_the_choice(budget, chosen):
    assert choose(ALL, budget) == chosen


def test_latency_is_a_limit_too():
    fast, slow = candidate("fast", 0.4, 9_000, 5.0), candidate("slow", 0.1, 8_000, 50.0)
    assert choose([slow, fast], Budget(max_bytes=10_000, max_latency_us=20)) == fast


def test_where_none_will_do_the_nearest_is_named_with_what_it_breaks():
    with pytest.raises(CheckFailedError, match=r"nearest is middle .*9000 bytes instead of 8000") as raised:
        choose(ALL, Budget(max_bytes=8_000, max_drop=0.5))
    assert "points instead" not in str(raised.value)


def test_nothing_made_is_said():
    with pytest.raises(CheckFailedError, match="no model"):
        choose([], Budget(max_bytes=1))


@pytest.mark.parametrize("limits", [{}, {"max_bytes": 0}, {"max_drop": -1}, {"max_latency_us": float("nan")}])
def test_a_budget_that_makes_no_sense_is_refused(limits):
    with pytest.raises(InputError):
        Budget(**limits)
