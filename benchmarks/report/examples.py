"""Examples that show a difference, small enough to travel inside the report."""

import base64
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.contract import Features, Input

from ..question import Question
from ..statistics.metrics import Answers
from ..values import Example, Flips, Row
from .png import encode_png
from .waves import waves_of

__all__ = ["list_examples", "show_examples"]

_EXAMPLES = 16
_PIECE = 1_000
_NUMBERS = 6
"""Of an example that is no picture."""
_COLUMNS = 12
"""Of a row of a table."""


def list_examples(row: Answers, base: Answers, truth: NDArray[np.int64]) -> tuple[Flips, tuple[Example, ...]]:
    """Images that show the difference: where only one of the two is right, and the row's most certain mistakes."""
    row_right, base_right = row.labels == truth, base.labels == truth
    wrong = np.flatnonzero(~row_right)
    certain = wrong[np.argsort(-_highest(row, wrong), kind="stable")]

    def entries(indices: NDArray[np.int64]) -> tuple[Example, ...]:
        return tuple(
            Example(
                image=int(i),
                said=int(row.labels[i]),
                float_said=int(base.labels[i]),
                probability=float(row.probabilities[i].max()) if row.valid[i] else 0.0,
            )
            for i in indices[:_EXAMPLES]
        )

    flips = Flips(
        only_float_right=entries(np.flatnonzero(base_right & ~row_right)),
        only_row_right=entries(np.flatnonzero(row_right & ~base_right)),
    )
    return flips, entries(certain)


def _highest(row: Answers, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each one's highest probability, a piece at a time: of many classes they lie on disk."""
    pieces = [row.probabilities[indices[i : i + _PIECE]].max(axis=1) for i in range(0, len(indices), _PIECE)]
    return np.concatenate(pieces).astype(np.float64) if pieces else np.zeros(0)


def show_examples(rows: Sequence[Row], question: Question) -> dict[str, Any]:
    """Every example that a row names, by index: its class where there are classes, and its pixels as a PNG in base64
    or its input in short, with the waves of a signal or a recording and the cells of a table's row."""
    groups = [row.mistakes or () for row in rows]
    groups += [group for row in rows if row.flips for group in (row.flips.only_float_right, row.flips.only_row_right)]
    wanted = {entry.image for group in groups for entry in group}
    wanted |= {entry.example for row in rows for entry in row.told or ()}
    classes = question.truth if question.task.classifies else None
    return {
        str(i): ({} if classes is None else {"label": int(classes[i])}) | _shown(question, i) for i in sorted(wanted)
    }


def _shown(question: Question, index: int) -> dict[str, Any]:
    if question.pictures is not None:
        return {"png": base64.b64encode(encode_png(question.pictures[index])).decode("ascii")}
    inputs, contracts = question.examples.inputs, question.contract or {}
    parts = [_in_short(values[index], contracts.get(name)) for name, values in inputs.items()]
    names = [f"{name}: " if len(parts) > 1 else "" for name in inputs]
    shown: dict[str, Any] = {"text": "; ".join(name + part for name, part in zip(names, parts, strict=True))}
    if waves := [wave for name, values in inputs.items() for wave in waves_of(values[index], contracts.get(name))]:
        shown["waves"] = waves
    if cells := [cell for name, values in inputs.items() for cell in _cells(values[index], contracts.get(name))]:
        shown["cells"] = cells
    return shown


def _cells(values: NDArray[Any], contract: Input | None) -> list[list[str]]:
    """A table row's first columns, name and value each, as people wrote them; empty for what is no row."""
    if not isinstance(contract, Features):
        return []
    flat = np.asarray(values).ravel()
    names = contract.expanded if len(contract.expanded) == len(flat) else [f"x{i}" for i in range(len(flat))]
    texts = {} if contract.one_hot else contract.categories
    return [
        [name, texts[name][int(value)] if name in texts and 0 <= value < len(texts[name]) else f"{value:.4g}"]
        for name, value in zip(names[:_COLUMNS], flat, strict=False)
    ]


def _in_short(values: NDArray[Any], contract: Input | None) -> str:
    """A few of an example's numbers, with the names of its columns where it has some."""
    flat = np.asarray(values).ravel()
    names = contract.expanded if isinstance(contract, Features) and len(contract.expanded) == len(flat) else ()
    shown = [
        (f"{name} " if name else "") + f"{value:.4g}" for name, value in zip_longest(names[:_NUMBERS], flat[:_NUMBERS])
    ]
    rest = "" if values.ndim < 2 and len(flat) <= _NUMBERS else f", ... {'x'.join(map(str, values.shape))}"
    return ", ".join(shown) + rest
