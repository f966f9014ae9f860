"""Where a fit is: saved whole after each epoch, so that a killed run goes on and ends with the same weights."""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.files import write_file

__all__ = ["Checkpoint", "FitState"]


@dataclass
class FitState:
    """Everything that the next epoch depends on besides its number. Arrays are in the order of the variables."""

    weights: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]
    best: list[NDArray[Any]]
    """The weights of the best epoch so far; empty before there is one."""
    epochs: list[dict[str, Any]]
    """One record an epoch: losses, accuracies, rate, seconds."""
    best_epoch: int | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a `FitState` of one certain fit."""

    path: Path
    fingerprint: str
    """Digest of all that decides the fit; the state of another fit is not taken."""

    def save(self, state: FitState) -> None:
        """Write the file whole or not at all."""
        arrays = {
            f"{group}/{index:05d}": array
            for group in ("weights", "optimizer", "best")
            for index, array in enumerate(getattr(state, group))
        }
        note = {"fingerprint": self.fingerprint, "epochs": state.epochs, "best_epoch": state.best_epoch}
        buffer = io.BytesIO()
        np.savez(buffer, note=np.array(json.dumps(note)), **arrays)
        write_file(self.path, buffer.getvalue())

    def load(self) -> FitState | None:
        """The state of this fit, or None where the file is absent, unreadable or another fit's."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                note = json.loads(str(file["note"]))
                if note.pop("fingerprint") != self.fingerprint:
                    return None
                groups: dict[str, list[NDArray[Any]]] = {"weights": [], "optimizer": [], "best": []}
                for name in sorted(set(file.files) - {"note"}):
                    groups[name.partition("/")[0]].append(file[name])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return FitState(**groups, epochs=note["epochs"], best_epoch=note["best_epoch"])

    def remove(self) -> None:
        """Forget it; there need not be one."""
        self.path.unlink(missing_ok=True)
