"""What a model is asked about: examples that are read in pieces, and what is known of each."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.benchmarks.question import ANOMALY_NAMES, inputs_of, reading
from edgepress.data import NOTHING, Dataset, Options, Targets, load_dataset, with_normal
from edgepress.data.arrays import split_off_test
from edgepress.data.dataset import CLASSES, Part
from edgepress.data.readers.class_folders import folder_files
from edgepress.data.readers.class_pictures import PICTURE_SUFFIXES
from edgepress.data.readers.class_recordings import RECORDING_SUFFIXES
from edgepress.data.readers.idx import is_idx_folder
from edgepress.data.readers.npz import npy_rows
from edgepress.data.rows import joined, select
from edgepress.runtime import InputError, Model
from edgepress.runtime.contract import Audio, Features, Picture

from .columns import dictionary, true_columns
from .files import FileRows, is_table, part_tables, table_numbers

__all__ = ["ALL", "PARTS", "Asked", "ask"]

_LOG = logging.getLogger("edgepress")
ALL = "all"
PARTS = ("train", "validation", "test")
_SUFFIXES: dict[type, tuple[str, ...]] = {Picture: PICTURE_SUFFIXES, Audio: RECORDING_SUFFIXES}
"""Of the files that hold one example of a kind of input."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Examples in their order."""

    name: str
    inputs: Mapping[str, Any]
    """By the model's input name, (n, ...) each: arrays or `Rows`. The name is empty where there is one input."""
    known: Mapping[str, Any]
    """Columns of the answers that the data give, n values each: `index` (where an example stands in the data), `file`,
    `part`, and what is right."""
    identity: str
    """A digest of what the source was when it was read."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def piece(self, start: int, stop: int) -> Any:
        """Examples as `Model.predict` takes them."""
        if "" in self.inputs:
            return self.inputs[""][start:stop]
        return {name: values[start:stop] for name, values in self.inputs.items()}


class _Found(NamedTuple):
    """What a source holds, before a part of it is chosen."""

    inputs: Mapping[str, Any]
    places: NDArray[np.int64]
    parts: NDArray[np.str_] | None
    """Of each example; None where there are none to choose from."""
    known: Mapping[str, Any]
    truth: tuple[Targets, NDArray[Any]] | None = None


def ask(model: Model, source: Any, options: Options, *, part: str = ALL, normal: str | None = None) -> Asked:
    """Read a source for a model.

    Args:
        model: What will be asked.
        source: A name or path, as `edgepress.data.load_dataset` takes it, with which classes may lack; a folder or
            `.zip` of files in any folders; a table without a label; one array (`.npy`).
        options: How it is read.
        part: train, validation, test, or all.
        normal: For anomalies: the class that is normal.

    Raises:
        InputError: Nothing to ask about, or not what the model takes.
        MissingExtraError: The package that reads this is not installed.
    """
    if model.task is None:
        raise InputError(f"{model.artifact.file} does not say what its outputs mean: name a bundle")
    if normal is not None and not model.task.traits.reconstructs:
        raise InputError(f"--normal is for anomalies, and {model.artifact.file} is {model.task.kind}: leave it out")
    path = Path(source).expanduser()
    reader = next(each for each in _SOURCES if each.suits(model, path))
    unused = [name for name in _READ if getattr(options, name) is not None and name not in reader.takes]
    if unused:
        raise InputError(f"--{unused[0].replace('_', '-')} says nothing about {path}, which {reader.how}: leave it out")
    found = reader.read(model, path, options, normal)
    return _chosen(path, found, model, part)


def _chosen(path: Path, found: _Found, model: Model, part: str) -> Asked:
    arrow = require("pyarrow", extra="table")
    chosen: Any = slice(None)
    columns: dict[str, Any] = {}
    if part != ALL:
        there = () if found.parts is None else tuple(name for name in PARTS if (found.parts == name).any())
        if part not in there:
            raise InputError(f"{path} has no part {part}: it has {', '.join(there) or 'no parts'}; leave --part out")
        chosen = np.flatnonzero(found.parts == part)
    columns["index"] = arrow.array(found.places[chosen])
    if found.parts is not None and part == ALL:
        columns["part"] = dictionary(np.array([PARTS.index(each) for each in found.parts]), PARTS)
    for name, values in found.known.items():
        columns[name] = values if part == ALL else values.take(arrow.array(chosen))
    if found.truth is not None:
        targets, values = found.truth
        names = _names(path, model, targets)
        columns |= {} if names is None else true_columns(targets, values[chosen], names)
    inputs = {name: values if part == ALL else select(values, chosen) for name, values in found.inputs.items()}
    return Asked(path.name, inputs, columns, _identity(path, found))


def _names(path: Path, model: Model, targets: Targets) -> Sequence[str] | None:
    """What right answers are called; None where they answer another question than the model does."""
    task = model.task
    assert task is not None
    fits = targets.kind in task.traits.targets and task.traits.judged
    own, given = model.labels or targets.names, targets.names
    if task.traits.reconstructs:
        own = ANOMALY_NAMES
    unnamed = given == tuple(map(str, range(len(given)))) or task.traits.numeric
    if fits and unnamed and len(given) <= len(own):
        return own[: len(given)]
    if fits and set(given) & set(own):
        return given
    _LOG.warning(
        "%s: its %s (%s) are no answers of this model (%s): none are written as the right ones",
        path, targets.kind, ", ".join(given[:5]), ", ".join(own[:5]) or task.kind,
    )  # fmt: skip
    return None


def _is_files(model: Model, path: Path) -> bool:
    only = model.contract.only if model.contract else None
    is_place = (path.is_dir() and not is_idx_folder(path)) or (path.is_file() and path.suffix.lower() == ".zip")
    return type(only) in _SUFFIXES and is_place


def _files(model: Model, path: Path, options: Options, normal: str | None) -> _Found:
    arrow = require("pyarrow", extra="table")
    assert model.contract is not None
    assert model.contract.only is not None
    suffixes = _SUFFIXES[type(model.contract.only)]
    files = folder_files(path, suffixes)
    if not files:
        raise InputError(f"{path} has no file that this model takes: {' '.join(suffixes)} are read")
    known = {"file": arrow.array(["/".join(each.file.parts) for each in files], arrow.string())}
    labels = [each.label for each in files]
    truth = None
    if all(label is not None for label in labels):
        names = tuple(sorted(set(map(str, labels))))
        places = {name: place for place, name in enumerate(names)}
        truth = Targets(CLASSES, names), np.array([places[str(label)] for label in labels])
        truth = _as_anomalies(model, truth, normal)
    given = [each.part for each in files]
    parts = np.array(given) if all(given) else None
    rows = FileRows([each.file for each in files], model.contract.only)
    return _Found({"": rows}, np.arange(len(files)), parts, known, truth)


def _as_anomalies(
    model: Model, truth: tuple[Targets, NDArray[Any]], normal: str | None
) -> tuple[Targets, NDArray[Any]] | None:
    """Classes as what an anomaly detector answers."""
    assert model.task is not None
    if not model.task.traits.reconstructs:
        return truth
    targets, places = truth
    part = Part({"": places[:, None]}, places)
    try:
        dataset = with_normal(Dataset("data", part, part, {"": Features(("x",))}, targets), normal)
    except InputError as error:
        _LOG.warning("%s; none are written as the right answers", error)
        return None
    return dataset.targets, dataset.y_test


def _is_tables(model: Model, path: Path) -> bool:
    only = model.contract.only if model.contract else None
    return isinstance(only, Features) and (is_table(path) or (path.is_dir() and bool(part_tables(path))))


def _tables(model: Model, path: Path, options: Options, normal: str | None) -> _Found:
    assert model.contract is not None
    contract = model.contract.only
    assert isinstance(contract, Features)
    labels = [] if options.label is None else [label.strip() for label in options.label.split(",")]
    tables = {"": path} if path.is_file() else part_tables(path)
    read = {part: table_numbers(table, contract, labels) for part, table in tables.items()}
    kept: dict[str, list[Any]] = {label: [] for label in labels}
    for _, columns in read.values():
        for label, values in columns.items():
            kept[label] += values
    counts = [len(rows) for rows, _ in read.values()]
    rows = next(iter(read.values()))[0] if len(read) == 1 else np.concatenate([np.asarray(r) for r, _ in read.values()])
    if path.is_file():
        parts = np.full(counts[0], "train", "U10")
        if counts[0] > 1:
            parts[split_off_test(str(path), Part({"": np.arange(counts[0])}))["test"].x] = "test"
    else:
        parts = np.repeat(np.array(list(tables)), counts)
    return _Found({"": rows}, np.arange(sum(counts)), parts, _true_columns(model, kept), None)


def _true_columns(model: Model, kept: Mapping[str, list[Any]]) -> dict[str, Any]:
    """A table's own right answers, as it writes them: numbers for a regression, texts for all else."""
    arrow = require("pyarrow", extra="table")
    assert model.task is not None
    numbers = model.task.traits.numeric
    found = {}
    for label, values in kept.items():
        name = "true_label" if len(kept) == 1 and not numbers else f"true_{label}"
        try:
            plain = [None if v is None else float(v) if numbers else str(v) for v in values]
        except (TypeError, ValueError) as error:
            raise InputError(f"column {label!r}: {error}; the model gives numbers") from None
        found[name] = arrow.array(plain, arrow.float64() if numbers else arrow.string())
    return found


def _is_array(model: Model, path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".npy"


def _array(model: Model, path: Path, options: Options, normal: str | None) -> _Found:
    try:
        values = npy_rows(path)
        if values is None:
            values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} holds no array ({str(error)[:100]}): an .npy file of numbers is read") from None
    if values.ndim < 2 or not len(values):
        raise InputError(f"{path} holds an array of shape {values.shape}: (n, ...) is read, one row an example")
    return _Found({"": values}, np.arange(len(values)), None, {})


def _dataset(model: Model, path: Path, options: Options, normal: str | None) -> _Found:
    if model.contract is None:
        raise InputError(f"{model.artifact.file} does not say how data become its input: name a bundle, or an .npy")
    told = reading(model, task=options.task, input_shape=options.input_shape, seconds=options.seconds)
    dataset = load_dataset(str(path), label=options.label, in_pieces=True, to_fit=False, **told)
    return _of_dataset(model, dataset, normal)


def _of_dataset(model: Model, dataset: Dataset, normal: str | None) -> _Found:
    assert model.contract is not None
    parts = dataset.parts
    counts = [len(part) for part in parts.values()]
    names = np.repeat(np.array(list(parts)), counts)
    held = [part.places for part in parts.values()]
    places = None if any(each is None for each in held) else [each for each in held if each is not None]
    order = slice(None) if places is None else np.argsort(np.concatenate(places))
    index = np.concatenate([np.arange(count) for count in counts]) if places is None else np.arange(sum(counts))
    given = [inputs_of(dataset, model.contract, part) for part in parts.values()]
    one = len(model.contract.inputs) == 1
    inputs = {"" if one else name: joined([each[name] for each in given], places) for name in model.contract.inputs}
    truth = None
    if dataset.targets.kind != NOTHING:
        values = np.concatenate([part.targets for part in parts.values() if part.targets is not None])[order]
        truth = dataset.targets, values
        if dataset.targets.kind == CLASSES:
            truth = _as_anomalies(model, truth, normal)
    return _Found(inputs, index, names[order], {}, truth)


def _identity(path: Path, found: _Found) -> str:
    """What changes when the source does: the name, and of each file its size and the time of its last change."""
    digest = hashlib.sha256(str(path.resolve() if path.exists() else path).encode())
    own = Path(str(path).rpartition(":")[0]) if not path.exists() else path
    places = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [own]
    for place in places:
        if place.is_file():
            state = place.stat()
            digest.update(f"{place} {state.st_size} {state.st_mtime_ns}\n".encode())
    digest.update(str([(name, values.shape, str(values.dtype)) for name, values in found.inputs.items()]).encode())
    return digest.hexdigest()


class _Source(NamedTuple):
    """One sort of source."""

    how: str
    """How it is read, as messages say it."""
    suits: Callable[[Model, Path], bool]
    read: Callable[[Model, Path, Options, str | None], _Found]
    takes: tuple[str, ...]
    """Which of `_READ` concern it."""


_READ = ("label", "task", "input_shape", "seconds")
"""Options about how data are read."""
_SOURCES = (
    _Source("is read by the model's contract", _is_files, _files, ()),
    _Source("is read by the model's contract", _is_tables, _tables, ("label",)),
    _Source("is one array", _is_array, _array, ()),
    _Source("is a data set", lambda model, path: True, _dataset, _READ),
)
"""The first that a source suits reads it."""
