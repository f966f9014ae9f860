"""Packages that can be called: `edgepress.export(...)` beside `from edgepress.export import export`."""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["callable_package"]


def callable_package(module: ModuleType, verbs: str) -> None:
    """Let a package be called as the function of its own last name in the module `verbs`, which is imported only then.

    Args:
        module: A package that stays what it is: its names, its place in `sys.modules`, reloading.
        verbs: Dotted name of the module that holds the function.
    """
    vars(module)["_verbs"] = verbs
    # Python looks up `__call__` on the class alone.
    module.__class__ = _CallablePackage


class _CallablePackage(ModuleType):
    _verbs: str

    def _verb(self) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(importlib.import_module(self._verbs), self.__name__.rpartition(".")[2])
        return found

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._verb()(*args, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._verb())

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """The package's own first line, then how it is called: what `help` shows."""
        verb = self._verb()
        own, _, more = (self.__dict__.get("__doc__") or self.__name__).partition("\n")
        how = f"{self.__name__}{inspect.signature(verb)}\n\n{inspect.getdoc(verb)}"
        return "\n\n".join(part for part in (own, how, inspect.cleandoc(more)) if part) + "\n"

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)
