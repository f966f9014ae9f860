"""What a prediction holds, task by task. Arrays are not to be written: predictions may share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

__all__ = ["Anomalies", "LabelSets", "Outputs", "Values"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LabelSets:
    """Which labels each of n examples has (`multilabel`)."""

    __slots__ = ("labels", "probabilities")

    def __init__(self, labels: list[tuple[str, ...]], probabilities: NDArray[np.float32]) -> None:
        self.labels = labels
        """For each example the names of its labels, in the outputs' order."""
        self.probabilities = probabilities
        """Of each label by itself. Shape (n, labels)."""

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"LabelSets(labels={self.labels}, probabilities={self.probabilities})"

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object an example."""
        return [
            {"labels": list(names), "probabilities": row}
            for names, row in zip(self.labels, self.probabilities.tolist(), strict=True)
        ]


class Values:
    """Numbers for each of n examples (`regression`)."""

    __slots__ = ("names", "units", "values")

    def __init__(self, values: NDArray[np.float32], names: tuple[str, ...], units: tuple[str, ...]) -> None:
        self.values = values
        """Shape (n, numbers)."""
        self.names = names
        self.units = units
        """Empty where they are not known."""

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Values(values={self.values}, names={self.names}, units={self.units})"

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object an example."""
        units = {"units": dict(zip(self.names, self.units, strict=True))} if self.units else {}
        return [{"values": dict(zip(self.names, row, strict=True)), **units} for row in self.values.tolist()]


class Anomalies:
    """How far each of n examples is from normal (`anomaly`)."""

    __slots__ = ("normal", "scores")

    def __init__(self, scores: NDArray[np.float32], normal: NDArray[np.bool_]) -> None:
        self.scores = scores
        """Mean squared difference between an example and its reconstruction, (n,), in real numbers of the input."""
        self.normal = normal
        """Whether the score is at most the task's threshold, (n,)."""

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"Anomalies(scores={self.scores}, normal={self.normal})"

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object an example."""
        pairs = zip(self.scores.tolist(), self.normal.tolist(), strict=True)
        return [{"score": score, "normal": normal} for score, normal in pairs]


class Outputs:
    """Arrays by output name, in real numbers (`raw`)."""

    __slots__ = ("outputs",)

    def __init__(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        self.outputs = outputs

    def __len__(self) -> int:
        return len(next(iter(self.outputs.values())))

    def __repr__(self) -> str:
        return f"Outputs({dict(self.outputs)})"

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object an example."""
        return [{name: array[i].tolist() for name, array in self.outputs.items()} for i in range(len(self))]
