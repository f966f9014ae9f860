"""What a training run is told: one frozen value that checks itself, and the presets."""

import dataclasses
import tomllib
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgepress.runtime import InputError

__all__ = ["PRESETS", "TrainConfig"]

PRESETS = ("quick", "default")


@dataclass(frozen=True)
class TrainConfig:
    """Everything besides the data that decides the weights: the same config and data end with the same ones.

    Raises:
        InputError: A value outside its range.
    """

    widths: tuple[int, ...] = (128, 64)
    """Units of each hidden layer."""
    dropout: float = 0.1
    """Share of the hidden units that each training step leaves out."""
    epochs: int = 30
    """Longest fit of the float baseline, in passes over the training images."""
    prune_epochs: int = 20
    quantize_epochs: int = 8
    patience: int = 10
    """Epochs without a better validation accuracy after which a fit stops; the best weights are kept."""
    batch_size: int = 128
    """Largest batch; few training images get smaller ones, so that an epoch still has steps enough."""
    learning_rate: float = 2e-3
    """Highest rate of the baseline fit (Adam); it falls to zero along a half cosine."""
    prune_learning_rate: float = 2e-3
    quantize_learning_rate: float = 5e-4
    sparsity: float = 0.8
    """Share of each layer's kernel that pruning sets to zero."""
    shift: int = 1
    """Training images are moved by up to this many pixels each way, anew each epoch."""
    distill: float = 0.5
    """Share of the float model's own answers in the targets of pruning and quantization-aware training; the rest is
    the label (Hinton et al. 2015, temperature 1)."""
    validation_share: float = 1 / 12
    """Share of the training images held back for every choice."""
    seed: int = 0

    def __post_init__(self) -> None:
        # TOML and JSON have lists only.
        object.__setattr__(self, "widths", tuple(self.widths))
        self._require("widths", all(type(w) is int and w >= 1 for w in self.widths), "whole numbers from 1")
        for name in ("epochs", "patience", "batch_size"):
            self._require(name, type(getattr(self, name)) is int and getattr(self, name) >= 1, "a whole number from 1")
        for name in ("prune_epochs", "quantize_epochs", "shift", "seed"):
            self._require(name, type(getattr(self, name)) is int and getattr(self, name) >= 0, "a whole number from 0")
        for name in ("learning_rate", "prune_learning_rate", "quantize_learning_rate"):
            self._require(name, 0 < getattr(self, name) < 1, "above 0 and below 1")
        for name in ("dropout", "sparsity"):
            self._require(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        self._require("distill", 0 <= self.distill <= 1, "from 0 to 1")
        self._require("validation_share", 0 < self.validation_share < 1, "above 0 and below 1")

    def _require(self, name: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise InputError(f"training {name} {getattr(self, name)!r}: allowed is {allowed}")

    def to_dict(self) -> dict[str, Any]:
        """As history files and presets hold it."""
        return asdict(self) | {"widths": list(self.widths)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "TrainConfig":
        """The inverse of `to_dict`; absent keys take their defaults, unknown ones are refused by name."""
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(data) - known)
        if unknown:
            raise InputError(f"training config has unknown keys {unknown}: allowed are {', '.join(sorted(known))}")
        try:
            return cls(**data)
        except TypeError as error:
            raise InputError(f"training config: {error}: numbers are allowed") from None

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "TrainConfig":
        """A preset by name (`quick`, `default`), or the path of a TOML file, with single values changed.

        Raises:
            InputError: No such preset or file, or not TOML.
        """
        try:
            if name in PRESETS:
                text = (files(__package__) / "presets" / f"{name}.toml").read_text()
            else:
                text = Path(name).read_text()
            return dataclasses.replace(cls.from_dict(tomllib.loads(text)), **changes)
        except FileNotFoundError:
            raise InputError(
                f"no preset {name!r}: allowed are {', '.join(PRESETS)} or the path of a TOML file"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"preset {name}: {error}: a readable TOML file is allowed") from None
