"""Objects in memory as a data set: arrays, sequences of examples, Keras' and TensorFlow's data sets."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError
from edgepress.runtime.contract import Features, Input

from .arrays import dataset_of_arrays
from .dataset import Dataset
from .gathered import Gathered
from .options import Options
from .readers.columns import arrow_columns
from .readers.files import part_of
from .readers.npz import dataset_of_members
from .readers.tables import table_dataset
from .rows import bounds, mapped

__all__ = ["FORMS", "dataset_in_memory"]

FORMS = (
    "(x_train, y_train, x_test, y_test), (x, y) or ((x_train, y_train), (x_test, y_test)) of arrays; a Keras "
    "PyDataset; a tf.data.Dataset; a DataFrame with a label; a sequence of (x, y); "
    "or a dict of parts (train, validation, test)"
)
_ALLOWED = f"data are {FORMS}"
_Pair = tuple[Any, Any]


def dataset_in_memory(data: Any, name: str, options: Options) -> Dataset:
    """A data set of objects in memory.

    Args:
        data: One of these, each (x, y) of arrays or arrays by input name:
            - (x_train, y_train, x_test, y_test), ((x_train, y_train), (x_test, y_test)), (x, y), (x,) or x alone;
            - a Keras PyDataset or Sequence: its items are **batches**, (x, y) or (x, y, weights);
            - any other sequence with a length and `[i]`: its items are **examples**, (x, y), or x alone;
            - a tf.data.Dataset, batched where its first dimension is not fixed or `batch` was called last;
            - a pandas or Polars DataFrame with the column `options.label`: as a table in a file;
            - two of the last three: training and test;
            - a dict of the parts train, validation, test, each any of these;
            - a dict of arrays, under the names that an `.npz` has: `x_train`, ..., or each input's, and `labels`.
        name: As it stands in tables.
        options: `task` decides what whole numbers are.

    Raises:
        InputError: None of these.
    """
    if _is_frame(data):
        return _of_frame(data, name, options)
    parts = _parts(data)
    if parts.get("train") is data and isinstance(data, Mapping):
        return dataset_of_members(name, name, {str(key): np.asarray(each) for key, each in data.items()}, options)
    names = next((_class_names(given) for given in parts.values() if _class_names(given)), ())
    pairs = {part: _pair(given, options) for part, given in parts.items()}
    if options.raw:
        pairs = {part: (x, None) for part, (x, _) in pairs.items()}
    if "train" not in pairs:
        raise InputError(f"data have the parts {', '.join(pairs)} and none to train on: give a part train")
    validation, test = pairs.get("validation"), pairs.get("test")
    if test is None:
        test, validation = validation, None
    return dataset_of_arrays(
        name,
        pairs["train"],
        test,
        validation=validation,
        names=names,
        numbers=options.numbers,
        anomalies=options.anomalies,
        inputs=_named_columns(parts["train"]),
    )


def _is_frame(given: Any) -> bool:
    return _from(given, "pandas", "DataFrame") or _from(given, "polars", "DataFrame")


def _of_frame(frame: Any, name: str, options: Options) -> Dataset:
    """A pandas or Polars table, through pyarrow, which reads it as it reads a file."""
    if _from(frame, "polars"):
        table = frame.to_arrow()
    else:
        arrow = require("pyarrow", extra="table")
        try:
            table = arrow.Table.from_pandas(frame, preserve_index=False)
        except arrow.ArrowException as error:
            raise InputError(f"{name}: the table has columns of mixed types ({error}): give each column one") from None
        except ValueError as error:
            raise InputError(f"{name} is no table ({error}): give each column a name of its own") from None
    return table_dataset(name, name, arrow_columns(name, table), options)


def _named_columns(given: Any) -> dict[str, Input] | None:
    """Where the inputs are a table of numbers, the columns keep their names."""
    x = given[0] if isinstance(given, tuple) and given else given
    if not _is_frame(x) or np.asarray(x).dtype.kind not in "fiub":
        return None
    return {"": Features(tuple(map(str, x.columns)))}


def _parts(data: Any) -> dict[str, Any]:
    """Part to what it is made from."""
    if isinstance(data, Mapping) and data and all(part_of(str(key)) for key in data):
        return {str(part_of(str(key))): given for key, given in data.items()}
    if isinstance(data, tuple):
        if len(data) == 4:
            return {"train": data[:2], "test": data[2:]}
        if len(data) == 2 and all(isinstance(each, tuple) and len(each) == 2 for each in data):
            return dict(zip(("train", "test"), data, strict=True))
        if len(data) == 2 and all(_is_tensorflow(each) or _is_batches(each) or _is_examples(each) for each in data):
            return dict(zip(("train", "test"), data, strict=True))
        if len(data) not in (1, 2):
            raise InputError(f"a tuple of {len(data)}: {_ALLOWED}")
    return {"train": data}


def _pair(given: Any, options: Options) -> _Pair:
    """Inputs and targets of one part."""
    if isinstance(given, tuple) and len(given) in (1, 2):
        return _inputs(given[0]), _array(given[1]) if len(given) == 2 else None
    if isinstance(given, np.ndarray | Mapping) or hasattr(given, "__array__"):
        return _inputs(given), None
    if _is_tensorflow(given):
        x, y = _joined(given.as_numpy_iterator(), options, batched=_is_batched(given))
        # image_dataset_from_directory: pixels that were scaled, and are not whole any more.
        if hasattr(given, "file_paths") and _is_levels(x):
            x = mapped(x, np.rint, x.dtype)
        return x, y
    if _is_batches(given):
        return _joined((given[i] for i in range(len(given))), options, batched=True)
    if hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, str | bytes):
        return _joined((given[i] for i in range(len(given))), options, batched=False)
    raise InputError(f"{type(given).__name__}: {_ALLOWED}")


def _joined(items: Iterator[Any], options: Options, *, batched: bool) -> _Pair:
    """Examples or batches as arrays of all, or as `Rows` of many with `options.in_pieces`."""
    xs: dict[str, Gathered] = {}
    ys: list[Any] = []
    count, several = 0, False
    try:
        for item in items:
            has_targets = isinstance(item, tuple | list) and len(item) in (2, 3)
            given = _inputs(item[0] if has_targets else item)
            several = isinstance(given, Mapping)
            named = given if isinstance(given, Mapping) else {"": given}
            if not xs:
                xs = {key: Gathered(in_pieces=options.in_pieces) for key in named}
            if set(named) != set(xs):
                raise ValueError(f"{', '.join(named)} after {', '.join(xs)}")
            for key, values in named.items():
                xs[key].add(values if batched else values[None])
            ys += [_array(item[1])] if has_targets else []
            count += 1
        if len(ys) not in (0, count):
            raise InputError("some examples have targets and some have none: give all or none")
        x: Any = {key: gathered.whole() for key, gathered in xs.items()}
        y = (np.concatenate if batched else np.stack)(ys) if ys else None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the examples do not agree ({error}): every example has the same inputs and shape") from None
    if not count:
        raise InputError("the data hold no examples: at least 2 are needed")
    return x if several else x[""], y


def _inputs(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {str(key): _array(values) for key, values in x.items()}
    return _array(x)


def _array(values: Any) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"examples of several shapes: {_ALLOWED}, all of one shape") from None


def _from(given: Any, package: str, *classes: str) -> bool:
    """Whether an object is of a class of that package, without importing it."""
    return any(
        each.__module__.split(".")[0] in (package, f"tf_{package}") and (not classes or each.__name__ in classes)
        for each in type(given).__mro__
    )


def _is_tensorflow(given: Any) -> bool:
    return _from(given, "tensorflow") and hasattr(given, "as_numpy_iterator")


def _is_batches(given: Any) -> bool:
    return _from(given, "keras", "PyDataset", "Sequence")


def _is_examples(given: Any) -> bool:
    return (
        hasattr(given, "__len__")
        and hasattr(given, "__getitem__")
        and not hasattr(given, "__array__")
        and len(given) > 0
        and isinstance(given[0], tuple)
    )


def _is_batched(given: Any) -> bool:
    """Whether the items of a tf.data.Dataset are batches."""
    spec = given.element_spec
    while isinstance(spec, tuple | list | Mapping):
        spec = next(iter(spec.values())) if isinstance(spec, Mapping) else spec[0]
    if spec.shape.rank is None or (spec.shape.rank > 0 and spec.shape[0] is None):
        return True
    # batch(drop_remainder=True) fixes the dimension; cache and prefetch may come after it.
    while given is not None:
        if "Batch" in type(given).__name__:
            return "Unbatch" not in type(given).__name__
        given = getattr(given, "_input_dataset", None) if "Map" not in type(given).__name__ else None
    return False


def _is_levels(x: Any) -> bool:
    if isinstance(x, Mapping) or x.ndim != 4:
        return False
    low, high = bounds(x)
    return low >= 0 and 1 < high <= 255


def _class_names(given: Any) -> tuple[str, ...]:
    """Keras' image_dataset_from_directory notes them."""
    return tuple(map(str, getattr(given, "class_names", None) or ()))
