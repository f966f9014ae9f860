"""A folder for each class, with pictures or recordings inside: `cats/1.png`, `dogs/7.jpg`; `yes/a.wav`, `no/b.wav`."""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Input

from ..arrays import dataset_of_arrays
from ..dataset import Dataset
from ..options import Options
from ..rows import select
from .class_pictures import PICTURE_SUFFIXES, read_pictures
from .class_recordings import RECORDING_SUFFIXES, read_recordings
from .files import File, Folder, part_of, read_folder

__all__ = ["FolderFile", "folder_files", "is_class_folders", "read_class_folders"]

logger = logging.getLogger(__name__)

_TEST_EVERY = 5
_WHOLE = ""
"""Stands for the parts where there are none."""
_Classes = dict[str, list[File]]


_Reading = Callable[[list[File], Options], tuple[Input, NDArray[Any]]]
_MEDIA: dict[str, tuple[tuple[str, ...], _Reading]] = {
    "pictures": (PICTURE_SUFFIXES, read_pictures),
    "recordings": (RECORDING_SUFFIXES, read_recordings),
}
"""What may lie in class folders: the names of such files, and (files, options) -> what they are, and their arrays."""


def is_class_folders(path: Path) -> bool:
    """Any folder, and any `.zip` archive."""
    return path.is_dir() or (path.is_file() and path.suffix.lower() == ".zip")


def read_class_folders(path: Path, options: Options) -> Dataset:
    """Read class folders as Keras' `image_dataset_from_directory` and `audio_dataset_from_directory` do.

    Either `<class>/`, or parts (`train`, `validation`, `test`, as `files.PART_NAMES` calls them) with class folders in
    each; both may lie in one folder more. Without parts every fifth file of a class, by name, is the test set. Where
    there is a validation part and no test part, it is the test set: what is held back for choices is then drawn from
    the training part. Classes are numbered in the order of their names.

    Raises:
        InputError: No classes, a class without training examples, files of no or of several kinds, and whatever
            `read_pictures` and `read_recordings` refuse.
    """
    parts = {part or "train": folder for part, folder in _parts(path, read_folder(path)).items()}
    medium = _medium(path, parts)
    suffixes, read = _MEDIA[medium]
    files = {part: _by_class(folder, suffixes) for part, folder in parts.items()}
    names = _names(path, files, medium, options)
    _say_what_is_odd(path, parts, suffixes, medium)
    if "test" not in files:
        if "validation" in files:
            files["test"] = files.pop("validation")
            logger.info("%s has no test part: its validation part is the test set", path)
        else:
            files |= _split(files["train"])
    order = [file for classes in files.values() for held in classes.values() for file in held]
    described, values = read(order, options)
    return _dataset(path, files, names, described, values, options)


class FolderFile(NamedTuple):
    """A file, and what the folders that it lies in say of it."""

    file: File
    label: str | None
    """The class; None where it lies in no class folder."""
    part: str | None
    """None where there are no class folders to draw a test part from."""


def folder_files(path: Path, suffixes: tuple[str, ...]) -> list[FolderFile]:
    """Every file that is called so, with its class and part as `read_class_folders` tells them.

    Nothing is asked of the classes: there may be one, or none. Parts follow one another, files in the order of their
    names.
    """
    parts = _parts(path, read_folder(path), to_train=False)
    if _WHOLE not in parts:
        return [
            FolderFile(file, name, part)
            for part, folder in parts.items()
            for name, files in _by_class(folder, suffixes).items()
            for file in files
        ]
    top = parts[_WHOLE]
    found = [FolderFile(file, None, None) for file in top.files if file.suffix in suffixes]
    classes = _by_class(top, suffixes)
    for name, tests in _tests(classes).items():
        drawn = {file.place for file in tests}
        found += [FolderFile(file, name, "test" if file.place in drawn else "train") for file in classes[name]]
    return found


def _dataset(
    path: Path,
    files: dict[str, _Classes],
    names: tuple[str, ...],
    described: Input,
    values: NDArray[Any],
    options: Options,
) -> Dataset:
    given, start = {}, 0
    for part, classes in files.items():
        labels = np.array([names.index(name) for name, held in classes.items() for _ in held], np.int64)
        # Of one folder all are normal: there is nothing to tell apart.
        given[part] = (select(values, slice(start, start + len(labels))), None if len(names) == 1 else labels)
        start += len(labels)
    return dataset_of_arrays(
        path.resolve().stem if path.is_file() else path.resolve().name,
        given["train"],
        given["test"],
        validation=given.get("validation"),
        names=names if len(names) > 1 else (),
        anomalies=options.anomalies,
        inputs={"": described},
    )


def _parts(path: Path, folder: Folder, *, to_train: bool = True) -> dict[str, Folder]:
    """Part to the folder of its classes; `_WHOLE` alone where there are no parts."""
    while True:
        found: dict[str, Folder] = {}
        for name, inner in folder.folders.items():
            part = part_of(name)
            # A class may be called "train", too: parts are those with classes in them.
            if part is not None and inner.folders:
                if part in found:
                    raise InputError(f"{path} has {found[part].name} and {name}: one {part} part is allowed")
                found[part] = inner
        if "train" in found or (found and not to_train):
            others = sorted(set(folder.folders) - {inner.name for inner in found.values()})
            if others:
                logger.warning("%s: %s beside the parts %s: left out", path, ", ".join(others), ", ".join(found))
            return found
        if found:
            held = ", ".join(inner.name for inner in found.values())
            raise InputError(f"{path} has the parts {held} and none to train on: add a folder train")
        only = next(iter(folder.folders.values()), None)
        if len(folder.folders) != 1 or folder.files or only is None or not only.folders:
            return {_WHOLE: folder}
        folder = only


def _medium(path: Path, parts: dict[str, Folder]) -> str:
    suffixes = {file.suffix for folder in parts.values() for inner in folder.folders.values() for file in inner.walk()}
    found = [name for name, (known, _) in _MEDIA.items() if suffixes & set(known)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{path} has {' and '.join(found)}: folders of one kind are allowed")
    allowed = "; ".join(f"{name} ({' '.join(known)})" for name, (known, _) in _MEDIA.items())
    held = ", ".join(sorted(suffixes - {""})[:5]) or "no files"
    raise InputError(f"{path} has {held} in its folders: a folder a class is read, with {allowed}")


def _by_class(folder: Folder, suffixes: tuple[str, ...]) -> _Classes:
    return {name: [file for file in inner.walk() if file.suffix in suffixes] for name, inner in folder.folders.items()}


def _say_what_is_odd(path: Path, parts: dict[str, Folder], suffixes: tuple[str, ...], medium: str) -> None:
    """Files of other kinds, which are left out as Keras leaves them out, and classes that look like parts."""
    classes = [inner for folder in parts.values() for inner in folder.folders.values()]
    others = Counter(file.suffix or "none" for inner in classes for file in inner.walk() if file.suffix not in suffixes)
    if others:
        told = ", ".join(f"{count} of {suffix}" for suffix, count in others.most_common(5))
        logger.warning("%s: files that are no %s by their name are left out (%s)", path, medium, told)
    inner_names = {frozenset(inner.folders) for inner in classes}
    if len(classes) > 1 and len(inner_names) == 1 and not any(inner.files for inner in classes):
        logger.warning(
            "%s: the classes are %s, and each holds the folders %s; if those are the classes, call the outer ones "
            "train and test",
            path,
            ", ".join(inner.name for inner in classes),
            ", ".join(sorted(*inner_names)),
        )


def _names(path: Path, files: dict[str, _Classes], medium: str, options: Options) -> tuple[str, ...]:
    """The classes' names, sorted.

    Raises:
        InputError: Fewer than two, a part without files, or a class without training files that is no anomaly.
    """
    found = sorted({name for classes in files.values() for name in classes})
    if not found or (len(found) < 2 and not options.normal_alone):
        held = f"the folder {found[0]}" if found else "no folders"
        raise InputError(
            f"{path} has {held}: a folder a class is read, and at least two classes are needed, or one of "
            "normal examples and --task anomaly"
        )
    for part, classes in files.items():
        if not any(classes.values()):
            raise InputError(f"{path}: {part} has no {medium}: add some, or remove the folder")
    empty = [name for name in found if not files["train"].get(name)]
    if empty and not options.anomalies:
        others = f" (nor of {len(empty) - 1} others)" if len(empty) > 1 else ""
        raise InputError(
            f"{path}: no {medium} of class {empty[0]!r}{others} to train on: add some, or remove the folder"
        )
    return tuple(found)


def _tests(classes: _Classes) -> _Classes:
    return {name: held[::_TEST_EVERY] if len(held) > 1 else [] for name, held in classes.items()}


def _split(classes: _Classes) -> dict[str, _Classes]:
    """Every fifth file is a test; the one file of a class is none."""
    tests = _tests(classes)
    train = {
        name: [file for i, file in enumerate(held) if i % _TEST_EVERY or len(held) == 1]
        for name, held in classes.items()
    }
    if not any(tests.values()):
        raise InputError("one file in each class folder: at least 2 are needed, one to fit and one to test")
    return {"train": train, "test": tests}
