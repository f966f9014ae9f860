"""How one row of a benchmark is fed, and what it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgepress.runtime import Contract
from edgepress.runtime.tasks import Task

from ..question import Question

__all__ = ["Asked"]


@dataclass(frozen=True, eq=False)
class Asked:
    """How one row is fed, and what it is asked."""

    question: Question
    order: Mapping[str, Any]
    """For the process that holds it, as `asked_of` gives it."""
    contract: Contract
    task: Task
    notes: tuple[str, ...] = ()
    """What a reader should know of how that was found."""
    fitted: str | None = None
    """Digest of the data that a lone file says it was fitted to."""
