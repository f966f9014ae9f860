"""`score`: a model's answers about a whole source of examples, as one table."""

import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgepress import __version__
from edgepress.base.extras import require
from edgepress.base.files import check_writable
from edgepress.base.progress import STEP, stage
from edgepress.data import Options
from edgepress.runtime import InputError, Model

from .asked import ALL, Asked, ask
from .on_ray import run_on_ray
from .shards import Shards, format_of
from .workers import Job, run_here, run_workers

__all__ = ["Scored", "score"]

_LOG = logging.getLogger("edgepress")
_PIECE_BYTES = 16_000_000
"""What the examples of one piece take, or their answers."""
_MOST = 65_536
"""Examples of one piece."""
_EVERY = 5.0
"""Seconds between lines of progress."""


@dataclass(frozen=True)
class Scored:
    """What came of it."""

    out: str
    artifact: str
    backend: str
    examples: int
    resumed: int
    """Examples that an earlier run had answered."""
    failed: int
    """Examples that have no answer; the column `error` says why."""
    first_error: str | None
    seconds: float
    """Of this run's answers: from the model's being loaded until the last piece is stored."""
    per_second: float
    """Examples of this run."""
    workers: int

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def score(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    part: str = ALL,
    workers: int = 1,
    ray: str | None = None,
    unknown: bool = False,
    label: str | None = None,
    task: str | None = None,
    normal: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    seconds: float | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> Scored:
    """Ask a model about all examples of a source, and write one row an example, in their order.

    Pieces are stored in `<out>.shards` and joined at the end: a run that is killed goes on when it is called again
    with the same arguments, and `out` is there whole or not at all. Memory is that of the model and a few pieces,
    beside 8 bytes and a name for each example, and whatever a reader keeps: `.npz` archives, tables, and folders of
    pictures and recordings are read in pieces.

    Args:
        model: A bundle or a model file, as `edgepress.runtime.load` takes it.
        data: A name or path, as everywhere; also folders without classes, tables without a label, one `.npy`.
        out: Ends with `.parquet` or `.csv`.
        part: train, validation, test, or all.
        workers: Processes; each has `threads` of its own.
        ray: `local`, or the address of a Ray cluster whose processes answer; all its nodes see model and data at their
            paths. The table is the same.
        unknown: Say `unknown` below the bundle's threshold.
        label: Of a table: the column or columns with the right answers, which are written beside the model's.
        task: How the data are read, where it is not as the model's task says.
        normal: For anomalies: the class that is normal.
        input_shape: See `edgepress.data.load_dataset`.
        seconds: Likewise.
        overwrite: Replace `out`.
        settings: Further arguments of `edgepress.runtime.load`: variant, backend, threads, delegate, isolate.

    Raises:
        InputError: A model or data that cannot be used, or `out` is there.
        MissingExtraError: pyarrow (`edgepress[table]`), or Ray, where it is asked for, is not installed.
        CheckFailedError: Not one example has an answer.
    """
    place = Path(out)
    format_of(place)
    require("pyarrow", extra="table")
    if ray is not None:
        require("ray", extra="ray")
    if place.is_dir():
        raise InputError(f"{place} is a folder: name a file")
    if place.exists() and not overwrite and not place.with_name(f"{place.name}.shards").exists():
        raise InputError(f"{place} exists already: name another file with --out, or pass --overwrite")
    if workers < 1:
        raise InputError(f"workers {workers}: at least 1 is allowed")
    check_writable(place)
    with Job(os.fspath(model), settings, unknown, _NOTHING, Shards(place, 0, 1)).load() as loaded:
        asked = ask(loaded, data, Options(label, task, input_shape, seconds), part=part, normal=normal)
        shards = Shards(place, len(asked), _piece(loaded, asked))
        job = Job(os.fspath(model), settings, unknown, asked, shards)
        with shards.opened(_description(job, loaded, part), overwrite=overwrite) as lacking:
            begun = sum(stop - start for start, stop in map(shards.bounds, lacking))
            took = _run(job, loaded, lacking, workers, ray)
            failed, first = shards.join(asked.known)
        return Scored(
            out=str(place),
            artifact=loaded.artifact.file,
            backend=loaded.backend,
            examples=len(asked),
            resumed=len(asked) - begun,
            failed=failed,
            first_error=first,
            seconds=round(took, 3),
            per_second=round(begun / took, 1) if took else 0.0,
            workers=workers,
        )


_NOTHING = Asked("", {}, {}, "")


def _piece(model: Model, asked: Asked) -> int:
    """Examples of one piece."""
    given = sum(values.nbytes for values in asked.inputs.values()) / len(asked)
    # Answers are float32, with a name each in the worst case.
    made = sum(4 * math.prod(max(size, 1) for size in spec.shape[1:]) for spec in model.artifact.outputs)
    return max(1, min(_MOST, int(_PIECE_BYTES / max(given, made, 1))))


def _description(job: Job, model: Model, part: str) -> dict[str, Any]:
    """What must be equal for answers to belong together."""
    return {
        "edgepress": __version__,
        "artifact": model.artifact.sha256,
        "backend": model.backend,
        "delegate": model.delegate,
        "task": None if model.task is None else repr(model.task),
        "contract": None if model.contract is None else repr(model.contract),
        "unknown": job.unknown,
        "data": job.asked.identity,
        "part": part,
        "columns": {name: str(values.type) for name, values in job.asked.known.items()},
        "examples": job.shards.count,
        "piece": job.shards.piece,
    }


def _run(job: Job, model: Model, lacking: list[int], workers: int, ray: str | None) -> float:
    """Answer the pieces that are lacking; seconds that it took."""
    total = len(job.asked)
    sizes = {number: stop - start for number in lacking for start, stop in [job.shards.bounds(number)]}
    done = total - sum(sizes.values())
    if done:
        _LOG.info("predict: %s of %s were answered before: going on", f"{done:,}", f"{total:,}")
    start = said = time.monotonic()
    answered = 0
    with stage("predict", total, done=done) as shown:

        def started() -> None:
            nonlocal start, said
            start = said = time.monotonic()

        def report(number: int) -> None:
            nonlocal answered, said
            answered += sizes[number]
            now = time.monotonic()
            rate = answered / max(now - start, 1e-9)
            left = (total - done - answered) / rate
            shown.advance(sizes[number], rate=f"{rate:,.0f}/s")
            if now - said >= _EVERY or done + answered == total:
                said = now
                line = f"predict: {done + answered:,} of {total:,}, {rate:,.0f}/s, {left:,.0f} s left"
                _LOG.info(line, extra=STEP)

        if ray is not None and lacking:
            run_on_ray(job, lacking, report, workers=workers, address=ray, started=started)
        elif workers == 1:
            run_here(job, model, lacking, report)
        elif lacking:
            run_workers(job, lacking, report, workers=workers, started=started)
    return time.monotonic() - start
