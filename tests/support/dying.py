"""A fit that ends where a kill would end it: right after it has kept what it had."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from edgepress.train.fitting.checkpoint import Checkpoint

__all__ = ["dying_after"]


@contextmanager
def dying_after(saves: int) -> Iterator[None]:
    """Within it, KeyboardInterrupt is raised after so many checkpoints."""
    save, left = Checkpoint.save, [saves]

    def die(self: Checkpoint, state: object) -> None:
        save(self, state)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with mock.patch.object(Checkpoint, "save", die):
        yield
