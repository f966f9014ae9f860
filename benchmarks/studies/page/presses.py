"""What finished presses ended with, from their run folders.

for model in lenet-300-100 lenet-5; do
    edgepress press --model $model --preset quick --out runs/$model
done
python -m edgepress.benchmarks.studies.page.presses runs/lenet-300-100 runs/lenet-5 |
    python -m edgepress.benchmarks.studies.page.figures docs/train.md presses -
"""

import sys
from pathlib import Path

from edgepress.base.tables import markdown_table
from edgepress.runtime import InputError

from ...report.write import read_report
from .run_times import read_note

__all__ = ["press_row"]

_ARTIFACT = "pressed-int8.tflite"
_TITLES = (
    "model", "preset", "data", "float %", "pressed int8 %", "points [95 %]", "zeros %", "bytes", "xz", "minutes",
)  # fmt: skip


def press_row(run: Path) -> list[str]:
    """The pressed int8 file of one press beside its float model, on the test images, the cells of one row of a table.

    Raises:
        InputError: No finished press, or one that withheld this file.
    """
    note = read_note(run)
    report = read_report(run / "bundle" / "report" / "report.json")
    row = next((row for row in report.rows if row.artifact == _ARTIFACT), None)
    if row is None:
        raise InputError(f"{run}: its bundle has no {_ARTIFACT}; export says why it was withheld")
    if row.scores is None or row.comparison is None or report.baseline.accuracy is None:
        raise InputError(f"{run}: its report has no accuracy; press with labelled images")
    low, high = row.comparison.difference_interval_points
    return [
        note["config"]["model"] or "usual",
        note["preset"],
        note["dataset"],
        f"{100 * report.baseline.accuracy:.2f}",
        f"{100 * row.scores.accuracy:.2f}",
        f"{row.comparison.difference_points:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{100 * row.sparsity:.0f}",
        f"{row.sizes.bytes:,}",
        f"{row.sizes.xz_bytes:,}",
        # A press that was interrupted timed its last part alone.
        "" if note["resumed"] else f"{note['seconds'] / 60:,.0f}",
    ]


def _main() -> None:
    rows = [press_row(Path(run)) for run in sys.argv[1:]]
    print("\n".join(markdown_table(_TITLES, rows, columns="lllr")))


if __name__ == "__main__":
    _main()
