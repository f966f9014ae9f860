"""Pictures: from an image of any size to pixels, and from pixels to the real numbers of the model's input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgepress.base.errors import InputError

__all__ = ["NORMALIZATIONS", "Picture"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHANNELS = {"grey": 1, "rgb": 3, "bgr": 3}
_POLARITIES = ("light-on-dark", "dark-on-light", "as-is")
_FITS = ("mnist", "stretch", "crop", "pad")
_RESAMPLINGS = ("area", "bilinear")
_IMAGENET = (123.675, 116.28, 103.53)

NORMALIZATIONS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    "pixels/255": ("rgb", (0.0,), (255.0,)),
    "pixels/127.5-1": ("rgb", (127.5,), (127.5,)),
    "pixels": ("rgb", (0.0,), (1.0,)),
    "imagenet": ("rgb", _IMAGENET, (58.395, 57.12, 57.375)),
    "caffe": ("bgr", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
}
"""What people call their normalization: the order of colours, mean and standard deviation a channel.

The last two are Keras' `imagenet_utils.preprocess_input`, modes `torch` and `caffe`.
"""


class Picture(NamedTuple):
    """real = (pixel - mean) / std, for pixels 0 to 255 of each channel."""

    height: int
    """Rows of the model's picture."""
    width: int
    """Columns of the model's picture."""
    order: str = "grey"
    """Channels in the model's order: `grey`, `rgb` or `bgr`."""
    fit: str = "mnist"
    """How a picture of any size becomes height x width. `mnist`: the object is located, scaled so that its longer
    side is `box` pixels, and placed with its centre of mass in the middle (LeCun et al., the MNIST database).
    `stretch`: the whole picture is scaled, whatever its proportions. `crop`: its largest middle part of the right
    proportions is scaled. `pad`: the whole is scaled in its own proportions, with black beside it."""
    box: int = 20
    """Longer side of the scaled object in pixels; used by `mnist` alone."""
    polarity: str = "light-on-dark"
    """What the model was trained on. Pictures of the other polarity are inverted; `as-is` leaves them alone."""
    resampling: str = "area"
    """`area`: each pixel is the mean of what it covers. `bilinear`: as Keras' image_dataset_from_directory scales."""
    mean: tuple[float, ...] = (0.0,)
    """Of each channel in `order`, in pixels 0 to 255; one number stands for all."""
    std: tuple[float, ...] = (255.0,)

    @property
    def kind(self) -> str:
        """As the manifest names it."""
        return "picture"

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return _CHANNELS[self.order]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one picture's pixels: (height, width), or (height, width, 3)."""
        return (self.height, self.width) if self.channels == 1 else (self.height, self.width, self.channels)

    @property
    def size(self) -> int:
        """How many numbers one picture holds."""
        return self.height * self.width * self.channels

    @property
    def dtype(self) -> str:
        """NumPy name of what people's arrays hold."""
        return "uint8"

    @property
    def scale(self) -> NDArray[np.float32]:
        """real = pixel * scale + offset. Shape (), or (3,) where the channels differ."""
        return _narrow(1 / np.array(self.std))

    @property
    def offset(self) -> NDArray[np.float32]:
        """See `scale`."""
        return _narrow(-np.array(self.mean) / np.array(self.std))

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest real number that a pixel can become."""
        reals = self.normalize(np.array([[0] * self.channels, [255] * self.channels], np.uint8))
        return float(reals.min()), float(reals.max())

    def normalize(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Pixels (..., height, width[, 3]) as the real numbers of the model's input, float32, same shape.

        Colours come as RGB, whatever order the model takes.
        """
        if self.order == "bgr" and pixels.shape[-1:] == (3,):
            pixels = pixels[..., ::-1]
        reals: NDArray[np.float32] = pixels.astype(np.float32) * self.scale + self.offset
        return reals

    def with_normalization(self, name: str) -> Picture:
        """The same picture under a normalization of `NORMALIZATIONS`.

        Raises:
            InputError: No such name, or one for colours where the picture is grey.
        """
        if name not in NORMALIZATIONS:
            raise InputError(f"input {name!r}: allowed are {', '.join(NORMALIZATIONS)}, or a TOML file")
        order, mean, std = NORMALIZATIONS[name]
        if len(mean) > self.channels:
            raise InputError(f"input {name!r} is for colours, and the pictures are grey: name another, or a TOML file")
        return self._replace(order=order if self.channels > 1 else self.order, mean=mean, std=std)

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"kind": self.kind, **self._asdict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Picture:
        """The inverse of `to_dict`. Reads what schema 1 called preprocessing; unknown keys are left out."""
        known = {key: data[key] for key in cls._fields if key in data}
        if "channels" in data and "order" not in data:
            known["order"] = "grey" if data["channels"] == 1 else "rgb"
        if "scale" in data:
            scale, offset = float(data["scale"]), float(data.get("offset", 0.0))
            if not (np.isfinite(scale) and scale > 0 and np.isfinite(offset)):
                raise InputError(f"preprocessing scale {scale}, offset {offset}: finite, scale above 0")
            known |= {"mean": (-offset / scale + 0.0,), "std": (1 / scale,)}
        if known.get("fit") == "resize":
            known["fit"] = "stretch"
        for name in ("mean", "std"):
            if name in known:
                known[name] = tuple(map(float, known[name]))
        contract = cls(**known)
        contract.check()
        return contract

    def check(self) -> None:
        """Raise InputError for what no picture can be."""
        for name, value, allowed in (
            ("order", self.order, _CHANNELS),
            ("fit", self.fit, _FITS),
            ("polarity", self.polarity, _POLARITIES),
            ("resampling", self.resampling, _RESAMPLINGS),
        ):
            if value not in allowed:
                raise InputError(f"picture {name} {value!r}: allowed are {', '.join(allowed)}")
        if self.height < 1 or self.width < 1:
            raise InputError(f"a picture of {self.height} x {self.width}: sizes are at least 1")
        if len(self.mean) not in (1, self.channels) or len(self.std) not in (1, self.channels):
            raise InputError(
                f"picture mean {self.mean}, std {self.std}: one number is allowed, or one a channel ({self.channels})"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and min(self.std) > 0):
            raise InputError(
                f"picture mean {self.mean}, std {self.std}: finite numbers, std above 0; a model of inverted pictures "
                "needs a first layer for that, such as Rescaling(-1, 255)"
            )


def _narrow(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32, and without an axis where one number stands for all channels."""
    numbers = values.astype(np.float32)
    return numbers[0] if len(numbers) == 1 else numbers
