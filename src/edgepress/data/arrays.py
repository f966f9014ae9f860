"""From arrays as people have them to a data set: what kind of input they are, and what kind of targets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime import InputError
from edgepress.runtime.contract import Features, Input, Signal, Tensor

from .convention import picture_of
from .dataset import CLASSES, LABELS, NOTHING, NUMBERS, Dataset, Part, Targets
from .rows import Rows, StoredRows, bounds, in_pieces, mapped

__all__ = ["Inputs", "dataset_of_arrays", "split_off_test"]

Inputs = NDArray[Any] | Mapping[str, NDArray[Any]]
"""One array, or arrays by input name."""

_TEST_SHARE = 1 / 5
_FEW_CLASSES = 20
"""Up to so many, whole numbers with gaps are classes of which some are missing; beyond, they may be anything."""
_SMALLEST_SIDE = 8
"""Of a picture that numbers without channels may be: anything smaller is a window of a signal."""
_PIXEL_WAYS = ((1.0, 0.0), (255.0, 0.0), (127.5, 127.5))
"""Factor and offset that make pixels of 0 to 255, of 0 to 1, and of -1 to 1."""


def dataset_of_arrays(
    name: str,
    train: tuple[Inputs, Any],
    test: tuple[Inputs, Any] | None = None,
    *,
    validation: tuple[Inputs, Any] | None = None,
    names: Sequence[str] = (),
    numbers: bool = False,
    anomalies: bool = False,
    inputs: Mapping[str, Input] | None = None,
) -> Dataset:
    """A data set of arrays in memory.

    Args:
        name: As it stands in tables.
        train: Inputs and targets (None where there are none). Whole numbers 0 to 255 in the shape of pictures are
            pixels, and so are floats that are pixels / 255 or / 127.5 - 1; rows of numbers are features; (n, steps,
            channels) are signals; all else are tensors. Targets are class indices (n,) or (n, 1), one-hot rows, class
            names, several labels of 0 and 1 a row, or numbers.
        test: Likewise; a fifth of `train`, drawn at random, where there is none.
        validation: Likewise; what is held back of `train` where there is none.
        names: Of classes, labels or numbers.
        numbers: Whole numbers among the targets are numbers, not classes.
        anomalies: Classes may be without training examples: nobody has all that can go wrong.
        inputs: What is known of each input already, by its name.

    Raises:
        InputError: Arrays that do not agree, or that could mean several things.
    """
    given = {"train": train} | ({"validation": validation} if validation else {}) | ({"test": test} if test else {})
    arrays = {part: _by_name(x, f"{name}: {part}") for part, (x, _) in given.items()}
    targets = {part: None if y is None else np.asarray(y) for part, (_, y) in given.items()}
    for part, y in targets.items():
        counts = [len(values) for values in arrays[part].values()]
        if len(set(counts)) > 1:
            came = ", ".join(f"{key} {len(values)}" for key, values in arrays[part].items())
            raise InputError(f"{name}: inputs of {part} have unlike numbers of examples ({came}): as many of each")
        if not counts[0]:
            raise InputError(f"{name}: {part} has no examples: at least one is needed")
        if y is not None and (y.ndim == 0 or len(y) != counts[0]):
            raise InputError(f"{name}: {part} has {counts[0]} examples and targets of shape {y.shape}: as many of each")
    described: dict[str, Input] = {}
    converted: dict[str, dict[str, NDArray[Any]]] = {part: {} for part in given}
    for key in arrays["train"]:
        columns = [arrays[part][key] for part in given if key in arrays[part]]
        if len(columns) != len(given):
            raise InputError(f"{name}: input {key} is not in every part: give each part the same inputs")
        described[key], fresh = _input(name, columns, (inputs or {}).get(key))
        for part, values in zip(given, fresh, strict=True):
            converted[part][key] = values
    kind, answers = _targets(name, targets, tuple(map(str, names)), numbers=numbers, anomalies=anomalies)
    parts = {part: Part(converted[part], answers[part]) for part in given}
    if "test" not in parts:
        parts |= split_off_test(name, parts["train"])
    return Dataset(name, parts["train"], parts["test"], described, kind, parts.get("validation"))


def split_off_test(name: str, part: Part) -> dict[str, Part]:
    """Four fifths and a fifth, drawn at random and the same each time: archives are often sorted by class."""
    part = replace(part, places=np.arange(len(part)))
    order = np.random.default_rng(0).permutation(len(part))
    count = max(1, round(len(part) * _TEST_SHARE))
    if len(part) < 2:
        raise InputError(f"{name}: {len(part)} example: at least 2 are needed, one to fit and one to test")
    return {"train": part[np.sort(order[count:])], "test": part[np.sort(order[:count])]}


def _by_name(x: Inputs, what: str) -> dict[str, NDArray[Any]]:
    arrays = dict(x) if isinstance(x, Mapping) else {"": x}
    found = {key: values if isinstance(values, Rows) else np.asarray(values) for key, values in arrays.items()}
    for key, values in found.items():
        if values.dtype.kind not in "fiub" or values.ndim < 1:
            raise InputError(
                f"{what} {key or 'examples'} are {values.dtype} {values.shape}: arrays of numbers, (n, ...)"
            )
        count = 0
        if values.dtype.kind == "f":
            count = sum(int((~np.isfinite(piece)).sum()) for piece in in_pieces(values)) if values.size else 0
        if count:
            raise InputError(f"{what} {key or 'examples'} hold NaN or infinity ({count} of them): finite numbers only")
    return found


def _input(name: str, columns: list[NDArray[Any]], known: Input | None) -> tuple[Input, list[NDArray[Any]]]:
    """What an input is, and its arrays of every part in that form."""
    first = columns[0]
    if known is not None:
        return known, [values.astype(known.dtype, copy=False) for values in columns]
    pixels = _as_pixels(name, columns)
    if pixels is not None:
        return picture_of(pixels[0]), pixels
    floats = [values.astype(np.float32) for values in columns]
    if first.ndim == 1:
        return Features(("x",)), [values[:, None] for values in floats]
    if first.ndim == 2:
        return Features(tuple(f"x{i}" for i in range(first.shape[1]))), floats
    if first.ndim == 3:
        return Signal(first.shape[1], tuple(f"channel{i}" for i in range(first.shape[2]))), floats
    return Tensor(first.shape[1:]), floats


def _as_pixels(name: str, columns: list[NDArray[Any]]) -> list[NDArray[np.uint8]] | None:
    """The arrays as pixels (n, height, width[, 3]), where they are some."""
    first = columns[0]
    if first.ndim == 4 and first.shape[1] in (1, 3) and first.shape[-1] not in (1, 3, 4) and first.dtype.kind in "iu":
        raise InputError(
            f"{name} has pictures of shape {first.shape[1:]}, channels first: bring them last, as in "
            "x.transpose(0, 2, 3, 1)"
        )
    is_grey = first.ndim == 3 and min(first.shape[1:]) >= _SMALLEST_SIDE
    if not (is_grey or (first.ndim == 4 and first.shape[-1] in (1, 3, 4))):
        return None
    # The first way that fits every part: values as they are, of 0 to 1, of -1 to 1.
    for factor, offset in _PIXEL_WAYS:
        fresh = [_pixels(values, factor, offset) for values in columns]
        if all(values is not None for values in fresh):
            return [_drop_channels(values) for values in fresh if values is not None]
    if all(any(_pixels(values, *way) is not None for way in _PIXEL_WAYS) for values in columns):
        ranges = ", ".join("{:g} to {:g}".format(*bounds(values)) for values in columns)
        raise InputError(f"{name}: the pixels of its parts run from {ranges}: bring all parts to one range")
    return None


def _pixels(values: Any, factor: float, offset: float) -> Any:
    """The values as pixels, an array or `Rows` as they are; None where they are none in this way."""
    if values.dtype == np.uint8:
        return values if factor == 1.0 else None
    if values.dtype == bool:
        return mapped(values, _black_and_white, np.uint8)
    slack = 0.0 if values.dtype.kind in "iu" else 0.01
    highest = -1.0
    for piece in in_pieces(values):
        levels = _levels(piece, factor, offset)
        whole = np.rint(levels)
        if piece.size == 0 or whole.min() < 0 or whole.max() > 255 or np.abs(levels - whole).max() > slack:
            return None
        highest = max(highest, float(whole.max()))
    # 0 and 1 alone would pass for pixels as they are, and for pixels / 255.
    if highest < 0 or (factor == 1.0 and values.dtype.kind == "f" and highest <= 1):
        return None
    return mapped(values, partial(_whole_levels, factor=factor, offset=offset), np.uint8)


def _levels(values: NDArray[Any], factor: float, offset: float) -> NDArray[np.float64]:
    return values.astype(np.float64) * factor + offset


def _whole_levels(values: NDArray[Any], factor: float, offset: float) -> NDArray[np.uint8]:
    whole: NDArray[np.uint8] = np.rint(_levels(values, factor, offset)).astype(np.uint8)
    return whole


def _black_and_white(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return bits.astype(np.uint8) * np.uint8(255)


def _first_channel(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels[..., 0]


def _colours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels[..., :3])


def _drop_channels(pixels: Any) -> Any:
    """Grey without an axis for it, colours without transparency: the colours under it count."""
    channels = pixels.shape[3:]
    if channels in ((), (3,)):
        return pixels
    if isinstance(pixels, StoredRows) and channels == (1,):
        return pixels.reshaped(pixels.shape[:3])
    if channels == (1,):
        return mapped(pixels, _first_channel, np.uint8, pixels.shape[1:3])
    return mapped(pixels, _colours, np.uint8, (*pixels.shape[1:3], 3))


def _targets(
    name: str, given: Mapping[str, NDArray[Any] | None], names: tuple[str, ...], *, numbers: bool, anomalies: bool
) -> tuple[Targets, Mapping[str, NDArray[Any] | None]]:
    if any(values is None for values in given.values()):
        if not all(values is None for values in given.values()):
            raise InputError(f"{name}: some parts have targets and some have none: give all or none")
        return Targets(NOTHING), dict(given)
    flat = {part: _one_axis(name, values) for part, values in given.items() if values is not None}
    every = np.concatenate(list(flat.values()))
    if every.dtype.kind in "US":
        flat = {part: _texts(name, values) for part, values in flat.items()}
        classes = tuple(map(str, np.unique(np.concatenate(list(flat.values())))))
        if names and set(classes) <= set(names):
            # A model's outputs may stand in another order than the alphabet's.
            classes = names
        places = {text: place for place, text in enumerate(classes)}
        answers = {part: np.array([places[str(text)] for text in values]) for part, values in flat.items()}
        return _classes(name, answers, classes, anomalies=anomalies)
    if every.dtype.kind == "f" and not np.isfinite(every).all():
        raise InputError(f"{name}: targets hold NaN or infinity: every example needs one")
    if every.dtype == bool and every.ndim == 1:
        return _classes(
            name,
            {part: values.astype(np.int64) for part, values in flat.items()},
            names or ("False", "True"),
            anomalies=anomalies,
        )
    whole = every.dtype.kind in "iub" or bool((every == np.rint(every)).all())
    if every.ndim == 2 and whole and not numbers and set(np.unique(every).tolist()) <= {0, 1}:
        if (every.sum(axis=1) == 1).all():
            answers = {part: values.argmax(axis=1) for part, values in flat.items()}
            return _classes(name, answers, names, width=every.shape[1], anomalies=anomalies)
        wanted = names or tuple(map(str, range(every.shape[1])))
        _check_names(name, wanted, every.shape[1], exactly=True)
        return Targets(LABELS, wanted), {part: values.astype(np.int64) for part, values in flat.items()}
    if every.ndim == 1 and whole and not numbers:
        found = np.unique(every).astype(np.int64)
        continuous = len(found) == int(every.max()) + 1 and every.min() == 0
        # Two numbers alone are a yes and a no, however they are written.
        if continuous or len(found) == 2 or (every.dtype.kind in "iu" and len(found) <= _FEW_CLASSES):
            return _classes(
                name, {part: values.astype(np.int64) for part, values in flat.items()}, names, anomalies=anomalies
            )
        if every.dtype.kind in "iu":
            raise InputError(
                f"{name}: targets are {len(found)} different whole numbers from {every.min()} to {every.max()}: say "
                "which they are with --task multiclass (indices from 0 without gaps) or --task regression"
            )
    columns = {part: values.reshape(len(values), -1).astype(np.float32) for part, values in flat.items()}
    width = next(iter(columns.values())).shape[1]
    wanted = names or (("value",) if width == 1 else tuple(f"value{i}" for i in range(width)))
    _check_names(name, wanted, width, exactly=True)
    return Targets(NUMBERS, wanted), columns


def _one_axis(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Targets (n,) or (n, k); an axis of size 1 is dropped."""
    if values.dtype == object and all(isinstance(each, str) for each in values.ravel()):
        # As pandas keeps its texts.
        values = values.astype(str)
    if values.dtype == object:
        raise InputError(f"{name}: targets are Python objects: save them as an array of numbers or of texts")
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim not in (1, 2):
        raise InputError(
            f"{name}: targets of shape {values.shape}: (n,) or (n, k) is allowed, one row an example, or --task "
            "raw, which needs none"
        )
    return flat


def _texts(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Names of classes without the spaces around them, whether they came as text or as bytes in UTF-8."""
    if values.ndim != 1:
        raise InputError(f"{name}: targets are texts of shape {values.shape}: one text an example is allowed")
    try:
        texts = np.char.strip(np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values)
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: targets are bytes that are no UTF-8 ({error.reason}): save them as texts") from None
    if (texts == "").any():
        raise InputError(f"{name}: {int((texts == '').sum())} of {len(texts)} targets are empty: name each class")
    return np.asarray(texts)


def _classes(
    name: str, answers: dict[str, NDArray[Any]], names: tuple[str, ...], *, width: int = 0, anomalies: bool
) -> tuple[Targets, Mapping[str, NDArray[Any] | None]]:
    every = np.concatenate(list(answers.values()))
    low, high = int(every.min()), int(every.max())
    if low < 0:
        raise InputError(
            f"{name}: labels run from {low} to {high}: class indices count from 0; number them 0, 1, "
            "2 ..., or say --task regression"
        )
    if low == 1 and not names and len(np.unique(every)) == high:
        raise InputError(
            f"{name}: labels run from 1 to {high} and none is 0: class indices count from 0; subtract 1 from them"
        )
    count = max(width, high + 1, len(names))
    wanted = names or tuple(map(str, range(count)))
    _check_names(name, wanted, high + 1, exactly=False)
    missing = sorted(set(range(count)) - set(np.unique(answers["train"]).tolist()))
    if missing and not anomalies:
        shown = ", ".join(repr(wanted[i]) for i in missing[:5]) + (" ..." if len(missing) > 5 else "")
        raise InputError(f"{name}: no training example of class {shown}: add some, or number the classes without gaps")
    if count < 2:
        raise InputError(f"{name}: all examples are of one class: at least two are needed")
    return Targets(CLASSES, wanted), {part: values.astype(np.int64) for part, values in answers.items()}


def _check_names(name: str, names: tuple[str, ...], count: int, *, exactly: bool) -> None:
    if len(names) < count or (exactly and len(names) > count):
        raise InputError(f"{name}: {len(names)} names for {count} outputs: one name each is allowed")
