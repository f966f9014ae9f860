"""What an export takes: seconds, and the memory of its processes.

    python -m edgepress.benchmarks.studies.exports.cost --pages docs/growth.md

`mobilenetv2` exports a MobileNetV2 0.5 at 96 px with random weights and activations that live in the six default
variants, on 1,000 random pictures that it labelled itself, so that how it takes its input is found by trying; half of
them are held back. `mnist` exports the two models of an MNIST press with the preset default, each fitted for one
epoch: the same files at the price of a minute. Both are made once, below --work. Each export is a process of its own,
as the command line starts it; its tree of processes is looked at every 50 ms: the largest resident memory of one
process, and of all together (pages that they share count in each). `--source before=../before/src` measures another
checkout's code with these packages too, in turn with this one's. A study that was killed goes on. Linux. About two
minutes, on a machine that does nothing else.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.child import run_module
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table

from ..models.rows import Row
from ..page.study import chosen, conclude

__all__ = ["ROWS", "measure", "table"]

_PICTURES, _TEST, _PIXELS = 1000, 250, 96
_GLANCE = 0.05
_HERE = "this"


def _make_mobilenet(folder: Path) -> None:
    model = Row("MobileNetV2", _PIXELS, (("alpha", 0.5),)).model()
    x = np.random.default_rng(0).integers(0, 256, (_PICTURES + _TEST, _PIXELS, _PIXELS, 3), dtype=np.uint8)
    pieces = [model.predict_on_batch(x[i : i + 50] / 127.5 - 1) for i in range(0, len(x), 50)]
    logits = np.concatenate(pieces)
    # Every class is somebody's: random weights prefer a few.
    middle = logits.mean(axis=0)
    model.layers[-1].bias.assign(-middle)
    model.save(folder / "model.keras")
    y = (logits - middle).argmax(axis=1)
    train, test = slice(_PICTURES), slice(_PICTURES, None)
    np.savez(folder / "data.npz", x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])


def _make_mnist(folder: Path) -> None:
    from edgepress.data import load_dataset
    from edgepress.train import configure, press_model, train_baseline

    dataset = load_dataset("mnist")
    config, _ = configure(dataset, "default", seed=0)
    config = replace(config, epochs=1, prune_epochs=1, quantize_epochs=1)
    train_baseline(dataset, config, folder / "float.keras")
    press_model(dataset, folder / "float.keras", config, folder / "pressed.keras")


ROWS: dict[str, tuple[str, Callable[[Path], None], tuple[str, ...]]] = {
    "mobilenetv2": ("MobileNetV2 0.5, 96 px", _make_mobilenet, ("model.keras", "--data", "data.npz")),
    "mnist": ("MNIST, float and pressed", _make_mnist, ("float.keras", "pressed.keras", "--data", "mnist")),
}
"""By name: its title, what makes its files, and the arguments of `edgepress export` in their folder."""


def _tree(process: int) -> list[int]:
    found = [process]
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            for child in Path(f"/proc/{process}/task/{thread}/children").read_text().split():
                found += _tree(int(child))
    except OSError:
        pass  # It ended meanwhile.
    return found


def _resident(process: int) -> float:
    """MB; 0 of one that ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(arguments: Sequence[str], folder: Path, source: Path | None = None) -> dict[str, float]:
    """One export, in a process of its own.

    Args:
        arguments: Of `edgepress export`, but for `--out`.
        folder: Where it runs; its bundle is written to `out` there.
        source: The folder `src` of another checkout, whose code is measured; None for this one's.

    Returns:
        `seconds`, `largest_mb` of one process, and `together_mb`.

    Raises:
        RuntimeError: It failed; its last line says why.
    """
    shutil.rmtree(folder / "out", ignore_errors=True)
    env = os.environ | ({"PYTHONPATH": str(source)} if source else {}) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "edgepress", "export", *arguments, "--out", "out"]
    largest = together = 0.0
    begun = time.monotonic()
    with (
        open(folder / "log", "w+b") as log,
        subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log) as process,
    ):
        while process.poll() is None:
            sizes = [_resident(each) for each in _tree(process.pid)]
            largest, together = max(largest, *sizes), max(together, sum(sizes))
            time.sleep(_GLANCE)
    seconds = time.monotonic() - begun
    # 1: a file was withheld, which takes as long.
    if process.returncode not in (0, 1):
        raise RuntimeError(((folder / "log").read_text().strip().splitlines() or ["no message"])[-1])
    return {"seconds": round(seconds, 1), "largest_mb": round(largest), "together_mb": round(together)}


def table(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """A line an export and code."""
    lines = []
    for row, by_code in measured.items():
        title = ROWS[row][0]
        for code, found in by_code.items():
            figures = (f"{found['seconds']:.1f}", f"{found['largest_mb']:,}", f"{found['together_mb']:,}")
            lines.append([title, code, *figures])
    head = ("export", "code", "s", "largest process MB", "all together MB")
    return markdown_table(head, lines, columns="llr")


def _sources(asked: Sequence[str]) -> dict[str, Path | None]:
    named = (each.partition("=") for each in asked)
    return {_HERE: None} | {name: Path(path).resolve() for name, _, path in named}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the models, measure their exports, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="some of them, separated by commas")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=SRC", help="another checkout's src")
    parser.add_argument("--work", type=Path, default=Path("runs/export-cost"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="pages with a block for `export-cost`")
    options = parser.parse_args(arguments)
    measured: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for row in chosen(parser, options.rows, ROWS, "rows"):
        folder = options.work / row
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "made").exists():
            ended = run_module(__spec__.name if __spec__ else __name__, "--make", row, str(folder), seconds=1200)
            if not ended.ok:
                wrong.append(f"{row}: {ended.reason}")
                continue
        measured[row] = {}
        for code, source in _sources(options.source).items():
            result = folder / f"{code}.json"
            try:
                if not result.exists():
                    write_file(result, json.dumps(measure(ROWS[row][2], folder, source)) + "\n")
                measured[row][code] = json.loads(result.read_text())
            except RuntimeError as error:
                wrong.append(f"{row}, {code}: {error}")
    asked = "" if options.rows == ",".join(ROWS) else f" --rows {options.rows}"
    asked += "".join(f" --source {each}" for each in options.source)
    command = f"python -m edgepress.benchmarks.studies.exports.cost{asked}"
    return conclude("export-cost", "\n".join(table(measured)), command, options.pages, wrong)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        ROWS[sys.argv[2]][1](Path(sys.argv[3]))
        write_file(Path(sys.argv[3], "made"), "")
    else:
        sys.exit(main())
