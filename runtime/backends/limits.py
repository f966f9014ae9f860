"""A limit on the memory of this process, for a file that nothing vouches for."""

import contextlib
from collections.abc import Iterator

from .pipes import memory_for

__all__ = ["limited_memory"]


@contextlib.contextmanager
def limited_memory(file_bytes: int) -> Iterator[None]:
    """No more than an isolated child's memory for such a file while the block runs; where the system has limits.

    Counted is what is written to: the examples' files that are mapped into memory are none of the model's.
    """
    try:
        import resource
    except ModuleNotFoundError:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory_for(file_bytes), before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, before)
