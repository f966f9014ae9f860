"""What a pressed model may cost, what it does cost, and which one to take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from edgepress.runtime import CheckFailedError, InputError

__all__ = ["Budget", "Candidate", "choose", "pareto_front"]


@dataclass(frozen=True)
class Candidate:
    """One model file that was made and measured on held-back training examples."""

    trial: int
    parameters: dict[str, Any]
    """What was searched: the config's values that differ from trial to trial."""
    file: str
    variant: str
    """As export takes it, such as `tflite:int8`."""
    packed: bool
    """Whether the bytes are those of the file packed for download."""
    bytes: int
    value: float
    """Of the task's metric, which `search.json` names."""
    drop: float
    """How much worse that is than the float baseline's; below 0 where it is better."""
    unit: str
    """Of the drop, as a benchmark's verdict has it: points of a metric that is a share, percent of the trivial answer's
    error of one that is an error."""
    latency_us: float | None
    """Median of one example; None where no latency is budgeted."""

    @property
    def costs(self) -> tuple[float, ...]:
        """What the front is drawn over, smaller is better."""
        return (self.drop, self.bytes, self.latency_us or 0.0)

    def describe(self) -> str:
        """In one line for people."""
        latency = "" if self.latency_us is None else f", {self.latency_us:.1f} us"
        searched = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        return f"{self.file} ({searched}): drop {self.drop:.2f} {self.unit}, {self.bytes:,} bytes{latency}"


@dataclass(frozen=True)
class Budget:
    """Limits that a candidate must keep; None is no limit."""

    max_drop: float | None = None
    """In the unit of `Candidate.drop`."""
    max_bytes: int | None = None
    max_latency_us: float | None = None

    def __post_init__(self) -> None:
        limits = {"max-drop": self.max_drop, "max-bytes": self.max_bytes, "max-latency-us": self.max_latency_us}
        for name, limit in limits.items():
            if limit is not None and not 0 < limit < float("inf"):
                raise InputError(f"--{name} {limit}: a number above 0 is allowed")
        if not any(limits.values()):
            raise InputError("a budget without limits: give --max-drop, --max-bytes or --max-latency-us")

    def overdrawn(self, candidate: Candidate) -> list[str]:
        """Each limit that the candidate breaks, in words."""
        return [f"{text} instead of {limit:g}" for text, value, limit in self._pairs(candidate) if value > limit]

    def excess(self, candidate: Candidate) -> float:
        """How far beyond the limits the candidate is, relative to each, summed; 0 where it keeps them all."""
        return sum(max(0.0, value / limit - 1) for _, value, limit in self._pairs(candidate))

    def _pairs(self, candidate: Candidate) -> Iterable[tuple[str, float, float]]:
        if self.max_drop is not None:
            yield f"{candidate.drop:.2f} {candidate.unit}", candidate.drop, self.max_drop
        if self.max_bytes is not None:
            yield f"{candidate.bytes} bytes", candidate.bytes, self.max_bytes
        if self.max_latency_us is not None and candidate.latency_us is not None:
            yield f"{candidate.latency_us:.1f} us", candidate.latency_us, self.max_latency_us


def pareto_front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that no other one beats in something while being as good in the rest, by bytes."""

    def beaten(mine: Candidate) -> bool:
        return any(
            all(a <= b for a, b in zip(other.costs, mine.costs, strict=True)) and other.costs != mine.costs
            for other in candidates
        )

    return sorted((c for c in candidates if not beaten(c)), key=lambda c: (c.bytes, c.drop))


def choose(candidates: Sequence[Candidate], budget: Budget) -> Candidate:
    """The best candidate within the budget: the one that lost least where bytes are limited, else the smallest.

    Raises:
        CheckFailedError: None keeps the budget; the message names the nearest and what it breaks.
    """
    within = [candidate for candidate in candidates if not budget.overdrawn(candidate)]
    if within:
        if budget.max_bytes is None:
            return min(within, key=lambda c: (c.bytes, c.drop, c.latency_us or 0.0))
        return min(within, key=lambda c: (c.drop, c.bytes, c.latency_us or 0.0))
    if not candidates:
        raise CheckFailedError("the search made no model that export would publish: try more --trials")
    nearest = min(candidates, key=budget.excess)
    raise CheckFailedError(
        f"none of {len(candidates)} models keeps the budget; the nearest is {nearest.describe()}: "
        f"{', '.join(budget.overdrawn(nearest))}; allow more, or try more --trials"
    )
