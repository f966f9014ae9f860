"""edgepress: press a trained Keras model until it fits the edge, and prove what that cost.

    import edgepress
    result = edgepress.press(model, (x_train, y_train, x_test, y_test))
    edgepress.load(result.bundle).predict(x_test)

`press`, `train` and `export` are packages, too, and stay so: `edgepress.export(...)` calls one, and
`from edgepress.export import export` is what the package itself offers.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .base.callable_package import callable_package

if TYPE_CHECKING:
    from .verbs import Server, benchmark, export, load, press, serve, train

__all__ = ["Server", "__version__", "benchmark", "export", "load", "press", "serve", "train"]

__version__ = "0.1.0"

_VERBS = f"{__name__}.verbs"
_PACKAGES = ("export", "press", "train")
"""What is a package and a verb."""


class _Edgepress(ModuleType):
    """The top of the package: it makes those below it callable, however they are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a package to its parent this way, once it is complete.
        if name in _PACKAGES and isinstance(value, ModuleType):
            callable_package(value, _VERBS)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Edgepress


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(importlib.import_module(_VERBS), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
