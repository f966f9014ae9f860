"""Features: rows of a table, one number a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from edgepress.base.errors import InputError

from .scaling import as_numbers, check_statistics, standardize, statistics

__all__ = ["MISSING", "Features"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))
"""Texts that stand for a missing value, in any case and with spaces around them: what pandas takes for one, and `?`."""
_TRUTH = {"false": 0.0, "true": 1.0}


class Features(NamedTuple):
    """real = (number - mean) / std, column by column."""

    columns: tuple[str, ...]
    """Names, in the model's order."""
    units: tuple[str, ...] = ()
    """Of each column, where they are known; empty otherwise."""
    categories: Mapping[str, tuple[str, ...]] = {}
    """Column to the texts it may hold: each stands for its place, from 0, or for a number of its own (`one_hot`)."""
    missing: Mapping[str, float] = {}
    """Column to what a missing value (None, NaN, an empty text) becomes; a column that is not here must have one."""
    mean: tuple[float, ...] = ()
    """Of each number (`expanded`); empty where the model takes the numbers as they are."""
    std: tuple[float, ...] = ()
    one_hot: bool = False
    """Whether a column of categories is one number a category: 1 for the one that is there, 0 for the others."""

    @property
    def kind(self) -> str:
        """As the manifest names it."""
        return "features"

    @property
    def expanded(self) -> tuple[str, ...]:
        """Names of the numbers in the model's order: the columns, and `city=Paris` for a category of its own."""
        names: list[str] = []
        for column in self.columns:
            alone = self.one_hot and column in self.categories
            names += [f"{column}={text}" for text in self.categories[column]] if alone else [column]
        return tuple(names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row: (numbers,)."""
        return (self.size,)

    @property
    def size(self) -> int:
        """How many numbers a row has."""
        return len(self.expanded)

    @property
    def dtype(self) -> str:
        """NumPy name of what people's arrays hold."""
        return "float32"

    def numbers(self, values: Any) -> NDArray[np.float64]:
        """Rows as numbers in the order of `expanded`, before they are centred and scaled. Shape (n, numbers).

        Args:
            values: An array (n, numbers) or (numbers,); or mappings by column name, one or a list of them.

        Raises:
            InputError: A column that is missing or unknown, a text that is no category, NaN.
        """
        if isinstance(values, Mapping):
            values = [values]
        if isinstance(values, list | tuple) and values and isinstance(values[0], Mapping):
            values = [[number for column in self.columns for number in self._numbers(row, column)] for row in values]
        return as_numbers(values, self.shape, "features")

    def normalize(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Rows of numbers (n, numbers) as the real numbers of the model's input."""
        return standardize(values, self.mean, self.std)

    def _numbers(self, row: Mapping[str, Any], column: str) -> list[float]:
        number = self._number(row, column)
        if not self.one_hot or column not in self.categories:
            return [number]
        return [float(place == number) for place in range(len(self.categories[column]))]

    def _number(self, row: Mapping[str, Any], column: str) -> float:
        if column not in row and not set(row) <= set(self.columns):
            # Beside names that the model does not know, this one may be misspelt: no stand-in for it.
            unknown = ", ".join(str(name)[:40] for name in row if name not in self.columns)
            raise InputError(
                f"column {column!r} is not there, and {unknown} is: the model takes {', '.join(self.columns)}; leave a "
                "value empty (null) where it is missing"
            )
        value: Any = row.get(column)
        if _is_missing(value):
            if column in self.missing:
                return self.missing[column]
            raise InputError(f"column {column!r} has no value: the model takes {', '.join(self.columns)}")
        if column in self.categories:
            known = self.categories[column]
            if str(value) not in known:
                raise InputError(f"column {column!r} is {str(value)[:40]!r}: allowed are {', '.join(known)}")
            return float(known.index(str(value)))
        if isinstance(value, str) and value.strip().lower() in _TRUTH:
            return _TRUTH[value.strip().lower()]
        try:
            # Python alone takes 1_000, and digits of other scripts, for a number: no snippet and no page does.
            if isinstance(value, str) and ("_" in value or not value.isascii()):
                raise ValueError
            return float(value)
        except (TypeError, ValueError):
            raise InputError(f"column {column!r} is {str(value)[:40]!r}: a number is allowed") from None

    def to_dict(self) -> dict[str, Any]:
        """As the manifest holds it."""
        return {"kind": self.kind, **self._asdict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Features:
        """The inverse of `to_dict`; unknown keys are left out."""
        contract = cls(
            columns=tuple(map(str, data["columns"])),
            units=tuple(map(str, data.get("units", ()))),
            categories={str(key): tuple(map(str, value)) for key, value in data.get("categories", {}).items()},
            missing={str(key): float(value) for key, value in data.get("missing", {}).items()},
            one_hot=bool(data.get("one_hot", False)),
            **statistics(dict(data)),
        )
        contract.check()
        return contract

    def check(self) -> None:
        """Raise InputError for what no row can be."""
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise InputError(f"features {list(self.columns)}: column names are allowed, each once, at least one")
        unknown = sorted({*self.categories, *self.missing} - set(self.columns))
        if unknown or not all(self.categories.values()):
            raise InputError(f"features: categories or missing of {unknown or 'no texts'}: columns are allowed")
        check_statistics("features", self.size, self.mean, self.std)


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    # NaN, which is what pandas has for a missing value, is not equal to itself.
    return value is None or (isinstance(value, float) and value != value)
