"""Converters talk; export says what it does in its own words."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from edgepress.base.hush import hushed

__all__ = ["quiet"]

_LOGGERS = ("", "absl", "tensorflow", "tf2onnx", "onnxruntime.quantization.matmul_nbits_quantizer")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what converters report about their own work: informative lines, warnings meant for their
    authors, and what their native code writes to standard error."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with hushed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
