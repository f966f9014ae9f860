"""How long finished presses took, from their run folders.

python -m edgepress.benchmarks.studies.run_times runs/mnist-quick-1 runs/mnist-default-1 |
    python -m edgepress.benchmarks.studies.figures README.md run-times -
"""

import json
import sys
from pathlib import Path

from edgepress.runtime import InputError

from ..report import read_report

__all__ = ["run_time"]


def run_time(run: Path) -> str:
    """What a press took and where, as one row of a table.

    Raises:
        InputError: No finished press, or one that was interrupted and only timed from there on.
    """
    try:
        note = json.loads((run / "run.json").read_text())
        seconds, preset = round(note["seconds"]), note["preset"]
    except (OSError, ValueError, KeyError):
        raise InputError(f"{run}: the folder of a finished press is allowed") from None
    if note["resumed"]:
        raise InputError(f"{run} was interrupted, so that its time is not known: press into a new folder")
    report = read_report(run / "bundle" / "report" / "report.json")
    machine = report["machine"]
    return f"| {preset} | {note['dataset']} | {seconds} | {machine['processor']} | {report['created'][:10]} |"


def _main() -> None:
    print("| preset | data | seconds | processor | on |\n| --- | --- | ---: | --- | --- |")
    for run in sys.argv[1:]:
        print(run_time(Path(run)))


if __name__ == "__main__":
    _main()
