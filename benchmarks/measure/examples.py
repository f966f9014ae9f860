"""Test examples on their way into a process that measures: files of arrays, of which `worker` reads what it needs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        """Write them beside `stem`: one array as people have it as .npy, else an .npy each and a .json with names."""
        files = {name: stem.with_name(f"{stem.name}-{number}.npy") for number, name in enumerate(self.inputs)}
        for name, file in files.items():
            save_npy(file, self.inputs[name])
        if self.only is not None and not self.reals:
            return next(iter(files.values()))
        path = stem.with_name(f"{stem.name}.json")
        told = {"reals": self.reals, "files": {name: str(file) for name, file in files.items()}}
        path.write_text(json.dumps(told))
        return path
