"""Inputs whose numbers are of very different size: centred and scaled in the contract, and the model changed to match.

An int8 input has one step for all its numbers. Beside a pressure of 101,325 Pa a share between 0 and 1 is a constant
then. The statistics of the calibration examples go into the contract, which every reader applies in float, and
are folded exactly into the first layers of the model: what goes in has a deviation of 1 in every column.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.contract import Contract, Features, Signal
from edgepress.train import CannotFoldError, Change, fold_change, own_change

from .fidelity.judge import sqnr_db
from .question import Asked, answers_of
from .samples import samples_of

__all__ = ["blamed", "standardized"]

logger = logging.getLogger(__name__)

_MOST_SPANS = 32.0
"""Spread of all numbers over the deviation of the narrowest column, from which on 256 steps leave it eight or fewer a
deviation. Columns with a deviation of 1 each come to about 8."""
_EXACT_DB = 84.0
"""What the changed model must reach against the original on the calibration examples: both compute in float32."""


class _Size(NamedTuple):
    """How an input's columns compare."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    """1 where a column never changes."""
    ratio: float
    """What one step of all must cover, in deviations of the narrowest column."""
    widest: int
    narrowest: int
    span: float
    """Of the widest column, 0 included, as a scale of integers has it."""


def standardized(asked: Sequence[Asked]) -> list[Asked]:
    """The models of one bundle, with inputs of very different size centred and scaled, where that can be folded.

    All of them or none: a bundle has one contract. The statistics are those of the default model's examples. Models
    that bring ranges of their own (quantization-aware training), and anomaly detectors, whose score compares what goes
    in with what comes out, stay as they are.
    """
    default = asked[-1]
    sizes = _sizes(default)
    if not sizes or any(
        each.source.quantized is not None or each.source.ranges or each.task.traits.reconstructs for each in asked
    ):
        return list(asked)
    try:
        names = list(default.contract.inputs)
        changes = {
            place: (size, own_change(default.source.model, names[place]) or Change(size.mean, size.std))
            for place, size in sizes.items()
        }
        return [_changed(each, changes) for each in asked]
    except CannotFoldError as error:
        logger.warning("inputs of %s are of very different size, and stay so: %s", default.source.name, error)
        return list(asked)


def blamed(asked: Asked) -> str | None:
    """Which input's columns are of very different size, in words; None where there is none."""
    for place, size in _sizes(asked).items():
        name, described = list(asked.contract.inputs.items())[place]
        columns = described.expanded if isinstance(described, Features) else getattr(described, "channels", ())
        wide, narrow = (str(columns[i]) if i < len(columns) else str(i) for i in (size.widest, size.narrowest))
        return (
            f"its input {name} has one step for all numbers, and {wide} spans {size.span:,.6g} beside a deviation of "
            f"{size.std[size.narrowest]:.3g} in {narrow}: centre and scale them before the model's first layer"
        )
    return None


def _sizes(asked: Asked) -> dict[int, _Size]:
    """Of each input of numbers that needs it, by its place among the inputs."""
    found = {}
    for place, (name, described) in enumerate(asked.contract.inputs.items()):
        reals = asked.calibration.inputs[name]
        if isinstance(described, Features | Signal) and reals.dtype.kind == "f":
            size = _size(reals.reshape(-1, described.shape[-1]).astype(np.float64))
            if size is not None:
                found[place] = size
    return found


def _size(rows: NDArray[np.float64]) -> _Size | None:
    low, high = np.minimum(rows.min(axis=0), 0), np.maximum(rows.max(axis=0), 0)
    std = rows.std(axis=0)
    varies = std > 1e-9 * np.maximum(high, -low)
    if not varies.any():
        return None
    mean, std = rows.mean(axis=0), np.where(varies, std, 1.0)
    narrowest = int(np.where(varies, std, np.inf).argmin())
    before = (high.max() - low.min()) / std[narrowest]
    scaled = (rows - mean) / std
    if before <= _MOST_SPANS or np.ptp(scaled) >= before / 2:
        return None
    widest = int((high - low).argmax())
    return _Size(mean, std, float(before), widest, narrowest, float(high[widest] - low[widest]))


def _changed(asked: Asked, changes: dict[int, tuple[_Size, Change]]) -> Asked:
    inputs, named, record = dict(asked.contract.inputs), {}, {}
    for place, (size, change) in changes.items():
        name = list(inputs)[place]
        old: Any = inputs[name]
        named[name] = change
        # What was centred and scaled already is so once more.
        first_mean, first_std = (np.array(old.mean), np.array(old.std)) if old.mean else (0.0, 1.0)
        inputs[name] = old._replace(
            mean=tuple((change.mean * first_std + first_mean).tolist()), std=tuple((change.std * first_std).tolist())
        )
        record[name] = {"mean": list(old.mean), "std": list(old.std), "spans": round(size.ratio, 1)}
    source = asked.source
    model = fold_change(source.model, named)
    contract = Contract(inputs, asked.contract.found)
    calibration = samples_of(model, contract, asked.draw.calibration)
    reference = answers_of(source.model, asked.calibration)
    for (name, given), wanted in zip(answers_of(model, calibration).items(), reference.values(), strict=True):
        if sqnr_db(wanted, given) < _EXACT_DB:
            raise CannotFoldError(f"output {name} would differ: {sqnr_db(wanted, given):.0f} dB")
    logger.info("%s takes %s centred and scaled: the contract says how", source.name, ", ".join(record))
    return replace(
        asked,
        source=replace(source, model=model, standardized=record),
        contract=contract,
        calibration=calibration,
        held_back=samples_of(model, contract, asked.draw.held_back),
    )
