"""What a budget search found, from the run folder of the press, as Markdown.

edgepress press --max-drop 0.3 --max-bytes 16384 --max-latency-us 20 --out runs/budget
python -m edgepress.press.search_figures runs/budget |
    python -m edgepress.benchmarks.studies.page.figures docs/train.md budget -

With limits of its own it says what the same models come to under those: --max-drop 0.1 --max-bytes 4000
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from edgepress.base.tables import markdown_table
from edgepress.benchmarks import read_report
from edgepress.benchmarks.report.words import difference_cell, say_value
from edgepress.runtime import CheckFailedError, InputError

from .budget import Budget, Candidate, choose
from .search_files import SCHEMA

__all__ = ["search_figures", "verdict"]


def search_figures(run: Path) -> str:
    """The front as a table, what was chosen, and what it took.

    Raises:
        InputError: No folder of a finished search.
    """
    found, note = _found(run), _read(run, "run.json")
    seconds, budget = found["trial_seconds"], Budget(**found["budget"])
    limits = ", ".join(f"{limit} {value:g}" for limit, value in found["budget"].items() if value is not None)
    lines = [
        f"{note['dataset']}, preset {note['preset']}, {limits}: {len(seconds)} models, {len(found['candidates'])} "
        f"files; a model took {statistics.median(seconds):.0f} s ({min(seconds):.0f} to {max(seconds):.0f}).",
        "",
    ]
    rows = []
    for data in found["front"]:
        candidate = Candidate(**data)
        how = ", ".join(f"{name} {value}" for name, value in candidate.parameters.items())
        latency = "" if candidate.latency_us is None else f"{candidate.latency_us:.1f}"
        mark = "chosen" if data == found["choice"] else "no" if budget.overdrawn(candidate) else "yes"
        rows.append((candidate.file, how, f"{candidate.drop:.2f}", f"{candidate.bytes:,}", latency, mark))
    lines += markdown_table(
        ("on the front", "made with", f"drop, {found['metric']['drops_in']}", "bytes", "us", "within"),
        rows,
        columns="llrrrl",
    )
    if found["choice"] is None:
        lines += ["", verdict(run, budget)]
    elif (file := run / "bundle" / "report" / "report.json").exists():
        report = read_report(file)
        name = found["choice"]["file"].removesuffix(".xz")
        row = next(row for row in report.rows if row.artifact == name)
        if row.metric is None or report.dataset is None:
            raise InputError(f"{file}: no metric was measured")
        value = say_value(row) + (" %" if row.scores else "")
        difference = f"{difference_cell(row)} {row.metric.unit}".rstrip()
        lines += [
            "",
            f"On the {report.dataset.images:,} test {report.examples}, looked at when the choice was made: "
            f"{row.metric.name} {value}, {difference} from the float model.",
        ]
    return "\n".join(lines)


def verdict(run: Path, budget: Budget) -> str:
    """What a press would say of the models of that search under another budget.

    Raises:
        InputError: No folder of a finished search.
    """
    candidates = [Candidate(**data) for data in _found(run)["candidates"]]
    try:
        return f"chosen: {choose(candidates, budget).describe()}"
    except CheckFailedError as error:
        return f"edgepress: {error}"


def _found(run: Path) -> dict[str, Any]:
    found = _read(run, "search/search.json")
    if found.get("schema") != SCHEMA:
        raise InputError(f"{run}: its search has schema {found.get('schema')}, {SCHEMA} is read: press it again")
    return found


def _read(run: Path, file: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((run / file).read_text())
    except (OSError, ValueError):
        raise InputError(f"{run}: the run folder of a press with a budget is allowed") from None
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--max-drop", type=float)
    parser.add_argument("--max-bytes", type=int)
    parser.add_argument("--max-latency-us", type=float)
    options = parser.parse_args()
    limits = (options.max_drop, options.max_bytes, options.max_latency_us)
    print(verdict(options.run, Budget(*limits)) if any(limits) else search_figures(options.run))


if __name__ == "__main__":
    _main()
