"""Ways that are far behind the best after the first examples are not tried on the others."""

import numpy as np

from edgepress.data import Part
from edgepress.quality import QUALITY
from edgepress.train.trying import out_of_reach

CLASSES, COUNT = 4, 256
TARGETS = np.arange(COUNT) % CLASSES
PART = Part({"x": np.zeros((COUNT, 1), np.float32)}, TARGETS)


def right(share: float) -> np.ndarray:
    """Probabilities whose label is right on this share of the examples."""
    wrong = np.arange(COUNT) >= round(share * COUNT)
    return np.eye(CLASSES, dtype=np.float32)[(TARGETS + wrong) % CLASSES] * 0.9 + 0.025


def behind(**shares: float) -> list[str]:
    answers = {way: right(share) for way, share in shares.items()}
    found = out_of_reach(answers, QUALITY["multiclass"], PART, PART)
    assert all(each.examples == COUNT and each.record()["examples"] == COUNT for each in found)
    return [each.input for each in found]


def test_what_is_far_behind_is_left_out_and_what_may_catch_up_is_not():
    assert behind(best=0.95, near=0.92, far=0.3) == ["far"]
    assert behind(near=0.95, best=0.955, equal=0.955) == []


def test_nothing_is_left_out_where_the_best_is_no_better_than_the_trivial_answer():
    """A model that knows the classes in another order is right nowhere when it is fed as it should be."""
    assert behind(other_order=0.0, best=0.25) == []
