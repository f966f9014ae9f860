"""One door to every optional package."""

import importlib
import os
import sys
from types import ModuleType

from .errors import MissingExtraError

__all__ = ["require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, which the install extra `extra` provides.

    Args:
        module: Dotted name, such as `"onnxruntime"`.
        extra: Name of the edgepress extra that installs it, such as `"onnx"`.

    Raises:
        MissingExtraError: The package is not installed here.
    """
    try:
        quiet = extra == "toolkit" and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") != "0"
        if quiet and module not in sys.modules:
            # TensorFlow's libraries begin to log before the level counts that was asked for.
            from .hush import hushed

            with hushed():
                return importlib.import_module(module)
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # Only the package itself may be missing: a broken dependency of an installed one is its own story.
        if error.name is None or not (module == error.name or module.startswith(error.name + ".")):
            raise
        raise MissingExtraError(
            f"{module} is not installed for {sys.executable}: run  pip install 'edgepress[{extra}]'"
        ) from None
