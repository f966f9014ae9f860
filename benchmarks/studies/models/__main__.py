"""Every model of `keras.applications`, with random weights: its files made, loaded, run and compared with Keras.

    python -m edgepress.benchmarks.studies.models --pages docs/models.md

Each model is made in a process of its own with limits of time and memory, and its row is written when it ends, below
--work: a study that was killed goes on with the rows that are left, and `--made` writes the page of those that are
there. `--rows tiny` is a small version. Exit status 1: more models than are allowed have no float32 file
within its bound, or no int8 file that runs.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgepress.base.tables import markdown_table

from ..page.study import chosen, conclude
from .made import VARIANTS_MADE, Made, make_row
from .rows import ROWS, TINY

_log = logging.getLogger("edgepress")
_MAY_FAIL = {"tflite": 2, "onnx": 4}
"""Models that may have no file in a format."""
_HEADS = (
    "model", "weights", "pixels", "tflite float32", "int8", "onnx float32", "int8", "tflite bytes, float32", "int8",
    "onnx bytes, float32", "int8", "s tflite", "s onnx",
)  # fmt: skip


def lacking(made: Mapping[str, Made], format: str) -> dict[str, str]:
    """Models without a float32 file within its bound, or without an int8 file that runs, and why."""
    found: dict[str, str] = {}
    for name, row in made.items():
        for key, file in row.files.items():
            missing = file.sqnr_db is None or (key.endswith("float32") and file.reason)
            if key.startswith(format) and missing:
                found.setdefault(name, f"{key}: {file.reason}")
    return found


def table(made: Mapping[str, Made]) -> list[str]:
    """A line a model, and below it the reasons that its cells point to."""
    notes: list[str] = []

    def note(reason: str) -> str:
        if reason not in notes:
            notes.append(reason)
        return f"[{notes.index(reason) + 1}]"

    lines = []
    for name, row in made.items():
        files = [row.files[key] for key in VARIANTS_MADE]
        said = [
            note(file.reason) if file.sqnr_db is None or file.same_label is None
            else f"{file.sqnr_db:.0f} dB, {100 * file.same_label:.0f} %{' ' + _WITHHELD if file.reason else ''}"
            for file in files
        ]  # fmt: skip
        seconds = [
            f"{sum(file.seconds or 0 for key, file in row.files.items() if key.startswith(format)):.0f}"
            for format in _MAY_FAIL
        ]
        sizes = ["" if file.bytes is None else f"{file.bytes:,}" for file in files]
        count = "" if row.parameters is None else f"{row.parameters:,}"
        lines.append([name, count, row.pixels, *said, *sizes, *seconds])
    text = markdown_table(_HEADS, lines, columns="lr")
    text += ["", "SQNR of the logits, and how many of 64 noise pictures get the label that Keras gives them."]
    if any(_WITHHELD in line for line in text):
        text[-1] += f" {_WITHHELD} beyond its variant's bound: export withholds it."
    return text + [f"[{place}] {reason}  " for place, reason in enumerate(notes, 1)]


_WITHHELD = "(w)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="some of them, separated by commas")
    parser.add_argument("--seconds", type=float, default=900.0, help="that a model may take")
    parser.add_argument("--gigabytes", type=float, default=16.0, help="of address space that a process may take")
    parser.add_argument("--work", type=Path, default=Path("runs/models"))
    parser.add_argument("--made", action="store_true", help="make nothing: the rows that are there")
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `models`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    made = {}
    names = chosen(parser, options.rows, ROWS | TINY, "rows")
    for name in names:
        if options.made and not (options.work / name / "result.json").exists():
            continue
        _log.info("models: %s", name)
        made[name] = make_row(name, options.work, seconds=options.seconds, gigabytes=options.gigabytes)
    text, wrong = table(made), []
    for format, allowed in _MAY_FAIL.items():
        without = lacking(made, format)
        text += ["", f"{format}: {len(made) - len(without)} of {len(made)} models have both files."]
        if len(without) > allowed:
            wrong += [f"{name}: {why}" for name, why in without.items()]
    if untried := [name for name in names if name not in made]:
        text += ["", f"Not tried yet: {', '.join(untried)}."]
    asked = "" if options.rows == ",".join(ROWS) else f" --rows {options.rows}"
    command = f"python -m edgepress.benchmarks.studies.models{asked}"
    return conclude("models", "\n".join(text), command, options.pages, wrong)


if __name__ == "__main__":
    sys.exit(main())
