"""Times of rows that have been made: they want a machine that does nothing else, the other figures do not.

Seconds an epoch are those of short presses, of both engines in turn; latency is that of the pressed file beside the
float model's own int8 file in LiteRT, in alternating rounds.
"""

import dataclasses
import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgepress.base.files import write_file

from .making import ROUNDED, data_of, float_of
from .rows import ROWS

__all__ = ["FILE", "time_row"]

_log = logging.getLogger("edgepress")
FILE = "times.json"
_EPOCHS = 3
_FITS = ("prune_epochs", "cluster_epochs", "quantize_epochs")


def time_row(name: str, folder: Path) -> dict[str, float]:
    """Seconds of an epoch of pressing, and the pressed file's latency as a share of the float model's int8 file.

    Args:
        name: A row whose seed 0 has been made.
        folder: Of that; the figures are kept in it.
    """
    from edgepress.runtime.bundle.manifest import Manifest
    from edgepress.train import TrainConfig, press_model

    kept = folder / FILE
    if kept.exists():
        found: dict[str, float] = json.loads(kept.read_text())
        return found
    row = ROWS[name]
    dataset = data_of(row)
    fitted = TrainConfig(**{**row.fitted, **row.network, "seed": 0})
    baseline = float_of(row, dataset, fitted, folder)
    config = dataclasses.replace(fitted, **row.asked, engine=row.engine)
    short = {fit: min(_EPOCHS, getattr(config, fit)) for fit in _FITS}
    with tempfile.TemporaryDirectory() as place:
        config = dataclasses.replace(config, structured=1.0, **short)
        pressed = press_model(dataset, baseline.path, config, Path(place) / "timed.keras")
    # The first epoch compiles.
    seconds = [epoch["seconds"] for fit in pressed.history.fits.values() for epoch in fit["epochs"][1:]]
    manifest = Manifest.read(folder / "bundle")
    files = {each.model: each.file for each in manifest.artifacts}
    made = {"latency": _latency([files[ROUNDED], files["pressed"]], manifest, folder / "bundle", dataset.x_test)}
    if seconds:
        made["epoch_seconds"] = float(median(seconds))
    write_file(kept, json.dumps(made, indent=2) + "\n")
    return made


def _latency(files: Sequence[str], manifest: Any, bundle: Path, examples: Any) -> float:
    """Median time of one example in LiteRT of the second file, as a share of the first one's; both in turn."""
    from ...measure.speed import PACES, measure_speed
    from ...models.subjects import artifact_order

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "examples.npy"
        np.save(place, examples[:256])
        subjects = [artifact_order(bundle, manifest, file, "litert") for file in files]
        first, second = (
            float(np.median(np.concatenate([part for rounds in row.latency_ns for part in rounds])))
            for row in measure_speed(subjects, place, PACES["quick"])
        )
    return second / first
