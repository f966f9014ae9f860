"""Fewer and simpler weights: pruning, clustering, folding, removal of units.

Called, it compresses a model in memory; `callback` does so in a training loop of one's own.
"""

import sys

from edgepress.base.callable_package import callable_package

from .engine.callback import callback
from .engine.scheme import Scheme

__all__ = ["Scheme", "callback"]

callable_package(sys.modules[__name__], f"{__name__}.engine.library")
