"""The errors that edgepress raises on purpose.

Every message is one line that says what came, what is allowed, and how to mend it.
"""

from enum import Enum

__all__ = [
    "ArtifactRefusedError",
    "CheckFailedError",
    "EdgepressError",
    "InputError",
    "MissingExtraError",
    "ModelClosedError",
    "Refusal",
]


class EdgepressError(Exception):
    """Base of all of them. `exit_status` is what the command line exits with."""

    exit_status = 1


class InputError(EdgepressError, ValueError):
    """A wrong argument or an unusable input."""

    exit_status = 2


class MissingExtraError(InputError, ImportError):
    """A package is asked for that is not installed; the message holds the pip command."""


class Refusal(Enum):
    """Why a model file is not loaded."""

    MALFORMED = "malformed"
    """Its structure is damaged, or made to harm: get it again."""
    TOO_LARGE = "too large"
    UNKNOWN_OPERATOR = "unknown operator"
    """It has an operator that no backend here knows."""
    NEEDS_SELECT_TF = "needs Select TF ops"
    """It has operators of TensorFlow's own, which TensorFlow Lite runs with an add-on alone."""
    ACCELERATOR = "compiled for an accelerator"
    CRASHED = "crashed"
    """The process that had it in hand died or hung."""
    NO_ISOLATION = "isolation unavailable"
    """It needs a process of its own, and none can be started here: nothing is known against the file."""
    OTHER_FILE = "another file"
    """It is not the file that its manifest states, or nobody trusted signed that."""


class ArtifactRefusedError(InputError):
    """A model file that is not loaded; `reason` says which kind of why."""

    def __init__(self, message: str, reason: Refusal = Refusal.MALFORMED) -> None:
        super().__init__(message)
        self.reason = reason


class CheckFailedError(EdgepressError):
    """The work was done and its result is not good enough: a gate, a self-test, a withheld artifact."""


class ModelClosedError(EdgepressError, RuntimeError):
    """A model was used after `close()`."""
