"""The errors that edgepress raises on purpose.

Every message is one line that says what came, what is allowed, and how to mend it.
"""

__all__ = [
    "ArtifactRefusedError",
    "CheckFailedError",
    "EdgepressError",
    "InputError",
    "MissingExtraError",
    "ModelClosedError",
]


class EdgepressError(Exception):
    """Base of all of them. `exit_status` is what the command line exits with."""

    exit_status = 1


class InputError(EdgepressError, ValueError):
    """A wrong argument or an unusable input."""

    exit_status = 2


class MissingExtraError(InputError, ImportError):
    """A package is asked for that is not installed; the message holds the pip command."""


class ArtifactRefusedError(InputError):
    """A model file that is not loaded: wrong digest, unsafe structure, or a runtime that computes it wrongly."""


class CheckFailedError(EdgepressError):
    """The work was done and its result is not good enough: a gate, a self-test, a withheld artifact."""


class ModelClosedError(EdgepressError, RuntimeError):
    """A model was used after `close()`."""
