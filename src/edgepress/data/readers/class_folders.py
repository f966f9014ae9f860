"""A folder for each class, image files inside: `cats/1.png`, `dogs/7.jpg`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.preprocess.pictures import read_picture

from ..dataset import Dataset

__all__ = ["read_class_folders"]

_SUFFIXES = {".png", ".jpg", ".jpeg"}
_MAX_PIXELS = 1_000_000
_TEST_EVERY = 5


def read_class_folders(folder: Path) -> Dataset:
    """Read PNG and JPEG files, grey or RGB, all of one size.

    Either `folder/train/<class>/` and `folder/test/<class>/`, or `folder/<class>/`, whose every fifth file (by name)
    is then the test set. Classes are numbered in the order of their names.

    Raises:
        InputError: No classes, an unreadable image, or images of several sizes.
    """
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        parts = {part: _files_by_class(folder / part) for part in ("train", "test")}
        if list(parts["train"]) != list(parts["test"]):
            raise InputError(
                f"{folder}: train has the classes {list(parts['train'])}, test {list(parts['test'])}: make them equal"
            )
    else:
        classes = _files_by_class(folder)
        parts = {
            "train": {name: [f for i, f in enumerate(files) if i % _TEST_EVERY] for name, files in classes.items()},
            "test": {name: files[::_TEST_EVERY] for name, files in classes.items()},
        }
    labels = tuple(parts["train"])
    if len(labels) < 2:
        raise InputError(f"{folder} has {len(labels)} folders with PNG or JPEG files: at least two classes are needed")
    x_train, x_test = _one_mode(
        *(_read_images([f for files in part.values() for f in files]) for part in parts.values())
    )
    y_train, y_test = (
        np.repeat(np.arange(len(labels)), [len(files) for files in part.values()]) for part in parts.values()
    )
    return Dataset(folder.resolve().name, x_train, y_train, x_test, y_test, labels)


def _files_by_class(folder: Path) -> dict[str, list[Path]]:
    classes = {}
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in inner.iterdir() if path.suffix.lower() in _SUFFIXES)
        if files:
            classes[inner.name] = files
    return classes


def _read_images(files: list[Path]) -> list[NDArray[np.uint8]]:
    images: list[NDArray[np.uint8]] = []
    for file in files:
        pixels = read_picture(file, most_pixels=_MAX_PIXELS)
        # Transparency has no place in a training picture: the colours under it count.
        images.append(pixels[..., :3] if pixels.ndim == 3 else pixels)
        if images[-1].shape[:2] != images[0].shape[:2]:
            sizes = [" x ".join(map(str, image.shape[1::-1])) for image in (images[-1], images[0])]
            raise InputError(f"{file} is {sizes[0]}, {files[0]} is {sizes[1]}: bring all images to one size")
    return images


def _one_mode(*parts: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Stack each part; where one image of any part has colour, the grey ones become RGB."""
    colour = any(image.ndim == 3 for part in parts for image in part)
    return [
        np.stack([np.repeat(i[..., None], 3, -1) if colour and i.ndim == 2 else i for i in part])
        if part
        else np.zeros((0, 1, 1), np.uint8)
        for part in parts
    ]
