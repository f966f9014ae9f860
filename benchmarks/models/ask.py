"""What each model is asked, and how: as its bundle says; a lone file as stated, as it says itself, or as found."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgepress.runtime import CheckFailedError, InputError

from ..measure.workers import Worker, WorkerError
from ..question import ask
from .asked import Asked
from .readings import Readings
from .subjects import Subject
from .told import Told

__all__ = ["ask_all"]


def ask_all(
    rows: Sequence[Subject],
    readings: Readings | None,
    *,
    stated: Mapping[str, str],
    normal: str | None,
    accept_chance: bool,
) -> dict[int, Asked | CheckFailedError]:
    """Find out how every row is asked, the baseline first.

    Args:
        rows: The baseline first.
        readings: The data; None for a bundle's self-test.
        stated: What the user says of lone files' inputs, by the file's name; under an empty name of all others.
        normal: Which class is the normal one, where anomalies are looked for.
        accept_chance: Go on with a baseline that is no better than the trivial answer.

    Returns:
        By the row's place; the reason where a row that is not the baseline cannot be opened.

    Raises:
        InputError: Models or data that do not fit together: both sides are named.
    """
    known: dict[str, Asked | CheckFailedError] = {}
    found: dict[int, Asked | CheckFailedError] = {}
    for index, row in enumerate(rows):
        base = found.get(0)
        usual = base if isinstance(base, Asked) else None
        key = str(row.given.path) if row.given.manifest is None else str(row.given.bundle)
        if key not in known:
            known[key] = _ask(row, readings, usual, stated, normal, accept_chance)
        asked = known[key]
        if isinstance(asked, Asked) and "asked" in row.order:
            # A bundle asks one question; its Keras model may take other numbers than its files do.
            asked = replace(asked, order=row.order["asked"])
        if index == 0 and isinstance(asked, CheckFailedError):
            raise InputError(f"the baseline cannot be opened: {asked}")
        found[index] = asked
        if isinstance(asked, Asked):
            _check_alike(row, asked, usual)
    return found


def _ask(
    row: Subject,
    readings: Readings | None,
    usual: Asked | None,
    stated: Mapping[str, str],
    normal: str | None,
    accept_chance: bool,
) -> Asked | CheckFailedError:
    manifest = row.given.manifest
    if manifest is not None:
        if readings is not None:
            readings.task = readings.task or manifest.task.kind
        dataset = None if readings is None else readings.as_contract(manifest.contract.only)
        question = ask(row.given.bundle, manifest, dataset, normal)
        return Asked(question, row.order.get("asked", {}), manifest.contract, manifest.task)
    if readings is None:
        raise InputError(f"{row.artifact} is no bundle, which would hold examples: name a data set with --data")
    # Ways of feeding a model are tried as training tries them; a device that measures a bundle has no such package.
    from .lone import Lone

    try:
        with Worker(row.order) as worker, tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
            told = Told.of(row.artifact, worker.opened["described"])
            lone = Lone(row, told, worker, Path(folder), usual, normal, accept_chance)
            return lone.asked(readings, stated.get(row.artifact, stated.get("")))
    except WorkerError as error:
        return error


def _check_alike(row: Subject, asked: Asked, usual: Asked | None) -> None:
    """Raise InputError where two rows are asked different questions."""
    if usual is None or usual is asked:
        return
    if asked.task.kind != usual.task.kind:
        raise InputError(
            f"{row.artifact} answers a {asked.task.kind} question and the baseline a {usual.task.kind} one: "
            "models that answer the same one are compared; --task says which"
        )
    own, base = asked.question, usual.question
    if len(own.examples) != len(base.examples):
        raise InputError(
            f"{row.artifact} is asked {len(own.examples)} examples and the baseline {len(base.examples)}: "
            "name the data with --data"
        )
