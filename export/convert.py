"""From one Keras model to the files of its variants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgepress.base.files import write_file
from edgepress.runtime import EdgepressError
from edgepress.runtime.bundle.embedded import Embedded

from .errors import ConversionError, first_line
from .materials import Materials
from .samples import Samples
from .source import Source
from .tflite.convert import Conversions
from .variants import VARIANTS, Variant

__all__ = ["Converter"]


class Converter:
    """Makes one model's files; what two variants share is made once."""

    def __init__(
        self,
        source: Source,
        calibration: Samples,
        held_back: Samples,
        embedded: Embedded,
        variants: Sequence[Variant] = (),
    ) -> None:
        """`variants` are those that will be asked for, in any order: their conversions share a process."""
        self._source = source
        self._calibration = calibration
        self._held_back = held_back
        self._embedded = embedded
        needed = [settings for variant in variants if (settings := _first(variant).settings)]
        self.conversions = Conversions(source, calibration, needed)
        """The model in TensorFlow's converter; `convert_all` takes those of several models."""
        self._made: dict[str, bytes] = {}
        self.record: dict[str, Any] = {}
        """What makers measured and chose, for the manifest."""

    def soonest_first(self, variants: Sequence[Variant]) -> list[Variant]:
        """Variants in the order in which what they are made from is there."""
        order = {settings: place for place, settings in enumerate(self.conversions.wanted)}
        firsts = {variant.key: _first(variant).settings for variant in variants}
        return sorted(
            variants, key=lambda variant: order[settings] if (settings := firsts[variant.key]) else len(order)
        )

    def write(self, variant: Variant, folder: Path) -> Path:
        """Convert to one variant.

        Raises:
            ConversionError: The converter refuses, in its own words.
        """
        try:
            content = self._content(variant)
        except EdgepressError:
            raise
        except Exception as error:  # Converters raise whatever their libraries do.
            raise ConversionError(f"{variant.format} conversion: {first_line(error)}") from error
        path = folder / variant.file(self._source.name)
        write_file(path, content)
        return path

    def _content(self, variant: Variant) -> bytes:
        if variant.key not in self._made:
            base = self._content(VARIANTS[variant.base]) if variant.base else b""
            materials = Materials(
                self._source,
                self._calibration,
                self._held_back,
                variant,
                self.conversions,
                self._embedded.task,
                base,
                self._embedded,
                self.record,
            )
            self._made[variant.key] = variant.maker(materials)
        return self._made[variant.key]


def _first(variant: Variant) -> Variant:
    """The variant that it is made from in the end."""
    while variant.base:
        variant = VARIANTS[variant.base]
    return variant
