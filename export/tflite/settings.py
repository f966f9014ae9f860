"""How TensorFlow's converter is set for a variant."""

from dataclasses import dataclass

__all__ = ["FULL_INT8", "Settings"]


@dataclass(frozen=True)
class Settings:
    """How the converter is set."""

    weights: str = "float32"
    """`float32`, `float16` or `int8`."""
    activations: str = "float32"
    """`float32`, `int8` or `int16`: integers take ranges that are measured, or that training found."""
    ends: str | None = None
    """Type of inputs and outputs; None for float."""

    @property
    def takes_ranges(self) -> bool:
        """Whether ranges of 8 bits that training found are taken."""
        return self.activations == "int8"


FULL_INT8 = Settings("int8", "int8", "int8")
