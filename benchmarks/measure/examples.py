"""Test examples on their way into a process that measures: a file of arrays, which `worker` reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data.rows import save_npy

__all__ = ["Examples"]


@dataclass(frozen=True, eq=False)
class Examples:
    """What goes into every model that is measured."""

    inputs: Mapping[str, NDArray[Any]]
    """By input name, (n, ...) each; of a single input any name will do."""
    reals: bool = False
    """Whether they are the real numbers of the models' inputs already; as people have them otherwise."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def only(self) -> NDArray[Any] | None:
        """The one input's array; None where there are several."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else None

    def __getitem__(self, index: Any) -> "Examples":
        return Examples({name: values[index] for name, values in self.inputs.items()}, self.reals)

    def write(self, stem: Path) -> Path:
        """Write them beside `stem`: one array as people have it as .npy, which is read on demand, else an .npz."""
        if self.only is not None and not self.reals:
            path = stem.with_suffix(".npy")
            save_npy(path, self.only)
            return path
        path = stem.with_suffix(".npz")
        kind = "reals" if self.reals else "inputs"
        np.savez(path, **{f"{kind}/{name}": values for name, values in self.inputs.items()})  # type: ignore[arg-type]
        return path
