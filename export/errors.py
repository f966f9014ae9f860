"""What only export raises."""

from edgepress.runtime import EdgepressError

__all__ = ["ConversionError"]


class ConversionError(EdgepressError):
    """A converter cannot make this variant of this model: it is withheld, the others go on."""
