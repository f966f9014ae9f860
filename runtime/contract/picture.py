"""The preprocessing contract: how a picture becomes a model's input.

Export writes it once into the manifest; the runtime, the benchmarks, the server and the drawing page obey it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError

__all__ = ["Preprocessing"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POLARITIES = ("light-on-dark", "dark-on-light", "as-is")
_FITS = ("mnist", "resize")


class Preprocessing(NamedTuple):
    """From a picture to pixels, and from pixels to the real numbers that the model was trained on."""

    height: int
    """Rows of the model's picture."""
    width: int
    """Columns of the model's picture."""
    channels: int = 1
    """1 for grey, 3 for RGB."""
    fit: str = "mnist"
    """How a picture of any size becomes height x width. `mnist`: the object is located, scaled so that its longer
    side is `box` pixels, and placed with its centre of mass in the middle (LeCun et al., the MNIST database).
    `resize`: the whole picture is scaled."""
    box: int = 20
    """Longer side of the scaled object in pixels; used by `mnist` alone."""
    polarity: str = "light-on-dark"
    """What the model was trained on. Pictures of the other polarity are inverted; `as-is` leaves them alone."""
    scale: float = 1 / 255
    """real = pixel * scale + offset, for pixels 0 to 255."""
    offset: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one picture: (height, width), or (height, width, 3)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    @property
    def size(self) -> int:
        """How many numbers one picture holds."""
        return self.height * self.width * self.channels

    def normalize(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pixels (any shape, uint8) as the real numbers of the model's input, float32."""
        return pixels.astype(np.float32) * np.float32(self.scale) + np.float32(self.offset)

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return self._asdict()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`; unknown keys (of a newer writer) are refused by name, and so is what cannot be."""
        unknown = set(data) - set(cls._fields)
        if unknown:
            raise InputError(f"preprocessing has unknown keys {sorted(unknown)}: update edgepress")
        contract = cls(**data)
        contract._check()
        return contract

    def _check(self) -> None:
        if self.channels not in (1, 3) or self.height < 1 or self.width < 1:
            raise InputError(
                f"a picture of {self.height} x {self.width} x {self.channels}: sizes are at least 1, channels 1 or 3"
            )
        for name, value, allowed in (("fit", self.fit, _FITS), ("polarity", self.polarity, _POLARITIES)):
            if value not in allowed:
                raise InputError(f"preprocessing {name} {value!r}: allowed are {', '.join(allowed)}")
        if not (np.isfinite(self.scale) and self.scale > 0 and np.isfinite(self.offset)):
            raise InputError(f"preprocessing scale {self.scale}, offset {self.offset}: finite, scale above 0")
