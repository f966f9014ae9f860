"""What a model says about what it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["UNKNOWN", "Prediction"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNKNOWN = "unknown"
"""The label below a bundle's threshold."""


class Prediction:
    """What a classifier says about n images. Its arrays are not to be written: predictions may share them."""

    __slots__ = ("indices", "labels", "probabilities")

    def __init__(
        self, labels: NDArray[np.str_], indices: NDArray[np.int64], probabilities: NDArray[np.float32]
    ) -> None:
        self.labels = labels
        """Class names, (n,)."""
        self.indices = indices
        """Class indices, (n,); -1 where the label is "unknown"."""
        self.probabilities = probabilities
        """Shape (n, classes)."""

    def __repr__(self) -> str:
        return f"Prediction(labels={self.labels}, indices={self.indices}, probabilities={self.probabilities})"

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self) -> list[dict[str, Any]]:
        """One JSON object an example."""
        pairs = zip(self.labels.tolist(), self.probabilities.tolist(), strict=True)
        return [{"label": label, "probability": max(row), "probabilities": row} for label, row in pairs]
