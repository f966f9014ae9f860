"""What a budget search found, from the run folder of the press.

edgepress press --max-drop 0.3 --max-bytes 16384 --max-latency-us 20 --out runs/budget
python -m edgepress.benchmarks.studies.search_figures runs/budget |
    python -m edgepress.benchmarks.studies.figures docs/train.md budget -
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from edgepress.runtime import InputError

from ..report import read_report

__all__ = ["search_figures"]

_LIMITS = {"drop_points": "max_drop_points", "bytes": "max_bytes", "latency_us": "max_latency_us"}


def search_figures(run: Path) -> str:
    """The front as a table, what was chosen, and what it took.

    Raises:
        InputError: No folder of a finished search.
    """
    try:
        found = json.loads((run / "search" / "search.json").read_text())
        note = json.loads((run / "run.json").read_text())
    except (OSError, ValueError):
        raise InputError(f"{run}: the run folder of a press with a budget is allowed") from None
    seconds, budget = found["trial_seconds"], found["budget"]
    limits = ", ".join(f"{limit} {budget[limit]:g}" for limit in _LIMITS.values() if budget[limit] is not None)
    lines = [
        f"{note['dataset']}, preset {note['preset']}, {limits}: {len(seconds)} models, {len(found['candidates'])} "
        f"files; a model took {statistics.median(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f}).",
        "",
        "| on the front | made with | points lost | bytes | us | within |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for candidate in found["front"]:
        how = ", ".join(f"{name} {value}" for name, value in candidate["parameters"].items())
        latency = "" if candidate["latency_us"] is None else f"{candidate['latency_us']:.1f}"
        mark = "chosen" if candidate == found["choice"] else "yes" if _within(candidate, budget) else "no"
        lines.append(
            f"| {candidate['file']} | {how} | {candidate['drop_points']:.2f} | {candidate['bytes']:,} "
            f"| {latency} | {mark} |"
        )
    if found["choice"] is None:
        lines += ["", "None keeps the budget."]
    elif (file := run / "bundle" / "report" / "report.json").exists():
        report = read_report(file)
        name = found["choice"]["file"].removesuffix(".xz")
        row = next(row for row in report["rows"] if row["artifact"] == name)
        low, high = row["difference_interval_points"]
        lines += [
            "",
            f"On the {report['dataset']['images']:,} test images, looked at when the choice was made: "
            f"{100 * row['accuracy']:.2f} %, {row['difference_points']:+.2f} points from the float model "
            f"({low:+.2f} to {high:+.2f}).",
        ]
    return "\n".join(lines)


def _within(candidate: dict[str, Any], budget: dict[str, Any]) -> bool:
    pairs = [(candidate[value], budget[limit]) for value, limit in _LIMITS.items()]
    return all(value is None or limit is None or value <= limit for value, limit in pairs)


if __name__ == "__main__":
    print(search_figures(Path(sys.argv[1])))
