"""What is asked of compression, and when in the course of training."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from edgepress.runtime import InputError

__all__ = ["BITS", "MEASURED", "PATTERNS", "SCOPES", "Scheme"]

PATTERNS = ("polynomial", "constant", "2:4")
SCOPES = ("", "layer", "model")
MEASURED = "measured"
"""Beside them, where there are examples: shares of single layers are found by `sensitivity`."""
BITS = (8, 4, 2)
"""Of integers that a file has."""


@dataclass(frozen=True)
class Scheme:
    """Zeros, shared values and few bits for a model's kernels. All that is asked for holds together: shared values are
    rounded ones, and zeros stay zero.

    Raises:
        InputError: A value outside its range.
    """

    sparsity: float = 0.0
    """Share of the kernels' weights that become zero."""
    pruning: str = "polynomial"
    """How the zeros come: `polynomial` (the share rises as 1 - (1 - t)^3, Zhu and Gupta 2017), `constant` (all at
    once), or `2:4` (two of each four neighbours along the inputs, at once; `sparsity` is not looked at)."""
    scope: str = ""
    """Whether each `layer`'s kernels lose that share, or the `model`'s smallest weights leave wherever they are (Lee et
    al. 2021): small kernels then keep more of theirs. Empty for `model`, or `layer` where whole blocks leave."""
    block: tuple[int, int] = (1, 1)
    """Inputs and outputs of the blocks that are zero together; kernels no larger than a block lose single weights."""
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)
    """Shares of single layers by name, in place of `sparsity`; 0 leaves a layer whole."""
    clusters: int = 0
    """Distinct values that each kernel keeps, zero among them where it has zeros (Han et al. 2016); 0 for any."""
    weight_bits: int = 0
    """8, 4 or 2: whole multiples of one scale, symmetric around zero; 0 for float weights."""
    layer_bits: Mapping[str, int] = field(default_factory=dict)
    """Bits of single layers by name, in place of `weight_bits`; 0 leaves a layer's weights as they are."""
    ramp: float = 0.6
    """Share of the training in which zeros come. Values are shared and rounded from then on."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Scheme":
        """From its fields by name.

        Raises:
            InputError: A field that there is not, or a value outside its range.
        """
        known = [each.name for each in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise InputError(f"compression {unknown[0]}: allowed are {', '.join(known)}")
        return cls(**given)

    def __post_init__(self) -> None:
        for name, holds, allowed in (
            ("sparsity", 0 <= self.sparsity < 1, "from 0 to below 1"),
            ("pruning", self.pruning in PATTERNS, f"one of {', '.join(PATTERNS)}"),
            ("scope", self.scope in SCOPES, f"one of {', '.join(SCOPES[1:])}"),
            ("scope", self.scope != "model" or tuple(self.block) == (1, 1), "layer where whole blocks leave"),
            ("block", len(self.block) == 2 and min(self.block) >= 1, "two whole numbers from 1"),
            ("layer_sparsity", all(0 <= each < 1 for each in self.layer_sparsity.values()), "from 0 to below 1"),
            ("clusters", self.clusters == 0 or 3 <= self.clusters <= 256, "0, or from 3 to 256"),
            ("weight_bits", self.weight_bits in (0, *BITS), "8, 4, 2, or 0 for float weights"),
            ("weight_bits", self.weight_bits in (0, 8) or not self.clusters, "8 or 0 where values are shared"),
            ("layer_bits", {*self.layer_bits.values()} <= {0, *BITS}, "8, 4, 2, or 0 for each layer"),
            ("layer_bits", not (self.layer_bits and self.clusters), "none where values are shared"),
            ("ramp", 0 <= self.ramp < 1, "from 0 to below 1"),
        ):
            if not holds:
                raise InputError(f"compression {name} {getattr(self, name)!r}: allowed is {allowed}")

    @property
    def rest(self) -> float:
        """The part of the training from which on nothing is chosen anew: the model learns to do with what it has."""
        return (1 + (self.ramp if self.prunes else 0.0)) / 2

    @property
    def everywhere(self) -> bool:
        """Whether the smallest weights of the whole model leave."""
        return self.scope == "model" or (not self.scope and tuple(self.block) == (1, 1))

    @property
    def prunes(self) -> bool:
        """Whether zeros are asked for."""
        return bool(self.sparsity or any(self.layer_sparsity.values()) or self.pruning == "2:4")

    def share_of(self, layer: str) -> float:
        """The zeros that are asked for in a layer by itself."""
        return self.layer_sparsity.get(layer, self.sparsity)

    def bits_of(self, layer: str) -> int:
        """Of the weights of a layer's kernels; 0 for float ones."""
        return self.layer_bits.get(layer, self.weight_bits)

    def share(self, progress: float) -> float:
        """The part of the final zeros that is there when that part of the training, 0 to 1, is over."""
        if self.pruning != "polynomial" or progress >= self.ramp:
            return 1.0
        return 1 - (1 - progress / self.ramp) ** 3

    def settled(self, progress: float) -> bool:
        """Whether all zeros are there, and values are shared and rounded from now on."""
        return progress >= self.ramp or not self.prunes
