"""`/v1`: pictures in, labels and probabilities out."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from .answers import json_response, server_timing
from .bundle import ServedBundle
from .pictures import Pictures, read_form, read_pictures
from .problems import Problem
from .requests import images_from_json, images_from_raw
from .service import Service

__all__ = ["predict"]

_RAW = "application/octet-stream"
_PICTURES = ("image/png", "image/jpeg")
_FORM = "multipart/form-data"
_LAYOUTS = ("one", "page")
# Longer JSON is read beside the event loop: 100 kB take about a millisecond.
_LONG_JSON = 100_000


async def predict(service: Service, request: Request) -> Response:
    """Classify images: JSON, raw pixels, a PNG or JPEG picture, or a form with several pictures."""
    with service.lease() as bundle:
        if bundle.manifest.output == "raw":
            raise Problem(422, f"{bundle.manifest.name} is no classifier: POST /v2/models/{{artifact}}/infer")
        service.queue.refuse_when_full()
        served = await service.artifact(bundle, request.query_params.get("artifact"))
        async with service.bodies.body(request) as body:
            pictures = await _pictures(service, bundle, request, body)
            answer = await service.queue.predict(served.predict, pictures.images)
    labels, probabilities = answer.value
    timing = server_timing(answer)
    if request.headers.get("accept") == _RAW:
        return Response(probabilities.astype("<f4").tobytes(), headers=timing, media_type=_RAW)
    result = {"artifact": served.artifact.file, "labels": labels.tolist(), "probabilities": probabilities}
    if pictures.boxes is not None:
        result["boxes"] = pictures.boxes
    return json_response(result, headers=timing)


async def _pictures(service: Service, bundle: ServedBundle, request: Request, body: bytes) -> Pictures:
    contract, limits = bundle.manifest.preprocessing, service.options.limits
    header = request.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    if kind == _RAW:
        return Pictures(images_from_raw(body, contract))
    if kind == "application/json":
        if len(body) < _LONG_JSON:
            return Pictures(images_from_json(body, contract))
        return Pictures(await service.aside(images_from_json, body, contract))
    if kind in _PICTURES or kind == _FORM:
        layout = request.query_params.get("layout", "one")
        if layout not in _LAYOUTS:
            raise Problem(422, f"layout {layout[:80]!r}: allowed are {', '.join(_LAYOUTS)}")
        files = await read_form(header, body) if kind == _FORM else [body]
        return await service.aside(partial(read_pictures, pages=layout == "page"), files, contract, limits)
    allowed = ", ".join(("application/json", _RAW, *_PICTURES, _FORM))
    raise Problem(415, f"content-type {kind!r}: allowed are {allowed}", {"accept": allowed})
