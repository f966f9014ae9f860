"""Log lines as JSON objects, one a line, on standard error. They hold no pictures and no keys."""

import json
import logging
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson

__all__ = ["log_as_json", "log_fields"]


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        with suppress(TypeError):
            # The quicker one writes UTF-8, in which a path may hold what some readers take for a line's end, and it
            # refuses half a pair of surrogates.
            if (text := orjson.dumps(line)).isascii():
                return text.decode()
        return json.dumps(line)


@lru_cache(1)
def _second(created: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))


def log_fields(logger: logging.Logger, event: str, fields: dict[str, Any]) -> None:
    """`logger.info(event)` with fields, without looking for the line of code that calls: nothing shows it, and it takes
    a quarter of a request's line."""
    if logger.isEnabledFor(logging.INFO):
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, event, (), None)
        record.fields = fields
        logger.handle(record)


def log_as_json(level: int = logging.INFO) -> None:
    """Send the server's and uvicorn's log to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter())
    for name in ("edgepress", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    # Its start and stop messages repeat ours; its warnings (unreadable requests) do not.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
