"""From the answers to single windows to events: one watcher a kind of task."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .event import Event
from .settings import Settings

__all__ = ["WATCHERS", "Moment", "Watcher"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..tasks import Task

_SAME_S = 0.05
"""Windows that hear a sound begin so close to each other hear the same one."""
_RELEASE = 0.5
"""Of the threshold: what has fallen below it is over, and may begin again."""


class Moment(NamedTuple):
    """When a window was, in seconds from the stream's start."""

    time: float
    """Where what is in it begins."""
    until: float
    """Where it ends."""


class Watcher(Protocol):
    """Looks at the answers to one window after the other."""

    def columns(self, prediction: Any) -> Sequence[Any]:
        """What `see` takes of each window, from the prediction for several."""

    def see(self, moment: Moment, given: Any) -> list[Event]:
        """The events that this window completes. None is given for a window that the model was not asked about."""


class _Average:
    """Of the last so many arrays."""

    def __init__(self, count: int) -> None:
        self._kept: deque[NDArray[Any]] = deque(maxlen=count)
        self._missing = count

    def __call__(self, values: NDArray[Any], *, silence: bool = False) -> NDArray[np.float64]:
        """With `silence` before the first of them, as if zeros had been there."""
        self._kept.append(np.asarray(values, np.float64))
        total: NDArray[np.float64] = np.sum(self._kept, axis=0)
        count = self._kept.maxlen if silence else len(self._kept)
        return total / (count or 1)


class _Shares:
    """What classifiers of one label and of several have in common: the average probability of each."""

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        self._names, self._settings = task.labels, settings
        self._average = _Average(windows)
        self._after_silence = settings.gate_db > 0

    def columns(self, prediction: Any) -> Sequence[Any]:
        probabilities: Sequence[Any] = prediction.probabilities
        return probabilities

    def _shares(self, given: NDArray[np.float32] | None) -> NDArray[np.float64]:
        return self._average(np.zeros(len(self._names)) if given is None else given, silence=self._after_silence)

    def _event(self, moment: Moment, index: int, share: float) -> list[Event]:
        name = self._names[index]
        if name in self._settings.ignore:
            return []
        return [Event(*moment, {"label": name, "probability": round(share, 4)})]


class _Labels(_Shares):
    """`multilabel`: an event for each label that begins."""

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        super().__init__(settings, task, windows)
        self._there = np.zeros(len(task.labels), bool)
        self._told = np.full(len(task.labels), -np.inf)

    def see(self, moment: Moment, given: NDArray[np.float32] | None) -> list[Event]:
        shares = self._shares(given)
        self._there &= shares >= self._settings.threshold * _RELEASE
        rested = moment.until - self._told >= self._settings.refractory
        begun = (shares >= self._settings.threshold) & ~self._there & rested
        self._there |= begun
        self._told[begun] = moment.until
        return [event for i in np.flatnonzero(begun) for event in self._event(moment, int(i), float(shares[i]))]


class _Classes(_Shares):
    """`multiclass`, `binary`: an event where another class begins, or the same one again after a pause."""

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        super().__init__(settings, task, windows)
        self._there: int | None = None
        self._told = -np.inf

    def see(self, moment: Moment, given: NDArray[np.float32] | None) -> list[Event]:
        shares = self._shares(given)
        index = int(shares.argmax())
        if self._there is not None and shares[self._there] < self._settings.threshold * _RELEASE:
            self._there = None
        rested = moment.until - self._told >= self._settings.refractory
        if shares[index] < self._settings.threshold or index == self._there or not rested:
            return []
        self._there, self._told = index, moment.until
        return self._event(moment, index, float(shares[index]))


class _Sounds(_Shares):
    """The same where silence is told apart: an event a sound.

    The answer waits until the sound leaves the window, or a louder one comes: the first windows hear the beginning of a
    word alone, and the surest average over windows that hear this sound counts.
    """

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        super().__init__(settings, task, windows)
        self._windows = windows
        self._told = -np.inf
        self._sound = -np.inf
        """Where the sound at hand begins, in seconds."""
        self._surest = Moment(0.0, 0.0), 0, 0.0

    def see(self, moment: Moment, given: NDArray[np.float32] | None) -> list[Event]:
        events = []
        if given is None or abs(moment.time - self._sound) > _SAME_S:
            events = self._end()
            self._average, self._sound = _Average(self._windows), moment.time
        if given is not None:
            shares = self._shares(given)
            index = int(shares.argmax())
            if shares[index] > self._surest[2]:
                self._surest = Moment(self._sound, moment.until), index, float(shares[index])
        return events

    def _end(self) -> list[Event]:
        (moment, index, share), self._surest = self._surest, (Moment(0.0, 0.0), 0, 0.0)
        if share < self._settings.threshold or not share or moment.time - self._told < self._settings.refractory:
            return []
        self._told = moment.time
        return self._event(moment, index, share)


def _one_label(settings: Settings, task: Task, windows: int) -> Watcher:
    return (_Sounds if settings.gate_db else _Classes)(settings, task, windows)


class _Values:
    """`regression`: the smoothed values of each window."""

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        self._average = _Average(windows)
        self._task = task

    def columns(self, prediction: Any) -> Sequence[Any]:
        self._names = prediction.names
        values: Sequence[Any] = prediction.values
        return values

    def see(self, moment: Moment, given: NDArray[np.float32] | None) -> list[Event]:
        if given is None:
            return []
        values = dict(zip(self._names, self._average(given).tolist(), strict=True))
        units = {"units": dict(zip(self._names, self._task.units, strict=True))} if self._task.units else {}
        return [Event(*moment, {"values": values, **units})]


class _Anomalies:
    """`anomaly`: an event where what was normal no longer is, and where it is again."""

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        self._average = _Average(windows)
        self._settings = settings
        self._normal = True
        self._told = -np.inf

    def columns(self, prediction: Any) -> Sequence[Any]:
        scores: Sequence[Any] = prediction.scores
        return scores

    def see(self, moment: Moment, given: Any) -> list[Event]:
        if given is None:
            return []
        score = float(self._average(given))
        normal = score <= self._settings.threshold
        if normal is self._normal or moment.until - self._told < self._settings.refractory:
            return []
        self._normal, self._told = normal, moment.until
        return [Event(*moment, {"score": score, "normal": normal})]


class _Outputs:
    """`raw`: what the model gives for each window."""

    def __init__(self, settings: Settings, task: Task, windows: int) -> None:
        pass

    def columns(self, prediction: Any) -> Sequence[Any]:
        rows: Sequence[Any] = prediction.rows()
        return rows

    def see(self, moment: Moment, given: Any) -> list[Event]:
        return [] if given is None else [Event(*moment, {"outputs": given})]


WATCHERS: dict[str, Callable[[Settings, Task, int], Watcher]] = {
    "multiclass": _one_label,
    "binary": _one_label,
    "multilabel": _Labels,
    "regression": _Values,
    "anomaly": _Anomalies,
    "raw": _Outputs,
}
"""By the kind of task; each is made with the settings, the task, and the number of windows that are averaged."""
