"""`/v1`: examples as the contract has them in, what the task gives out."""

from functools import partial

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from ..work.answers import ANSWERS, json_response, server_timing
from ..work.bodies import FORM, RAW, bodies_of
from ..work.problems import Problem
from ..work.replicas import ServedBundle
from ..work.requests import header, query
from ..work.service import Service
from ..work.uploads import Examples, read_form

__all__ = ["predict"]

_LAYOUTS = ("one", "page")
_SWITCH = ("false", "true")


async def predict(service: Service, request: Request) -> Response:
    """Answer the task's question about examples, in any of the forms that the bundle's contract takes."""
    with service.lease() as bundle:
        task = bundle.manifest.task
        service.queue.refuse_when_full()
        served = await service.artifact(bundle, query(request).get("artifact"))
        predict = served.predict
        if _choice(request, "unknown", _SWITCH) == "true":
            if bundle.manifest.unknown_threshold is None:
                raise Problem(422, f"unknown=true, and {bundle.manifest.name} has no threshold: ask without it")
            predict = served.predict_known
        async with service.bodies.body(request) as body:
            examples = await _examples(service, bundle, request, body)
            if bundle.joins:
                answer = await service.queue.predict(predict, examples.values)
            else:
                answer = await service.queue.run(partial(predict, examples.values))
    answers, timing = ANSWERS[task.kind], server_timing(answer)
    if header(request, b"accept") == RAW:
        numbers = np.asarray(answer.value[answers.numbers], "<f4")
        return Response(numbers.tobytes(), headers=timing, media_type=RAW)
    result = {"artifact": served.artifact.file, **answers.fields(task, served.artifact, answer.value)}
    return json_response(result | examples.details, headers=timing)


async def _examples(service: Service, bundle: ServedBundle, request: Request, body: bytes) -> Examples:
    contract, limits = bundle.manifest.contract, service.options.limits
    known = contract.only or contract
    content_type = header(request, b"content-type")
    kind = content_type.partition(";")[0].strip().lower()
    bodies = bodies_of(contract)
    if (reader := bodies.get(kind)) is None:
        raise Problem(
            415, f"content-type {kind[:80]!r}: allowed are {', '.join(bodies)}", {"accept": ", ".join(bodies)}
        )
    if reader.examples is not None:
        if len(body) < reader.at_once:
            return Examples(reader.examples(body, known, limits))
        return Examples(await service.aside(reader.examples, body, known, limits))
    pages = _choice(request, "layout", _LAYOUTS) == "page"
    echo = _choice(request, "images", _SWITCH) == "true"
    files = await read_form(content_type, body) if kind == FORM else [body]
    assert reader.files is not None
    return await service.aside(partial(reader.files, pages=pages, echo=echo), files, known, limits)


def _choice(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    """A query parameter that takes a few values, the first of which is the default."""
    value = query(request).get(name, allowed[0])
    if value not in allowed:
        raise Problem(422, f"{name} {value[:80]!r}: allowed are {', '.join(allowed)}")
    return value
