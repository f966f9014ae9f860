"""Which groups of channels leave: those that do least for each multiply-add that they cost.

Channels are measured again after each part has left: of two that say the same, only one is spared.
"""

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError

from .channels import Coupling, Ids

__all__ = ["check", "leave", "smallest"]

_STEPS = {32: 16, 16: 8, 8: 4, 4: 2, 1: 1}
"""From how many channels of a family on they leave by how many. Processors compute several at once: int8 convolutions
in LiteRT take as long as if inputs were a multiple of 8 and outputs one of 16. LiteRT 2.3 misreads 4-bit rows of odd
length where it quantizes activations while it runs."""
_KEPT = 8
"""One of so many channels stays in every family, whatever it does."""


def leave(
    coupling: Coupling, scores: NDArray[np.float64], leaving: NDArray[np.bool_], goal: float
) -> NDArray[np.bool_]:
    """What has left when at most `goal` multiply-adds are left.

    Args:
        coupling: Of the model.
        scores: What each group does. Shape (groups,).
        leaving: What has left before. Shape (groups,).
        goal: Multiply-adds of one example.
    """
    leaving, saved = leaving.copy(), coupling.savings(leaving)
    parts = []
    for family in coupling.families():
        parts += [
            (fine, float(scores[part].sum() / max(saved[part].sum(), 1e-12)), part.tolist())
            for fine, part in _parts(family, scores, leaving)
        ]
    for _, _, part in sorted(parts):
        if coupling.multiply_adds(leaving) <= goal:
            break
        leaving[part] = True
    return leaving


def smallest(coupling: Coupling) -> float:
    """Multiply-adds when all has left that may."""
    nothing = np.zeros(coupling.count, bool)
    return coupling.multiply_adds(leave(coupling, np.ones(coupling.count), nothing, 0.0))


def check(coupling: Coupling, name: str, share: float) -> None:
    """Refuse a share that cannot be reached.

    Raises:
        InputError: No channel may leave, or not so many.
    """
    whole = ", ".join(f"{layer} ({kind})" for layer, kind in coupling.whole.items())
    kept = f"; layers that are left whole: {whole}" if whole else ""
    if not coupling.families():
        raise InputError(f"{name} has no channels that may leave{kept}: press it without structured")
    least = smallest(coupling) / coupling.multiply_adds(np.zeros(coupling.count, bool))
    if least > share:
        raise InputError(
            f"structured {share:g}: of the multiply-adds of {name} at least {least:.3f} stay{kept}; ask for more"
        )


def _parts(family: Ids, scores: NDArray[np.float64], leaving: NDArray[np.bool_]) -> list[tuple[bool, Ids]]:
    """What of a family leaves next, then after that: the least first, some at a time. Whether it leaves fewer than a
    step, which is for goals that are not reached otherwise."""
    size, left = len(family), family[~leaving[family]]
    step = next(step for least, step in _STEPS.items() if size >= least)
    order = left[np.argsort(scores[left], kind="stable")]
    parts: list[tuple[bool, Ids]] = []
    while True:
        count = len(order)
        # What is left is a multiple of the step, then half of it, and so on.
        taken = count % step or step if count > step else count // 2
        if not taken or count - taken < size / _KEPT:
            return parts
        parts.append((count <= step, order[:taken]))
        order = order[taken:]
