"""One row of the study with one seed: a float model, what is pressed of it, and what their int8 files answer."""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require

from .rows import Row

__all__ = ["ROUNDED", "data_of", "float_of", "make", "rightness"]

ROUNDED = "rounded"
"""The float model's own file, rounded after training, beside `pressed`."""
_VARIANT = "tflite:int8"
_FOUR_BITS = "tflite:dynamic-int4"


def make(row: Row, seed: int, folder: Path) -> dict[str, Any]:
    """Train, press and export a row; its figures.

    Args:
        row: What is asked for.
        seed: Of every draw.
        folder: Where the pressed model and the bundle go. The float model goes beside it: rows share theirs.
    """
    from edgepress.export import export
    from edgepress.runtime import load
    from edgepress.train import TrainConfig, open_keras, press_model
    from edgepress.train.fitting.feed import predictor

    dataset = data_of(row)
    fitted = TrainConfig(**{**row.fitted, **row.network, "seed": seed})
    baseline = float_of(row, dataset, fitted, folder)
    config = dataclasses.replace(fitted, **row.asked, engine=row.engine)
    pressed = press_model(dataset, baseline.path, config, folder / "pressed.keras")
    variant = _FOUR_BITS if config.weight_bits == 4 else _VARIANT
    # What the file costs is what is asked here: it is not withheld for that.
    made = export(
        {ROUNDED: baseline.path, "pressed": pressed.path}, dataset, folder / "bundle", variants=[variant],
        overwrite=True, bounds={variant: 100.0}, accept_chance=True, seed=seed,
    )  # fmt: skip
    made.raise_if_withheld()
    files = {each.model: folder / "bundle" / each.file for each in made.manifest.artifacts}
    model = open_keras(baseline.path).model
    held, right = dataset.x_test, {}
    contract = next(iter(made.manifest.keras_contract.inputs.values()))
    reals = held if contract.dtype == "uint8" else contract.normalize(held)
    right["float"] = predictor(model, contract)(reals).argmax(axis=1) == dataset.y_test
    for name, file in files.items():
        with load(file) as runtime:
            right[name] = np.asarray(runtime.predict(held).probabilities).argmax(axis=1) == dataset.y_test
    return {
        "right": {name: np.packbits(each).tobytes().hex() for name, each in right.items()},
        "examples": len(held),
        "bytes": files["pressed"].stat().st_size,
        "multiply_adds": pressed.history.fits.get("structured", {}).get("multiply_adds"),
        **_kept(open_keras(pressed.path).model, files["pressed"].read_bytes()),
    }


def rightness(result: dict[str, Any], name: str) -> NDArray[np.bool_]:
    """Which test examples `float`, `rounded` or `pressed` named rightly. Shape (n,)."""
    packed = np.frombuffer(bytes.fromhex(result["right"][name]), np.uint8)
    return np.unpackbits(packed, count=result["examples"]).astype(bool)


def data_of(row: Row) -> Any:
    """The row's data set; its first training examples where only so many are asked for."""
    from edgepress.data import load_dataset

    place = Path(os.environ.get("EDGEPRESS_DATA_DIR", ".")) / row.data
    dataset = load_dataset(place if place.suffix else row.data, seconds=row.seconds)
    return dataclasses.replace(dataset, train=dataset.train[: row.examples]) if row.examples else dataset


def float_of(row: Row, dataset: Any, config: Any, folder: Path) -> Any:
    """The float model: fitted by the first row that asks for it, or a trained file as it is."""
    from edgepress.train import adopt_baseline, train_baseline

    asked = repr((row.data, row.model, row.seconds, row.examples, sorted(dataclasses.asdict(config).items())))
    place = folder.parent / "floats" / hashlib.sha256(asked.encode()).hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    path = place / "float.keras"
    if isinstance(row.model, str) and not row.network:
        file = Path(os.environ.get("EDGEPRESS_DATA_DIR", ".")) / row.model
        return adopt_baseline(dataset, config, file, path, input=row.input)
    start = None
    if not isinstance(row.model, str):
        start = place / "start.keras"
        if not start.exists():
            require("keras", extra="toolkit").utils.set_random_seed(config.seed)
            row.model().save(start)
    return train_baseline(dataset, config, path, model=start)


def _kept(model: Any, content: bytes) -> dict[str, Any]:
    """Zeros and distinct values of a pressed model's kernels, and of its file's."""
    from edgepress.runtime.formats.tflite_file import read_tflite
    from edgepress.train.compress.engine.kernels import kernels_of
    from edgepress.train.keras_file import inside

    kernels = [kernel.variable.numpy() for kernel in kernels_of(inside(model))]
    stored = [
        tensor.values()
        for _, tensor in read_tflite(content).constants()
        if len(tensor.shape) >= 2 and tensor.dtype in ("int8", "int4") and len(tensor.scales) > 0
    ]
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
    return {
        "zeros": zeros / sum(kernel.size for kernel in kernels),
        "zeros_in_file": [zeros, sum(int((values == 0).sum()) for values in stored)],
        "values": max(len(np.unique(kernel)) for kernel in kernels),
        "values_in_file": max((len(np.unique(values)) for values in stored), default=0),
    }
