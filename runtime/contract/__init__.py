"""What goes into a model: one file a kind of input.

Export writes the contract once; runtime, benchmarks, server, page and snippets obey it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from edgepress.base.errors import InputError

from .audio import Audio
from .features import Features
from .picture import NORMALIZATIONS, Picture
from .signal import Signal
from .tensor import Tensor

__all__ = ["KINDS", "NORMALIZATIONS", "Audio", "Contract", "Features", "Input", "Picture", "Signal", "Tensor"]

Input = Picture | Features | Signal | Audio | Tensor
"""How one input's numbers are made from what people have."""

KINDS: dict[str, type[Picture] | type[Features] | type[Signal] | type[Audio] | type[Tensor]] = {
    "picture": Picture,
    "features": Features,
    "signal": Signal,
    "audio": Audio,
    "tensor": Tensor,
}


class Contract(NamedTuple):
    """All inputs of a model."""

    inputs: Mapping[str, Input]
    """By the input's name, in the model's order."""
    found: Mapping[str, Any] = {}
    """How it was found: `by` (stated, model, data, tried, training), in words under `why`, and what was tried."""

    @property
    def only(self) -> Input | None:
        """The one input; None where there are several."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else None

    @property
    def picture(self) -> Picture | None:
        """The one input, where it is a picture."""
        return self.only if isinstance(self.only, Picture) else None

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        inputs = [{"name": name, **each.to_dict()} for name, each in self.inputs.items()]
        return {"inputs": inputs} | ({"found": dict(self.found)} if self.found else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Contract:
        """The inverse of `to_dict`.

        Raises:
            InputError: A kind that this edgepress does not know, or values that no input can have.
            KeyError, TypeError, ValueError: No contract at all.
        """
        inputs: dict[str, Input] = {}
        for each in data["inputs"]:
            if each["kind"] not in KINDS:
                raise InputError(f"input kind {each['kind']!r}: this edgepress knows {', '.join(KINDS)}; update it")
            inputs[str(each["name"])] = KINDS[each["kind"]].from_dict(each)
        return cls(inputs, dict(data.get("found", {})))
