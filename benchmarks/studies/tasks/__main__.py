"""What other data and other questions end with: one command line a row, from the files to the report.

    python -m edgepress.benchmarks.studies.tasks --pages README.md docs/train.md

finds its data in EDGEPRESS_DATA_DIR (rows whose files are not there are left out, and said to be) and scikit-learn's
tables in scikit-learn. A row that has been made is kept in its folder below --work: a study that was killed goes on
with the rows that are left; --measure-again measures those that are kept once more, on a quieter machine for instance.
`--rows wine,diabetes --preset quick` is the small version. Exit status 1: a row failed, or
missed what it must show.
"""

import argparse
import hashlib
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.files import write_file
from edgepress.runtime import EdgepressError

from ..page.study import chosen, conclude
from .made import Made, made_of, missed, table
from .rows import ROWS, Row, commands, measuring

_log = logging.getLogger("edgepress")
_RESULT = "result.json"
_START = "from edgepress.cli import main; main()"


def _make(name: str, work: Path, data: Path, preset: str, again: bool) -> Made | str:
    """Run a row's commands, or read what they left; a text where there is nothing."""
    row, folder, tables = ROWS[name], work / name, work / "tables"
    absent = [file for file in row.files if not (data / file).exists()]
    if absent:
        return f"no {', '.join(absent)} in EDGEPRESS_DATA_DIR"
    tables.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    places = {"data": str(data), "work": str(folder), "tables": str(tables)}
    lines = commands(row, places, preset)
    fingerprint = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    kept = folder / _RESULT
    if kept.exists():
        result = json.loads(kept.read_text())
        if result["commands"] == fingerprint:
            if not again:
                return Made(**result["made"])
            return _run([measuring(row, places, preset)], folder, fingerprint)
    if row.prepare is not None:
        row.prepare(tables)
    if lines[0][0] == "export":
        shutil.rmtree(folder / "run", ignore_errors=True)
    elif _is_another_press(folder / "run", preset):
        lines[0].append("--overwrite")
    return _run(lines, folder, fingerprint)


def _run(lines: list[list[str]], folder: Path, fingerprint: str) -> Made | str:
    """What the command lines end with, kept in the row's folder."""
    for line in lines:
        _log.info("tasks: edgepress %s", shlex.join(line))
        done = subprocess.run(
            [sys.executable, "-c", _START, *line], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        (folder / f"{line[0]}.log").write_text(done.stderr)
        # Status 1: a file was withheld, and the others are there with their report.
        if done.returncode not in (0, 1) or "Traceback" in done.stderr:
            return f"failed: {done.stderr.strip().splitlines()[-1]}"
    try:
        made = made_of(folder / "run/bundle")
    except (EdgepressError, OSError) as error:
        return _why_withheld(folder) or f"failed: {error}"
    write_file(folder / _RESULT, json.dumps({"commands": fingerprint, "made": made._asdict()}, indent=2) + "\n")
    return made


def _is_another_press(run: Path, preset: str) -> bool:
    """Whether the folder holds a press that is not the one to go on with."""
    try:
        plan = json.loads((run / "run.json").read_text())
    except (OSError, ValueError):
        return run.exists()
    return bool(plan.get("finished")) or plan["preset"] != preset


def _why_withheld(folder: Path) -> str:
    """What the commands said of the int8 file."""
    said = [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return next((line for line in said if "int8.tflite" in line and "withheld" in line), "")


def _linear_r2(row: Row, tables: Path) -> float:
    """R2 on the test rows of least squares on the training rows."""
    from edgepress.data import load_dataset

    file, label = row.arguments[1].format(tables=tables), row.arguments[3]
    dataset = load_dataset(file, label=label)
    ones = [np.ones((len(part), 1)) for part in (dataset.train, dataset.test)]
    fitted, asked = (np.hstack([x, one]) for x, one in zip((dataset.x_train, dataset.x_test), ones, strict=True))
    weights = np.linalg.lstsq(fitted, dataset.y_train, rcond=None)[0]
    errors, spread = dataset.y_test - asked @ weights, dataset.y_test - dataset.y_test.mean(axis=0)
    return float(1 - np.square(errors).sum() / np.square(spread).sum())


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="some of them, separated by commas")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--quick", default="", help="rows with the preset quick, separated by commas")
    parser.add_argument("--measure-again", action="store_true", help="benchmark anew what has been made")
    parser.add_argument("--work", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `tasks`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = Path(os.environ.get("EDGEPRESS_DATA_DIR", "."))
    made: dict[str, Made | str] = {}
    quick = chosen(parser, options.quick, ROWS, "rows") if options.quick else ()
    wrong = []
    for name in chosen(parser, options.rows, ROWS, "rows"):
        preset = "quick" if name in quick else options.preset
        found: Any = _make(name, options.work, data, preset, options.measure_again)
        made[name] = found
        linear = None
        if isinstance(found, Made):
            if ROWS[name].wanted.like_linear is not None:
                linear = _linear_r2(ROWS[name], options.work / "tables")
            wrong += [f"{name}: {what}" for what in missed(ROWS[name].wanted, found, linear)]
        elif not found.startswith("no "):
            wrong.append(f"{name}: {found}")
    text = "\n".join(table(made))
    rows = "" if options.rows == ",".join(ROWS) else f" --rows {options.rows}"
    command = f"python -m edgepress.benchmarks.studies.tasks{rows} --preset {options.preset}"
    command += f" --quick {options.quick}" if options.quick else ""
    return conclude("tasks", text, command, options.pages, wrong)


if __name__ == "__main__":
    sys.exit(main())
