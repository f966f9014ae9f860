"""`/v1/stream`: sound or a signal in as it comes, server-sent events out (WHATWG HTML, "Server-sent events")."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from edgepress.base.errors import InputError, MissingExtraError

from ...contract import Audio, Contract, Signal
from ...stream import Event, Stream
from ..work.bodies import RAW
from ..work.problems import Problem, overloaded
from ..work.requests import header, query, refuse_encoded
from ..work.service import Service

__all__ = ["QUERY", "streams", "taken"]

_TYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "int16": np.dtype("<i2")}
_SETTINGS = ("rate", "hop", "smooth", "refractory", "threshold", "gate_db", "gain_db")
_LOOK_S = 0.25
"""How often a stream without samples looks whether the server stops."""
_AGAIN_S = 0.05
"""Until samples are offered to a full queue again; until then no more of them are read."""

QUERY = {
    "artifact": "File name of the artifact that listens; the default one otherwise.",
    "type": "Of the samples, little-endian: float32 (the default) or, of sound, int16.",
    "rate": "Samples a second; the contract's otherwise.",
    "hop": "Seconds from one window to the next.",
    "smooth": "Seconds of answers that are averaged.",
    "refractory": "Seconds of quiet after an event.",
    "threshold": "Average probability, or score, from which on an answer counts.",
    "gate_db": "How far sound is above the background; 0: always ask.",
    "gain_db": "Sound is made louder by so many dB first.",
    "ignore": "Labels that are no events, separated by commas.",
}


def taken(contract: Contract) -> bool:
    """Whether a model with this contract can listen."""
    return isinstance(contract.only, Signal | Audio)


async def streams(service: Service, request: Request) -> Response:
    """Tell what is heard while samples are sent: server-sent events, each with its time."""
    limits = service.options.limits
    with ExitStack() as held:
        bundle = held.enter_context(service.lease())
        contract = bundle.manifest.contract.only
        if not isinstance(contract, Signal | Audio):
            raise Problem(404, f"{bundle.name} takes no signal and no sound: send examples to v1/predict")
        given, kind = query(request), header(request, b"content-type").partition(";")[0].strip().lower()
        if kind != RAW:
            raise Problem(415, f"content-type {kind[:80]!r}: allowed is {RAW}", {"accept": RAW})
        refuse_encoded(request)
        type_name = given.get("type", "float32")
        if type_name not in _TYPES or (type_name == "int16" and isinstance(contract, Signal)):
            raise Problem(422, f"type {type_name[:40]!r}: float32, or of sound int16, is allowed")
        if service.shared.streams >= limits.streams:
            raise overloaded(f"{limits.streams} streams are open already")
        served = await service.artifact(bundle, given.get("artifact"))
        try:
            stream = served.model.stream(**_settings(given))
        except MissingExtraError as error:
            raise Problem(409, f"this server does not resample: {error}") from None
        # The bundle stays open until the answer ends.
        return _Events(service, stream, _TYPES[type_name], contract.shape[1:], held.pop_all())


class _Events(Response):
    """The answer: it begins with the first samples and ends after the last ones."""

    media_type = "text/event-stream"

    def __init__(
        self, service: Service, stream: Stream, dtype: np.dtype[Any], width: tuple[int, ...], held: ExitStack
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        # There is no length of what is not known yet.
        del self.headers["content-length"]
        self._service, self._stream, self._held = service, stream, held
        self._dtype, self._width = dtype, width

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        shared = self._service.shared
        shared.streams += 1
        try:
            with self._held:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for name, data in self._told(receive):
                    text = f"event: {name}\ndata: {orjson.dumps(data).decode()}\n\n"
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        finally:
            shared.streams -= 1

    async def _told(self, receive: Receive) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        try:
            async for samples in self._samples(receive):
                for event in await self._infer(partial(self._stream.push, samples)):
                    yield "heard", event.to_dict()
            for event in await self._infer(self._stream.finish):
                yield "heard", event.to_dict()
            cut_off = {"cut_off": self._stream.cut_off} if self._stream.cut_off else {}
            yield "end", {"seconds": round(self._stream.time, 3), **cut_off}
        except (Problem, InputError) as error:
            # The status is out already.
            yield "error", {"error": str(error)}

    async def _samples(self, receive: Receive) -> AsyncIterator[NDArray[Any]]:
        """The body, in whole samples as they come."""
        limits, rest = self._service.options.limits, b""
        each = self._dtype.itemsize * math.prod(self._width)
        until = time.monotonic() + limits.stream_s
        while time.monotonic() < until:
            if (message := await self._received(receive)) is None:
                return
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body = rest + message.get("body", b"")
            whole = len(body) // each * each
            rest = body[whole:]
            if whole:
                yield np.frombuffer(body[:whole], self._dtype).reshape(-1, *self._width)
            if not message.get("more_body", False):
                if rest:
                    raise InputError(f"the last {len(rest)} bytes are no sample: {each} bytes are one")
                return

    async def _received(self, receive: Receive) -> Message | None:
        """What comes next; None where the server stops."""
        limits, began = self._service.options.limits, time.monotonic()
        while not self._service.stopping:
            if time.monotonic() - began > limits.body_s:
                raise InputError(f"no samples came for {limits.body_s:g} s: open another stream")
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    return await receive()
        return None

    async def _infer(self, call: Callable[[], list[Event]]) -> list[Event]:
        """In the one thread that infers. While its queue is full no samples are read, and the client has to wait."""
        until = time.monotonic() + self._service.options.limits.body_s
        while True:
            try:
                return (await self._service.queue.run(call)).value
            except Problem:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(_AGAIN_S)


def _settings(given: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name in _SETTINGS:
        if name in given:
            try:
                settings[name] = float(given[name])
            except ValueError:
                settings[name] = math.nan
            if not math.isfinite(settings[name]):
                raise Problem(422, f"{name} {given[name][:40]!r}: a number is allowed")
    if "ignore" in given:
        settings["ignore"] = given["ignore"].split(",")
    return settings
