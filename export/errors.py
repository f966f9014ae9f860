"""What only export raises."""

from edgepress.runtime import EdgepressError

__all__ = ["ConversionError", "first_line"]


class ConversionError(EdgepressError):
    """A converter cannot make this variant of this model: it is withheld, the others go on."""


def first_line(error: Exception) -> str:
    """What a library's error says, without its traces; its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
