"""Long work says how far it is; whoever runs the program chooses whether that becomes nothing, lines, or bars."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

__all__ = ["STEP", "Progress", "Stage", "each", "shown_by", "stage"]

STEP = {"step": True}
"""Marks a line of the log, as `extra`, that says no more than a bar does: with bars it is left out."""


_T = TypeVar("_T")


class Stage(Protocol):
    """One part of the work, of so many steps."""

    def advance(self, steps: int = 1, **figures: str) -> None:
        """So many steps more are done; `figures` are those that matter now, by name."""


class Progress(Protocol):
    """Where stages are shown."""

    def begin(self, name: str, total: int) -> Stage:
        """A stage begins; shown until `end`."""

    def end(self, stage: Stage) -> None:
        """The stage is over, done or not."""


class _Silent:
    """The default: whoever works logs its own lines."""

    def advance(self, steps: int = 1, **figures: str) -> None:
        pass

    def begin(self, name: str, total: int) -> Stage:
        return self

    def end(self, stage: Stage) -> None:
        pass


_SILENT = _Silent()
_current: ContextVar[Progress] = ContextVar("progress", default=_SILENT)


@contextmanager
def shown_by(progress: Progress) -> Iterator[None]:
    """Show the stages of what runs inside the block there."""
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def stage(name: str, total: int, *, done: int = 0) -> Iterator[Stage]:
    """One stage of `total` steps, of which an earlier run may have `done` some."""
    progress = _current.get()
    begun = progress.begin(name, total)
    try:
        if done:
            begun.advance(done)
        yield begun
    finally:
        progress.end(begun)


def each(name: str, items: Sequence[_T], figures: Callable[[_T], dict[str, str]]) -> Iterator[_T]:
    """The items, one step of a stage each; `figures` are shown while an item is worked on."""
    with stage(name, len(items)) as shown:
        for item in items:
            shown.advance(0, **figures(item))
            yield item
            shown.advance()
