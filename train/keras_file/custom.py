"""Layers and functions of the user's own: a Python file that the user names, as a word that this code may run."""

import contextlib
import hashlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from edgepress.base.extras import require
from edgepress.runtime import InputError

__all__ = ["Custom", "active_custom", "custom_layers"]

_MODULE = "edgepress_custom_layers"
_OTHERS = {"keras": "tf_keras", "tf_keras": "keras"}
_STANDS_FOR = ("keras", "tensorflow.keras")
"""Modules that mean tf-keras, where the file was written for it under those names."""
_active: ContextVar["Custom | None"] = ContextVar("custom", default=None)


@contextlib.contextmanager
def custom_layers(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Let Keras files that are opened within name what the Python file at `path` defines; nothing changes for None.

    Raises:
        InputError: No such file.
    """
    token = _active.set(_active.get() if path is None else Custom(Path(path)))
    try:
        yield
    finally:
        _active.reset(token)


def active_custom() -> "Custom | None":
    """The file that was named, while something is done with it."""
    return _active.get()


class Custom:
    """A Python file with layers and functions, and what it defines for each Keras."""

    def __init__(self, path: Path) -> None:
        """Read the file; it runs when the first Keras file is opened.

        Raises:
            InputError: No such file.
        """
        try:
            self._text = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror}): name the Python file that defines the layers"
            ) from None
        self.path = path
        self.sha256 = hashlib.sha256(self._text).hexdigest()

    @property
    def record(self) -> dict[str, str]:
        """Its entry in a manifest."""
        return {"file": self.path.name, "sha256": self.sha256}

    def objects(self, library: str) -> Mapping[str, Any]:
        """Classes and functions by name, for models of `keras` or of `tf_keras`.

        A file that says `keras` or `tf.keras` is run a second time, with tf-keras under these names, for a model of
        tf-keras: TensorFlow called it so until 2.15.

        Raises:
            InputError: Its code fails.
        """
        found = self._for_tf_keras if library == "tf_keras" else self._as_it_is
        return {name: each for name, each in found.items() if _library(each) in (library, None)}

    def find(self, value: Any, library: str) -> str:
        """The name in `objects` of what a part of a config names; empty where that is nothing of this file.

        Args:
            value: A string such as an activation, or an object with `class_name`.
            library: Which Keras makes the model.
        """
        if isinstance(value, Mapping):
            if value.get("class_name") != "function" and str(value.get("module")).split(".")[0] in _OTHERS:
                return ""
            value = value.get("config") if value.get("class_name") == "function" else value.get("class_name")
        # Registered classes are written as `package>name`.
        name = value.rpartition(">")[2] if isinstance(value, str) else ""
        return name if name in self.objects(library) else ""

    def names_in(self, config: Any, library: str) -> set[str]:
        """Everything of this file that a model's config names."""
        if isinstance(config, list):
            return {name for each in config for name in self.names_in(each, library)}
        if not isinstance(config, dict):
            return set()
        named = {self.find(config, library)} if "class_name" in config else set()
        named |= {self.find(each, library) for key, each in config.items() if key.endswith("activation")}
        named |= {name for each in config.values() for name in self.names_in(each, library)}
        return named - {""}

    def why_not(self, name: str, library: str) -> str:
        """Why the file does not help with a class."""
        (other,) = {"keras", "tf_keras"} - {library}
        if name in self.objects(other):
            return f"{self.path.name} derives it from {other}, and the model is one of {library}"
        return f"{self.path.name} defines {', '.join(sorted(self.objects(library))) or 'nothing of the kind'}"

    @cached_property
    def _as_it_is(self) -> dict[str, Any]:
        return self._run()

    @cached_property
    def _for_tf_keras(self) -> dict[str, Any]:
        try:
            if not any(_library(each) == "keras" for each in self._as_it_is.values()):
                return self._as_it_is
        except InputError:
            # What only tf-keras has may be missing.
            pass
        with _tf_keras_as_keras():
            return self._run()

    def _run(self) -> dict[str, Any]:
        """The names that the file defines or imports for models: a config cannot reach what else it imports."""
        module = ModuleType(_MODULE)
        module.__file__ = str(self.path.resolve())
        sys.modules[_MODULE] = module
        folder = str(self.path.resolve().parent)
        sys.path.insert(0, folder)
        try:
            exec(compile(self._text, module.__file__, "exec"), vars(module))
        except Exception as error:
            frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == module.__file__]
            line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else 0)
            raise InputError(
                f"{self.path}, line {line}: {type(error).__name__}: {' '.join(str(error).split())[:200]}: mend the file"
            ) from None
        finally:
            sys.path.remove(folder)
        return {
            name: each
            for name, each in vars(module).items()
            if isinstance(each, type | FunctionType) and not name.startswith("_") and _is_own(each, folder)
        }


def _is_own(each: Any, folder: str) -> bool:
    """Whether something is defined in the file or beside it, or is somebody's layer, which neither Keras brings."""
    module = str(each.__module__)
    beside = str(getattr(sys.modules.get(module), "__file__", None)).startswith(f"{folder}{os.sep}")
    return beside or (_library(each) is not None and module.split(".")[0] not in _OTHERS)


def _library(each: Any) -> str | None:
    """The Keras that a class is derived from; None of a function and of any other class."""
    roots = {base.__module__.split(".")[0] for base in each.__mro__} if isinstance(each, type) else set()
    return next((library for library in _OTHERS if library in roots), None)


@contextlib.contextmanager
def _tf_keras_as_keras() -> Iterator[None]:
    tf_keras = require("tf_keras", extra="toolkit")
    tensorflow = require("tensorflow", extra="toolkit")
    for part in ("layers", "activations", "initializers", "regularizers", "constraints", "backend", "utils", "models"):
        importlib.import_module(f"tf_keras.{part}")

    def stands_for(name: str) -> bool:
        return any(name == each or name.startswith(f"{each}.") for each in _STANDS_FOR)

    before, keras = {name: each for name, each in sys.modules.items() if stands_for(name)}, vars(tensorflow)["keras"]
    parts = {name: each for name, each in sys.modules.items() if name.split(".")[0] == "tf_keras"}
    for name in before:
        del sys.modules[name]
    sys.modules |= {each + name.removeprefix("tf_keras"): part for name, part in parts.items() for each in _STANDS_FOR}
    vars(tensorflow)["keras"] = tf_keras
    try:
        yield
    finally:
        for name in [name for name in sys.modules if stands_for(name)]:
            del sys.modules[name]
        sys.modules |= before
        vars(tensorflow)["keras"] = keras
