"""A cell of the table: a peer's file of a model, made in a process of its own, kept beside what that process said.

    python -m edgepress.benchmarks.studies.peers.cells prepare wine runs/peers
    python -m edgepress.benchmarks.studies.peers.cells litert-static wine runs/peers

is what the study runs.
"""

import json
import logging
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgepress.base.child import run_module
from edgepress.base.files import file_sha256, write_file
from edgepress.runtime import InputError

from .models import given, prepare
from .recipes import PEERS, count_lines

__all__ = ["Cell", "make_cell", "prepare_model", "short"]

_PREPARE = "prepare"
_RESULT = "result.json"
_LONGEST = 200
"""Characters of what a peer said."""


@dataclass(frozen=True)
class Cell:
    """What came of a peer on a model."""

    file: str | None
    """Below the study's folder; None where there is none."""
    sha256: str | None
    seconds: float
    """From the start of the process to the file: imports are in it."""
    lines: int
    said: str
    """Why there is no file; else the last warning, empty without one."""


def prepare_model(name: str, work: Path, seconds: float) -> str:
    """Make what the peers are given, in a process of its own; why that failed, empty where it did not."""
    ended = run_module(_module(), _PREPARE, name, str(work), seconds=seconds)
    return "" if ended.ok else ended.reason


def make_cell(model: str, peer: str, work: Path, seconds: float) -> Cell:
    """Run a peer, or read what it left."""
    folder = work / model / peer
    kept = folder / _RESULT
    lines = count_lines(PEERS[peer].recipe)
    if kept.exists():
        cell = Cell(**json.loads(kept.read_text()))
        if cell.lines == lines and (cell.file is None or (work / cell.file).exists()):
            return cell
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    ended = run_module(
        _module(), peer, model, str(work), seconds=seconds, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    )
    taken = time.monotonic() - started
    (folder / "log").write_text(ended.stderr)
    if ended.ok:
        told = json.loads((folder / "told.json").read_text())
        file = work / told["file"]
        cell = Cell(told["file"], file_sha256(file), taken, lines, short(told["said"]))
    else:
        cell = Cell(None, None, taken, lines, short(ended.late or _error(ended.stderr) or ended.reason))
    write_file(kept, json.dumps(asdict(cell), indent=2) + "\n")
    return cell


def _module() -> str:
    return __spec__.name if __spec__ else __name__


def _error(stderr: str) -> str:
    """The first line of the last traceback's error; what follows it explains."""
    _, marker, after = stderr.rpartition("Traceback (most recent call last):\n")
    lines = after.splitlines() if marker else []
    return next((line.strip() for line in lines if line and not line[0].isspace()), "")


def short(text: str) -> str:
    """What a tool said, in a line that a table has room for."""
    text = " ".join(_without_places(text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _without_places(text: str) -> str:
    """Without the `loc(...)` of a converter's message, which tells where in its own notation something is."""
    kept, depth, place = [], 0, 0
    while place < len(text):
        if depth == 0 and text.startswith("loc(", place):
            depth, place = 1, place + len("loc(")
            continue
        if depth == 0:
            kept.append(text[place])
        elif text[place] in "()":
            depth += 1 if text[place] == "(" else -1
        place += 1
    return "".join(kept)


class _Warnings(logging.Handler):
    """Keeps what a tool warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _run(peer: str, model: str, work: Path) -> None:
    recipe, found = PEERS[peer], given(model, work)
    out = found.folder / peer / f"{peer}{recipe.suffix or '-bundle'}"
    heard = _Warnings()
    logging.getLogger().addHandler(heard)
    recipe.recipe(found, out)
    file = out if recipe.suffix else out / (recipe.file or _only_file(out))
    if not file.exists():
        # A bundle without it: what was said last is why.
        raise InputError(heard.last or f"no {file.name}")
    told: dict[str, Any] = {"file": str(file.relative_to(work)), "said": heard.last}
    write_file(out.parent / "told.json", json.dumps(told, indent=2) + "\n")


def _only_file(bundle: Path) -> str:
    from edgepress.runtime import Manifest

    (artifact,) = Manifest.read(bundle).artifacts
    return artifact.file


if __name__ == "__main__":
    if sys.argv[1] == _PREPARE:
        prepare(sys.argv[2], Path(sys.argv[3]))
    else:
        _run(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
