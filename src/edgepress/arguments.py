"""What the first arguments of a verb are: a model, data, or both."""

import os
from pathlib import Path
from typing import Any

from .base.errors import InputError

__all__ = ["in_order"]

_MODEL_FILES = (".keras", ".h5", ".hdf5")
_SAVED_MODEL = "saved_model.pb"


def in_order(verb: str, model: Any, data: Any) -> tuple[Any, Any]:
    """Model and data, where the first argument alone is the data."""
    from .train import MODELS

    if data is None and model is not None and not (isinstance(model, str) and model in MODELS):
        if _is_model(model):
            raise InputError(
                f"a model and no data: give what it was trained on, as in edgepress.{verb}(model, (x_train, y_train, "
                "x_test, y_test))"
            )
        return None, model
    if _is_model(data) and not _is_model(model):
        raise InputError(f"the data come first and the model second: turn them round, edgepress.{verb}(model, data)")
    return model, data


def _is_model(given: Any) -> bool:
    """Whether something is a Keras model or the path of one, rather than data."""
    from .train import is_keras_model

    if isinstance(given, str | os.PathLike):
        path = Path(given)
        return path.suffix.lower() in _MODEL_FILES or (path / _SAVED_MODEL).exists()
    return is_keras_model(given)
