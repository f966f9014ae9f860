"""How long finished presses took, from their run folders.

python -m edgepress.benchmarks.studies.page.run_times runs/mnist-quick-1 runs/mnist-default-1 |
    python -m edgepress.benchmarks.studies.page.figures docs/install.md run-times -
"""

import json
import sys
from pathlib import Path
from typing import Any

from edgepress.base.tables import markdown_table
from edgepress.runtime import InputError

from ...report.write import read_report

__all__ = ["read_note", "run_time"]


def read_note(run: Path) -> dict[str, Any]:
    """A finished press' own record.

    Raises:
        InputError: No folder of one.
    """
    try:
        note: dict[str, Any] = json.loads((run / "run.json").read_text())
        note["seconds"], note["preset"]  # what only a finished press has
    except (OSError, ValueError, KeyError):
        raise InputError(f"{run}: the folder of a finished press is allowed") from None
    return note


def run_time(run: Path) -> list[str]:
    """What a press took and where, the cells of one row of a table.

    Raises:
        InputError: No finished press, or one that was interrupted and only timed from there on.
    """
    note = read_note(run)
    if note["resumed"]:
        raise InputError(f"{run} was interrupted, so that its time is not known: press into a new folder")
    report = read_report(run / "bundle" / "report" / "report.json")
    processor, day = report.machine["processor"], report.created[:10]
    return [note["preset"], note["dataset"], str(round(note["seconds"])), processor, day]


def _main() -> None:
    rows = [run_time(Path(run)) for run in sys.argv[1:]]
    print("\n".join(markdown_table(("preset", "data", "seconds", "processor", "on"), rows, columns="llrll")))


if __name__ == "__main__":
    _main()
