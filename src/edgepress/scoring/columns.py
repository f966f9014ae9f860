"""What a model says as the columns of a table, and what the data say is right: one row a kind of prediction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.data import CLASSES, LABELS, NUMBERS, Targets
from edgepress.runtime import Anomalies, LabelSets, Model, Outputs, Prediction, Values
from edgepress.runtime.prediction import UNKNOWN

__all__ = ["answer_columns", "as_plain", "dictionary", "true_columns"]

Columns = dict[str, Any]
"""Name to a pyarrow array."""


def answer_columns(model: Model, prediction: Any) -> Columns:
    """`label`, `probability` and `probability_<label>` (one label an example); `labels` and `probability_<label>`
    (several); `value_<name>` (numbers); `score`, `normal` (anomalies); `output_<name>` (raw: the numbers of each
    example's array in C order)."""
    return _ANSWERS[type(prediction)](model, prediction)


def _one_label(model: Model, prediction: Prediction) -> Columns:
    names = _names(model.labels, prediction.probabilities.shape[1])
    # Index -1 is the name after the last one.
    places = np.where(prediction.indices < 0, len(names), prediction.indices)
    columns = {"label": dictionary(places, [*names, UNKNOWN]), "probability": prediction.probabilities.max(axis=1)}
    return _arrays(columns | _by_name("probability", names, prediction.probabilities))


def _several_labels(model: Model, prediction: LabelSets) -> Columns:
    arrow = require("pyarrow", extra="table")
    names = _names(model.labels, prediction.probabilities.shape[1])
    labels = arrow.array([list(each) for each in prediction.labels], arrow.list_(arrow.string()))
    return _arrays({"labels": labels, **_by_name("probability", names, prediction.probabilities)})


def _numbers(model: Model, prediction: Values) -> Columns:
    return _arrays(_by_name("value", prediction.names, prediction.values))


def _anomalies(model: Model, prediction: Anomalies) -> Columns:
    return _arrays({"score": prediction.scores, "normal": prediction.normal})


def _raw(model: Model, prediction: Outputs) -> Columns:
    arrow = require("pyarrow", extra="table")
    columns: Columns = {}
    for name, values in prediction.outputs.items():
        flat = np.ascontiguousarray(values).reshape(len(values), -1)
        inner = arrow.array(flat.reshape(-1))
        columns[f"output_{name}"] = (
            arrow.FixedSizeListArray.from_arrays(inner, flat.shape[1]) if values.ndim > 1 else inner
        )
    return columns


_ANSWERS: dict[type, Callable[[Model, Any], Columns]] = {
    Prediction: _one_label,
    LabelSets: _several_labels,
    Values: _numbers,
    Anomalies: _anomalies,
    Outputs: _raw,
}


def true_columns(targets: Targets, values: NDArray[Any], names: Sequence[str]) -> Columns:
    """What the data say is right: `true_label`, `true_labels`, or `true_<name>` of each number.

    Args:
        targets: What the values are.
        values: (n,) or (n, k).
        names: Of the classes, labels or numbers, as the model calls them.
    """
    return _TRUTHS[targets.kind](values, names) if targets.kind in _TRUTHS else {}


def _true_label(values: NDArray[Any], names: Sequence[str]) -> Columns:
    return {"true_label": dictionary(values, names)}


def _true_labels(values: NDArray[Any], names: Sequence[str]) -> Columns:
    arrow = require("pyarrow", extra="table")
    rows = [[name for name, yes in zip(names, row, strict=True) if yes] for row in values.tolist()]
    return {"true_labels": arrow.array(rows, arrow.list_(arrow.string()))}


def _true_numbers(values: NDArray[Any], names: Sequence[str]) -> Columns:
    return _arrays(_by_name("true", names, values))


_TRUTHS: dict[str, Callable[[NDArray[Any], Sequence[str]], Columns]] = {
    CLASSES: _true_label,
    LABELS: _true_labels,
    NUMBERS: _true_numbers,
}


def dictionary(places: NDArray[Any], names: Sequence[str]) -> Any:
    """Texts that repeat: an Arrow array of `names[place]`."""
    arrow = require("pyarrow", extra="table")
    return arrow.DictionaryArray.from_arrays(arrow.array(places.astype(np.int32)), arrow.array(names, arrow.string()))


def as_plain(table: Any) -> Any:
    """The same table with nothing that CSV has no cell for: lists become JSON."""
    import json

    arrow = require("pyarrow", extra="table")
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if arrow.types.is_dictionary(column.type):
            column = column.cast(arrow.string())
        elif arrow.types.is_list(column.type) or arrow.types.is_fixed_size_list(column.type):
            texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in column.to_pylist()]
            column = arrow.array(texts, arrow.string())
        columns[name] = column
    return arrow.table(columns)


def _names(labels: Sequence[str] | None, count: int) -> list[str]:
    return list(labels or map(str, range(count)))


def _by_name(prefix: str, names: Sequence[str], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The columns of (n, k) under names that are each there once."""
    found: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(names):
        called = f"{prefix}_{name}"
        found[called if called not in found else f"{called}_{place}"] = np.ascontiguousarray(values[:, place])
    return found


def _arrays(columns: Mapping[str, Any]) -> Columns:
    arrow = require("pyarrow", extra="table")
    return {name: arrow.array(each) if isinstance(each, np.ndarray) else each for name, each in columns.items()}
