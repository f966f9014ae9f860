"""Keras models that somebody has in memory: Keras itself writes them to a file, which is then read like any other."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.runtime import InputError

from .custom import active_custom

__all__ = ["is_keras_model", "model_file", "model_identity", "model_name"]

_ALLOWED = "a Sequential or functional model of Keras 3 or tf-keras, or the path of a .keras, .h5 or SavedModel"


def is_keras_model(given: Any) -> bool:
    """Whether an object is a model of Keras 3 or tf-keras; neither is imported to find out."""
    return "Model" in {each.__name__ for each in type(given).__mro__ if _is_keras_class(each)}


def model_name(model: Any) -> str:
    """What a model is called, as a part of file names: an object's own name, a file's without its suffix."""
    name = str(model.name) if is_keras_model(model) else Path(model).stem
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "model"


def model_identity(model: Any) -> str:
    """What tells a model from others: a path, or an object's name with a digest of its structure and weights.

    Raises:
        InputError: As `model_file`.
    """
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    _check(model)
    digest = hashlib.sha256(json.dumps(model.get_config(), sort_keys=True, default=str).encode())
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).data)
    return f"{model_name(model)} {digest.hexdigest()[:16]}"


@contextmanager
def model_file(model: Any) -> Iterator[Path]:
    """The file of a model: its own path, or a file that is there until the context ends.

    Args:
        model: A path, or a Sequential or functional model of Keras 3 or tf-keras, compiled or not.

    Raises:
        InputError: Something else, a subclassed model, or one that has no weights yet.
    """
    if isinstance(model, str | os.PathLike):
        yield Path(model)
        return
    _check(model)
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        path = Path(folder) / f"{model_name(model)}.keras"
        try:
            model.save(path)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"Keras cannot save model {model.name!r} ({reason}): give {_ALLOWED}") from None
        yield path


def _is_keras_class(kind: type) -> bool:
    return kind.__module__.split(".")[0] in ("keras", "tf_keras")


def _check(model: Any) -> None:
    if not is_keras_model(model):
        raise InputError(f"{type(model).__module__}.{type(model).__name__} as the model: give {_ALLOWED}")
    # `keras.Model(inputs, outputs)` gives a Functional.
    own = active_custom() is not None and type(model).__name__ != "Model"
    if not own and (not _is_keras_class(type(model)) or type(model).__name__ == "Model"):
        raise InputError(
            f"model {model.name!r} is of the class {type(model).__name__}, whose code is in no file: make it "
            "functional, keras.Model(inputs, outputs), or Sequential; or name the Python file that defines the class "
            "with custom="
        )
    if not model.built:
        raise InputError(f"model {model.name!r} was never built: begin it with keras.Input(shape), or call it on data")
