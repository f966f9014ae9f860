"""Who answers: this process, or several of our own. A piece that a process died of is given to another one, once."""

import logging
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from edgepress.base.extras import require
from edgepress.base.hush import hushed
from edgepress.data.gathered import store_rows
from edgepress.data.rows import Rows, in_pieces
from edgepress.runtime import CheckFailedError, EdgepressError, InputError, Model, load

from .asked import Asked
from .columns import answer_columns
from .shards import ERROR, Shards

__all__ = ["Job", "answers", "run_here", "run_workers"]

_LOG = logging.getLogger("edgepress")
_AHEAD = 3
"""Pieces that a process has in hand: one is read, one is answered, one is written."""
_BATCH = 4_096
"""Examples that `predict` gets at a time: of more, its numbers leave the processor's cache between its steps."""
_LIVES = 2
"""Processes that one piece may kill before it is given up."""
_READY = -1
"""What a process says, in place of a piece's number, when it has loaded the model."""
_Report = Callable[[int], None]


@dataclass(frozen=True)
class Job:
    """All that a process needs to answer pieces."""

    model: str
    settings: Mapping[str, Any]
    """Arguments of `edgepress.runtime.load`."""
    unknown: bool
    asked: Asked
    shards: Shards

    def load(self) -> Model:
        """The model."""
        # LiteRT announces its delegate on standard error.
        with hushed():
            return load(self.model, **self.settings)

    def read(self, number: int) -> Any:
        """The examples of a piece, or why one of them cannot be read."""
        try:
            return self.asked.piece(*self.shards.bounds(number))
        except InputError as error:
            return error


def run_here(job: Job, model: Model, pieces: Iterable[int], report: _Report) -> None:
    """Answer pieces one after another: while one is answered, the next is read and the last one is written.

    Args:
        job: What is asked.
        model: Loaded.
        pieces: Their numbers.
        report: Called with the number of a piece that is written, from another thread.
    """
    remaining = iter(pieces)

    def write(number: int, table: Any) -> None:
        job.shards.write(number, table)
        report(number)

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:

        def ahead() -> tuple[int, Future[Any]] | None:
            number = next(remaining, None)
            return None if number is None else (number, reader.submit(job.read, number))

        following, written = ahead(), None
        while following is not None:
            number, examples = following
            following = ahead()
            table = answers(job, model, number, examples.result())
            if written is not None:
                written.result()
            written = writer.submit(write, number, table)
        if written is not None:
            written.result()


def answers(job: Job, model: Model, number: int, examples: Any) -> Any:
    """The columns of one piece; where one of its examples cannot be read or answered, of each by itself."""
    arrow = require("pyarrow", extra="table")
    start, stop = job.shards.bounds(number)
    if not isinstance(examples, InputError):
        try:
            said = [
                arrow.table(answer_columns(model, model.predict(batch, **_unknown(job))))
                for batch in _batches(examples)
            ]
            table = said[0] if len(said) == 1 else arrow.concat_tables(said).combine_chunks()
            return table.append_column(ERROR, arrow.nulls(stop - start, arrow.string()))
        except InputError:
            if stop - start == 1:
                raise
    found: list[Any] = []
    places: list[int | None] = []
    errors: list[str | None] = []
    for place in range(start, stop):
        try:
            example = job.asked.piece(place, place + 1)
            found.append(arrow.table(answer_columns(model, model.predict(example, **_unknown(job)))))
            places.append(len(found) - 1)
            errors.append(None)
        except InputError as error:
            places.append(None)
            errors.append(str(error))
    reasons = {ERROR: arrow.array(errors, arrow.string())}
    if not found:
        return arrow.table(reasons)
    table = arrow.concat_tables(found).combine_chunks().take(arrow.array(places, arrow.int64()))
    return table.append_column(ERROR, reasons[ERROR])


def _batches(examples: Any) -> Iterator[Any]:
    """Of one array, or of several by input name."""
    if not isinstance(examples, Mapping):
        yield from in_pieces(examples, _BATCH)
        return
    for start in range(0, len(next(iter(examples.values()))), _BATCH):
        yield {name: values[start : start + _BATCH] for name, values in examples.items()}


def _unknown(job: Job) -> dict[str, bool]:
    return {"unknown": True} if job.unknown else {}


def run_workers(job: Job, pieces: Sequence[int], report: _Report, *, workers: int, started: Callable[[], None]) -> None:
    """Answer pieces in several processes.

    Args:
        job: What is asked.
        pieces: Their numbers.
        report: Called with the number of a piece that is written.
        workers: How many.
        started: Called when the first of them has loaded the model.

    Raises:
        CheckFailedError: A piece killed two of them, or one could not start.
        EdgepressError: What a process came upon, as it would be raised here.
    """
    context = multiprocessing.get_context("spawn")
    # Arrays in memory would be copied into every process: a file is shared.
    inputs = {
        name: values if isinstance(values, Rows) else store_rows(in_pieces(values), values.shape[1:], values.dtype)
        for name, values in job.asked.inputs.items()
    }
    job = replace(job, asked=replace(job.asked, inputs=inputs, known={}))
    todo, deaths = deque(pieces), Counter[int]()
    hands: dict[Connection, tuple[Any, list[int]]] = {}
    log_level = _LOG.level
    ready_before = False

    def hire() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(job, theirs, log_level), daemon=True)
        process.start()
        theirs.close()
        hands[ours] = (process, [])

    def feed(hand: Connection) -> None:
        _, held = hands[hand]
        try:
            while todo and len(held) < _AHEAD:
                held.append(todo.popleft())
                hand.send(held[-1])
            if not todo:
                # It waits for what comes next before it answers the last one.
                hand.send(None)
        except OSError:
            return  # It is over: the pipe says so when it is read.

    try:
        for _ in range(min(workers, max(1, len(todo)))):
            hire()
        while hands:
            for ready in wait(list(hands)):
                assert isinstance(ready, Connection)
                process, held = hands[ready]
                try:
                    said = ready.recv()
                except (EOFError, OSError):
                    said = None
                if said is None:
                    process.join()
                    del hands[ready]
                    ready.close()
                    if held or process.exitcode:
                        _bury(job, process.exitcode, held, deaths, todo)
                        hire()
                elif isinstance(said, Exception):
                    raise said
                elif said == _READY:
                    if not ready_before:
                        started()
                    ready_before = True
                    feed(ready)
                else:
                    held.remove(said)
                    report(said)
                    feed(ready)
    finally:
        for hand, (process, _) in hands.items():
            hand.close()
            process.join(0.5)
            process.kill()
            process.join()


def _bury(job: Job, status: int | None, held: list[int], deaths: "Counter[int]", todo: "deque[int]") -> None:
    """Put back what a dead process had in hand; it may have written some of it."""
    # It was answering the first of them; or it died before it had any.
    suspect = held[0] if held else _READY
    deaths[suspect] += 1
    if not held and deaths[suspect] >= _LIVES:
        raise CheckFailedError(f"{_LIVES} processes ended before they had loaded the model (exit status {status})")
    if deaths[suspect] >= _LIVES:
        start, stop = job.shards.bounds(suspect)
        raise CheckFailedError(
            f"examples {start:,} to {stop - 1:,} ended {_LIVES} processes (exit status {status}): give them more "
            "memory, or fewer --workers; what is answered stays, and the same command goes on"
        )
    _LOG.warning("a process ended with status %s: another one goes on", status)
    todo.extendleft(reversed(held))


def _work(job: Job, pipe: Connection, level: int) -> None:
    """A process: take numbers from the pipe until it ends, and send each back when it is written."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _LOG.setLevel(level)

    def numbers() -> Iterator[int]:
        try:
            while (number := pipe.recv()) is not None:
                yield number
        except (EOFError, OSError):
            return

    try:
        with job.load() as model:
            pipe.send(_READY)
            run_here(job, model, numbers(), pipe.send)
    except (EdgepressError, OSError) as error:
        try:
            pipe.send(error)
        except OSError:
            return
