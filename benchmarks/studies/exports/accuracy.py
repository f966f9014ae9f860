"""What fewer bits cost: each file of a bundle against the same weights in float32, on the whole test set.

    edgepress train --model runs/mnist-default-1/float.keras --weight-bits 4 --out runs/mnist-default-1/four.keras
    edgepress export --variant float32 --variant int8 --variant mixed --variant int4 --variant dynamic-int4 \\
        --out runs/mnist-default-1/bits runs/mnist-default-1/{four,pressed}.keras
    python -m edgepress.benchmarks.studies.exports.accuracy runs/mnist-default-1/bits |
        python -m edgepress.benchmarks.studies.page.figures docs/export.md export-accuracy -

Targets: int8 within 0.10 points of float32, int4 that was trained for it (the model called `four`) within 0.5; every
file at most its weights and 12 KB. Discordant pairs are the images that just one of the two files answers rightly. Exit
status 1: a target is missed.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.tables import markdown_table
from edgepress.data import Dataset, load_dataset
from edgepress.export import describe
from edgepress.runtime import Artifact, Manifest
from edgepress.runtime.conformance.trial import run_trial

from ...statistics.intervals import Pairs, mcnemar_exact

__all__ = ["Row", "compare_with_float32"]

_POINTS = {"int8": 0.10, "int4": 0.50}
_TRAINED_FOR = {"int4": "four"}
_OVERHEAD = 12_000
_BACKENDS = {"tflite": "litert", "onnx": "onnxruntime"}


class Row(NamedTuple):
    """One file."""

    artifact: Artifact
    overhead: int
    """Bytes beyond its weights: graph, names, labels, metadata."""
    pairs: Pairs
    """Against the float32 file of its model and format."""

    @property
    def points(self) -> float:
        """Accuracy difference in percentage points."""
        return 100 * self.pairs.difference

    @property
    def target_points(self) -> float | None:
        """How many points it may lose; None where nothing was promised."""
        promised = _TRAINED_FOR.get(self.artifact.variant, self.artifact.model) == self.artifact.model
        return _POINTS.get(self.artifact.variant) if promised else None

    @property
    def met(self) -> bool:
        """Whether it keeps both targets."""
        target = self.target_points
        return self.overhead <= _OVERHEAD and (target is None or self.points >= -target)


def compare_with_float32(bundle: Path, data: Dataset) -> Iterator[Row]:
    """Every file of the bundle whose model and format is there in float32, in LiteRT or onnxruntime as they start."""
    manifest = Manifest.read(bundle)
    right: dict[str, NDArray[np.bool_]] = {}
    for format, backend in _BACKENDS.items():
        files = [artifact.file for artifact in manifest.artifacts if artifact.format == format]
        answers = run_trial(bundle, files, data.x_test, backend=backend, delegate=True)
        for file, answer in answers.items():
            if not isinstance(answer.output, np.ndarray):
                raise RuntimeError(f"{file}: {answer.refused or answer.killed}")
            right[file] = answer.output.argmax(axis=1) == data.y_test
    for artifact in manifest.artifacts:
        base = f"{artifact.model}-float32.{artifact.format}"
        if base in right:
            overhead = artifact.bytes - describe(bundle / artifact.file).weight_bytes
            yield Row(artifact, overhead, Pairs.count(right[base], right[artifact.file]))


def _table(rows: list[Row], data: Dataset) -> Iterator[str]:
    yield f"{len(data.x_test):,} test images of {data.name}."
    yield ""
    head = (
        "file", "bytes", "beyond weights", "accuracy %", "points", "target", "only float32 right", "only it", "p",
        "met",
    )  # fmt: skip
    lines = []
    for row in rows:
        accuracy = 100 * (row.pairs.both_right + row.pairs.only_row_right) / row.pairs.images
        target = "" if row.target_points is None else f"-{row.target_points:.2f}"
        lines.append(
            (
                row.artifact.file, f"{row.artifact.bytes:,}", f"{row.overhead:,}", f"{accuracy:.2f}",
                f"{row.points:+.2f}", target, row.pairs.only_float_right, row.pairs.only_row_right,
                f"{mcnemar_exact(row.pairs):.2g}", "yes" if row.met else "**no**",
            )
        )  # fmt: skip
    yield from markdown_table(head, lines, columns="lrrrrrrrrl")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", default="mnist")
    options = parser.parse_args()
    data = load_dataset(options.data)
    rows = list(compare_with_float32(options.bundle, data))
    print("\n".join(_table(rows, data)))
    print(f"\nWritten by `python -m edgepress.benchmarks.studies.exports.accuracy {' '.join(sys.argv[1:])}`.")
    sys.exit(not all(row.met for row in rows))


if __name__ == "__main__":
    _main()
