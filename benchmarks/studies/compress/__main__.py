"""What compression costs: models pressed by our engine and by TensorFlow Model Optimization, seed by seed.

    python -m edgepress.benchmarks.studies.compress --pages docs/compress-engine.md
    python -m edgepress.benchmarks.studies.compress --times --pages docs/compress-engine.md

Each row is trained, pressed and exported once a seed, in a process of its own; the int8 file's answers are compared
with the float model's on the same test examples, one by one, once. A row that has been made is kept below --work: a
study that was killed goes on, and one that ends after --minutes too. Nothing is made with --minutes 0: the page is
written from what is there. `--rows "transformer, zeros 70 %, int8" --seeds 0` is a small version.

The second command measures times of the rows that have been made, some seconds each, on a machine that does nothing
else.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table

from ...statistics.intervals import score_difference
from ..page.study import chosen, conclude
from .making import make
from .rows import ROWS
from .sentences import pairs_of, sentences
from .times import FILE, time_row

_log = logging.getLogger("edgepress")
_RESULT = "result.json"
_HEADS = ["model, what was asked, engine", "seeds", "float %", "points [95 %]", "zeros %", "bytes", "latency",
          "s an epoch"]  # fmt: skip


def _folder(work: Path, name: str, seed: int) -> Path:
    return work / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"


def _child(what: str, name: str, seed: int, folder: Path) -> str:
    """Make or time a row in a process of its own; why there are no figures, or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    _log.info("compress: %s, seed %d", name, seed)
    module = __spec__.name if __spec__ else __name__
    line = [sys.executable, "-m", module, "--one", what, name, str(seed), str(folder)]
    done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    (folder / f"{what}.log").write_text(done.stderr)
    return f"{name}: failed: {done.stderr.strip().splitlines()[-1]}" if done.returncode else ""


def _one(what: str, name: str, seed: int, folder: Path) -> None:
    if what == "times":
        time_row(name, folder)
    else:
        write_file(folder / _RESULT, json.dumps(make(ROWS[name], seed, folder), indent=2) + "\n")


def _read(file: Path) -> Any:
    return json.loads(file.read_text()) if file.exists() else None


def _line(name: str, found: list[dict[str, Any]], times: dict[str, float]) -> list[str]:
    """A table's line: seeds together, as if their test examples were one set."""
    pairs = pairs_of(found, "float", "pressed")
    low, high = score_difference(pairs)
    return [
        name,
        str(len(found)),
        f"{100 * (pairs.both_right + pairs.only_float_right) / pairs.images:.2f}",
        f"{100 * pairs.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]",
        f"{100 * fmean(each['zeros'] for each in found):.0f}",
        f"{fmean(each['bytes'] for each in found):,.0f}",
        f"{times['latency']:.2f} x" if "latency" in times else "-",
        f"{times['epoch_seconds']:.2f}" if "epoch_seconds" in times else "-",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=";".join(ROWS), help="some of them, separated by semicolons")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no row is begun after so many")
    parser.add_argument("--times", action="store_true", help="measure times of the rows that have been made")
    parser.add_argument("--work", type=Path, default=Path("runs/compress"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `compress`")
    parser.add_argument("--one", nargs=4, metavar=("WHAT", "ROW", "SEED", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.one:
        what, name, seed, folder = options.one
        _one(what, name, int(seed), Path(folder))
        return 0
    names = chosen(parser, options.rows, ROWS, "rows", separator=";")
    seeds, end, wrong = [int(seed) for seed in options.seeds.split(",")], time.monotonic() + 60 * options.minutes, []
    for seed in [] if options.times else seeds:
        for name in names:
            folder = _folder(options.work, name, seed)
            if (
                not (folder / _RESULT).exists()
                and time.monotonic() < end
                and (why := _child("row", name, seed, folder))
            ):
                wrong.append(why)
    found = {
        name: results
        for name in names
        if (results := [each for seed in seeds if (each := _read(_folder(options.work, name, seed) / _RESULT))])
    }
    for name in found if options.times else ():
        if why := _child("times", name, seeds[0], _folder(options.work, name, seeds[0])):
            wrong.append(why)
    times = {name: _read(_folder(options.work, name, seeds[0]) / FILE) or {} for name in found}
    table = markdown_table(_HEADS, [_line(name, found[name], times[name]) for name in found], columns="lrrrrrrr")
    text = "\n".join([*table, "", *sentences(found, times)])
    asked = "" if options.rows == ";".join(ROWS) else f' --rows "{options.rows}"'
    command = f"python -m edgepress.benchmarks.studies.compress{asked} --seeds {options.seeds}"
    return conclude("compress", text, command, options.pages, wrong)


if __name__ == "__main__":
    sys.exit(main())
