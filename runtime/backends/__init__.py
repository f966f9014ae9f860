"""The runtimes that execute a model file, behind one interface: a file and a row of `BACKENDS` for each."""

from .base import Session
from .registry import (
    BACKENDS,
    Backend,
    backends_of,
    choose_backends,
    import_library,
    open_session,
    other_python,
    present_backends,
)

__all__ = [
    "BACKENDS",
    "Backend",
    "Session",
    "backends_of",
    "choose_backends",
    "import_library",
    "open_session",
    "other_python",
    "present_backends",
]
