"""What a stream tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Event"]


class Event(NamedTuple):
    """Something that was heard or seen, and when."""

    time: float
    """Seconds from the stream's start to where it begins: the onset of the sound where silence is told apart, else the
    start of the window that decided."""
    until: float
    """Seconds from the stream's start to the end of the window that decided: what came later is not in the answer."""
    answer: Mapping[str, Any]
    """As the prediction's `rows` give it, smoothed: `label` and `probability`, `values`, or `score` and `normal`."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, with times to the millisecond."""
        return {"time": round(self.time, 3), "until": round(self.until, 3), **self.answer}
