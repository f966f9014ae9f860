"""How a stream listens: every number of it in one place, with what is usual for a contract and a task."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from edgepress.base.errors import InputError

from ..contract import Audio, Signal
from ..tasks import Task

__all__ = ["Settings"]

_HOPS = 16
"""Windows that begin within one window's length."""
_SMOOTH = 0.5
"""Of a window's length."""
_THRESHOLD = 0.5
_GATE_DB = 6.0
# These four were chosen on training recordings: docs/listen.md has the table, benchmarks/studies/listening.py made it.

_APART = 0.5
"""Of a window's length: sounds are told apart by the pauses between them already."""
_MOST_DB = 90.0
_MOST_GAIN_DB = 60.0


@dataclass(frozen=True)
class Settings:
    """Of one stream. Times are seconds."""

    hop: float
    """From the start of one window to that of the next."""
    smooth: float
    """Answers of the windows that begin within this time are averaged; 0: each stands for itself."""
    refractory: float
    """After an event none of the same kind is told for so long."""
    threshold: float
    """Classifiers: average probability from which on an answer counts. Anomalies: average score above which the input
    is not normal."""
    gate_db: float
    """Sound is what is louder than the background by so many dB; 0: every window is asked about."""
    gain_db: float = 0.0
    """Sound is made louder by so many dB before all else, and cut off at full scale. A model hears best what is as loud
    as what it learnt from."""
    ignore: tuple[str, ...] = ()
    """Labels that are no events, such as one for silence."""

    @classmethod
    def usual(
        cls,
        contract: Signal | Audio,
        task: Task,
        seconds: float,
        *,
        hop: float | None = None,
        smooth: float | None = None,
        refractory: float | None = None,
        threshold: float | None = None,
        gate_db: float | None = None,
        gain_db: float | None = None,
        ignore: Iterable[str] = (),
    ) -> Settings:
        """What is given, and what is usual for the rest.

        A classifier of sounds always names a class, in silence too: silence is told apart for it alone.

        Args:
            contract: Of the model's input.
            task: What the model answers.
            seconds: Length of a window.
            hop, smooth, refractory, threshold, gate_db, gain_db, ignore: As the fields; None for the usual.

        Raises:
            InputError: Values that no stream can have.
        """
        gated = isinstance(contract, Audio) and task.classifies
        usual_threshold = _THRESHOLD if task.classifies else task.threshold
        settings = cls(
            hop=seconds / _HOPS if hop is None else float(hop),
            smooth=seconds * _SMOOTH if smooth is None else float(smooth),
            refractory=seconds * (_APART if gated else 1.0) if refractory is None else float(refractory),
            threshold=usual_threshold if threshold is None else float(threshold),
            gate_db=(_GATE_DB if gated else 0.0) if gate_db is None else float(gate_db),
            gain_db=0.0 if gain_db is None else float(gain_db),
            ignore=(ignore,) if isinstance(ignore, str) else tuple(ignore),
        )
        settings._check(contract, task, seconds)
        return settings

    def _check(self, contract: Signal | Audio, task: Task, seconds: float) -> None:
        for name, value, lowest in (("smooth", self.smooth, 0.0), ("refractory", self.refractory, 0.0)):
            if not lowest <= value < math.inf:
                raise InputError(f"{name} {value:g} s: {lowest:g} or more is allowed")
        if not 0 < self.hop <= seconds:
            raise InputError(f"hop {self.hop:g} s: above 0, and at most the window's {seconds:g} s, is allowed")
        highest = math.inf if task.traits.reconstructs else 1.0
        if not 0 <= self.threshold <= highest:
            raise InputError(f"threshold {self.threshold:g}: 0 to {highest:g} is allowed")
        if not 0 <= self.gate_db <= _MOST_DB:
            raise InputError(f"gate {self.gate_db:g} dB: 0 (none) to {_MOST_DB:g} is allowed")
        if not abs(self.gain_db) <= _MOST_GAIN_DB:
            raise InputError(f"gain {self.gain_db:g} dB: -{_MOST_GAIN_DB:g} to {_MOST_GAIN_DB:g} is allowed")
        for what, given in (("gate", self.gate_db), ("gain", self.gain_db)):
            if given and not isinstance(contract, Audio):
                raise InputError(f"a {what} is for sound, and this model takes a {contract.kind}: leave it out")
        unknown = [name for name in self.ignore if name not in task.labels]
        if unknown:
            raise InputError(f"ignore {', '.join(unknown)}: the labels are {', '.join(task.labels) or 'not known'}")
