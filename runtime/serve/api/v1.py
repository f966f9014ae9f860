"""`/v1`: pictures in, labels and probabilities out."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from ..work.answers import json_response, server_timing
from ..work.problems import Problem
from ..work.replicas import ServedBundle
from ..work.requests import header, images_from_json, images_from_raw, query
from ..work.service import Service
from ..work.uploads import Pictures, read_form, read_pictures

__all__ = ["predict"]

_RAW = "application/octet-stream"
_PICTURES = ("image/png", "image/jpeg")
_FORM = "multipart/form-data"
_LAYOUTS = ("one", "page")
_SWITCH = ("false", "true")
# Longer JSON is read beside the event loop: 100 kB take about a millisecond.
_LONG_JSON = 100_000


async def predict(service: Service, request: Request) -> Response:
    """Classify images: JSON, raw pixels, a PNG or JPEG picture, or a form with several pictures."""
    with service.lease() as bundle:
        if bundle.manifest.output == "raw":
            raise Problem(422, f"{bundle.manifest.name} is no classifier: POST /v2/models/{{artifact}}/infer")
        service.queue.refuse_when_full()
        served = await service.artifact(bundle, query(request).get("artifact"))
        predict = served.predict
        if _choice(request, "unknown", _SWITCH) == "true":
            if bundle.manifest.unknown_threshold is None:
                raise Problem(422, f"unknown=true, and {bundle.manifest.name} has no threshold: ask without it")
            predict = served.predict_known
        async with service.bodies.body(request) as body:
            pictures = await _pictures(service, bundle, request, body)
            answer = await service.queue.predict(predict, pictures.images)
    labels, probabilities = answer.value
    timing = server_timing(answer)
    if header(request, b"accept") == _RAW:
        return Response(probabilities.astype("<f4").tobytes(), headers=timing, media_type=_RAW)
    result = {"artifact": served.artifact.file, "labels": labels.tolist(), "probabilities": probabilities}
    return json_response(result | pictures.details, headers=timing)


async def _pictures(service: Service, bundle: ServedBundle, request: Request, body: bytes) -> Pictures:
    contract, limits = bundle.manifest.preprocessing, service.options.limits
    content_type = header(request, b"content-type")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _RAW:
        return Pictures(images_from_raw(body, contract))
    if kind == "application/json":
        if len(body) < _LONG_JSON:
            return Pictures(images_from_json(body, contract))
        return Pictures(await service.aside(images_from_json, body, contract))
    if kind in _PICTURES or kind == _FORM:
        pages = _choice(request, "layout", _LAYOUTS) == "page"
        echo = _choice(request, "images", _SWITCH) == "true"
        files = await read_form(content_type, body) if kind == _FORM else [body]
        return await service.aside(partial(read_pictures, pages=pages, echo=echo), files, contract, limits)
    allowed = ", ".join(("application/json", _RAW, *_PICTURES, _FORM))
    raise Problem(415, f"content-type {kind!r}: allowed are {allowed}", {"accept": allowed})


def _choice(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    """A query parameter that takes a few values, the first of which is the default."""
    value = query(request).get(name, allowed[0])
    if value not in allowed:
        raise Problem(422, f"{name} {value[:80]!r}: allowed are {', '.join(allowed)}")
    return value
