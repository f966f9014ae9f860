"""How answers are written."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from .batching import Answer

__all__ = ["json_response", "server_timing"]


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON; NumPy arrays are written as lists."""
    content = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, headers, media_type="application/json")


def server_timing(answer: Answer[Any]) -> dict[str, str]:
    """The header that tells how long inference and the wait for it took, in milliseconds (W3C Server Timing)."""
    return {
        "server-timing": f"queue;dur={answer.queued_s * 1e3:.3f}, inference;dur={answer.inference_s * 1e3:.3f}",
    }
