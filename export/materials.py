"""What the maker of a variant works with."""

from dataclasses import dataclass, field
from typing import Any

from edgepress.runtime.bundle.embedded import Embedded
from edgepress.runtime.tasks import Task

from .samples import Samples
from .source import Source
from .tflite.convert import Conversions
from .variants import Variant

__all__ = ["Materials"]


@dataclass(frozen=True, eq=False)
class Materials:
    """One model and the data for it, as `Variant.maker` takes them."""

    source: Source
    calibration: Samples
    """For the ranges of activations; `clipped` for those of 8 bits."""
    held_back: Samples
    """Training data that the weights were not fitted to: for sensitivities and bounds."""
    variant: Variant
    conversions: Conversions
    """The model in TensorFlow's converter."""
    task: Task
    """By what bounds are judged."""
    base: bytes = b""
    """The finished file of the variant that it is made from."""
    embedded: Embedded | None = None
    """Labels, preprocessing and the output's meaning, for files that are finished by their maker."""
    record: dict[str, Any] = field(default_factory=dict)
    """What the maker wants the manifest to say of this model; it adds keys."""

    @property
    def clipped(self) -> Samples:
        """The calibration samples as they are where inputs are cut off (`Source.clipped`)."""
        return self.calibration.clipped({name: (clip.low, clip.high) for name, clip in self.source.clipped.items()})
