"""Converters talk; export says what it does in its own words."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_LOGGERS = ("", "absl", "tensorflow", "tf2onnx", "onnxruntime.quantization.matmul_nbits_quantizer")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what converters report about their own work: informative lines, and warnings meant for their authors."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
