"""A request's body: read within the limits, and turned into images of the contract."""

import asyncio
from collections.abc import Mapping

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request

from ...contract.picture import Picture
from .options import Limits
from .problems import Problem, overloaded

__all__ = [
    "WHOLE",
    "BodyReader",
    "header",
    "images_from_json",
    "images_from_raw",
    "images_of",
    "json_object",
    "query",
    "refuse_encoded",
]

WHOLE = "edgepress.whole"
"""True in the scope of a request whose last byte has come already."""


def header(request: Request, name: bytes) -> str:
    """The header of that name, in small letters; "" where none came."""
    # Starlette's own mapping takes several microseconds for each.
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


def query(request: Request) -> Mapping[str, str]:
    """The query parameters."""
    return request.query_params if request.scope["query_string"] else {}


def refuse_encoded(request: Request) -> None:
    """Raise Problem 415 for a compressed body: read as it came, it could pass for raw pixels (RFC 9110, 8.4)."""
    encoding = header(request, b"content-encoding")
    if encoding and encoding.strip().lower() != "identity":
        raise Problem(
            415,
            f"content-encoding {encoding[:80]!r}: send the body uncompressed, without that header",
            {"accept-encoding": "identity"},
        )


class BodyReader:
    """Reads bodies; all that are in memory at once share one budget."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.buffered = 0

    def body(self, request: Request) -> "_Body":
        """The whole body, as `async with`; it counts as held in memory until the block ends.

        What a client still sends after a refusal is discarded by the web server, so that it gets to see the answer.

        Raises:
            Problem: 415 compressed, 413 too long, 408 too slow, 503 too much in memory.
            ClientDisconnect: The client went away.
        """
        return _Body(self, request)


class _Body:
    # No generator with `asynccontextmanager` and no `Request.stream`: every request pays for them.
    def __init__(self, reader: BodyReader, request: Request) -> None:
        self._reader = reader
        self._request = request
        self._size = 0

    async def __aenter__(self) -> bytes:
        limits = self._reader.limits
        refuse_encoded(self._request)
        declared = header(self._request, b"content-length")
        if declared.isdecimal() and int(declared) > limits.body_bytes:
            raise _too_long(limits)
        try:
            if WHOLE in self._request.scope:
                return await self._read(limits)
            async with asyncio.timeout(limits.body_s):
                return await self._read(limits)
        except TimeoutError:
            self._release()
            raise Problem(
                408,
                f"{self._size} bytes of the body came in {limits.body_s:g} s: send it faster, or a shorter one",
                {"connection": "close"},
            ) from None
        except BaseException:
            self._release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._release()

    async def _read(self, limits: Limits) -> bytes:
        reader, receive, pieces = self._reader, self._request.receive, list[bytes]()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece = message.get("body", b"")
            if self._size + len(piece) > limits.body_bytes:
                raise _too_long(limits)
            if reader.buffered + len(piece) > limits.buffered_bytes:
                raise overloaded(f"{reader.buffered} bytes of requests are in memory already")
            pieces.append(piece)
            self._size += len(piece)
            reader.buffered += len(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)

    def _release(self) -> None:
        self._reader.buffered -= self._size


def _too_long(limits: Limits) -> Problem:
    return Problem(413, f"the body is longer than {limits.body_bytes} bytes: send less at once")


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object that a body holds. Raises Problem 400 for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON ({error}): send a JSON object") from None
    if not isinstance(value, dict):
        raise Problem(400, f"the body is a JSON {_json_type(value)}: send a JSON object")
    return value


def images_from_json(body: bytes, contract: Picture) -> NDArray[np.uint8]:
    """The images of `{"images": ...}`: integers 0 to 255, one picture, a list of them, or a list of flat ones."""
    value = json_object(body)
    unknown = sorted(set(value) - {"images"})
    if "images" not in value or unknown:
        raise Problem(422, f"the object has the keys {sorted(value)}: exactly one is allowed, images")
    return images_of(value["images"], contract)


def images_of(value: object, contract: Picture) -> NDArray[np.uint8]:
    """A JSON value as images of the contract; Problem 422 for what it is not."""
    if not isinstance(value, list):
        raise Problem(422, f"images is a JSON {_json_type(value)}: {_wanted(contract)}")
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        raise Problem(422, f"images is a ragged list: {_wanted(contract)}") from None
    if array.dtype.kind != "i" or array.size == 0 or array.min() < 0 or array.max() > 255:
        what = "empty" if array.size == 0 else "no list of integers from 0 to 255"
        raise Problem(422, f"images is {what}: {_wanted(contract)}")
    if array.shape == contract.shape:
        array = array[np.newaxis]
    elif array.shape[1:] not in (contract.shape, (contract.size,)):
        raise Problem(422, f"images has the shape {list(array.shape)}: {_wanted(contract)}")
    return array.astype(np.uint8).reshape(-1, *contract.shape)


def images_from_raw(body: bytes, contract: Picture) -> NDArray[np.uint8]:
    """The images of a raw body: uint8, row by row, one picture after the other. Shares the body's memory."""
    if not body or len(body) % contract.size:
        raise Problem(
            422, f"{len(body)} bytes: a multiple of {contract.size} is allowed, {contract.size} for one image"
        )
    return np.frombuffer(body, np.uint8).reshape(-1, *contract.shape)


def _wanted(contract: Picture) -> str:
    shape = " x ".join(map(str, contract.shape))
    return f"send pixels from 0 to 255, {shape} for one picture, or a list of pictures (each flat or nested)"


def _json_type(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
