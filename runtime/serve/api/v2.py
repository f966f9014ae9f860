"""`/v2`: the models that the Open Inference Protocol sees, and its handlers.

The bundle's own name is a model from examples in the contract to what the task gives. Each artifact's file name is
the model as it stands in the file: its own tensors, nothing added.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from ...bundle.manifest import TensorSpec
from ...contract import Contract, Picture
from ..work.answers import ANSWERS, json_response, server_timing
from ..work.problems import Problem
from ..work.replicas import ServedBundle
from ..work.service import Service
from .v2_tensors import HEADER_LENGTH, infer_response, read_infer_request, tensor_metadata

__all__ = ["infer", "live", "model_metadata", "model_ready", "ready", "server_metadata"]

_ONLY = {"picture": "images", "features": "features", "signal": "windows", "audio": "recordings"}
"""What the one input of a model is called, by its kind; a tensor keeps its own name."""


@dataclass(frozen=True)
class _Tensors:
    """What a model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    platform: str


async def server_metadata(service: Service, request: Request) -> Response:
    """Name, version and extensions."""
    from edgepress import __version__

    return json_response({"name": "edgepress", "version": __version__, "extensions": ["binary_tensor_data"]})


async def live(service: Service, request: Request) -> Response:
    """The process answers."""
    return json_response({"live": True})


async def ready(service: Service, request: Request) -> Response:
    """A bundle is loaded, and the server is not stopping."""
    if service.stopping:
        raise Problem(503, "the server is stopping: use another one", {"retry-after": "5"})
    return json_response({"ready": True})


async def model_metadata(service: Service, request: Request) -> Response:
    """Inputs and outputs with datatypes and shapes."""
    name = request.path_params["name"]
    bundle = service.bundle
    tensors = _tensors(bundle, name)
    return json_response(
        {
            "name": name,
            "versions": [],
            "platform": tensors.platform,
            "inputs": [tensor_metadata(spec) for spec in tensors.inputs],
            "outputs": [tensor_metadata(spec) for spec in tensors.outputs],
        }
    )


async def model_ready(service: Service, request: Request) -> Response:
    """The model can infer; an artifact is loaded for it."""
    name = request.path_params["name"]
    with service.lease() as bundle:
        _tensors(bundle, name)
        if name != bundle.name:
            await service.artifact(bundle, name)
    return json_response({"name": name, "ready": True})


async def infer(service: Service, request: Request) -> Response:
    """Tensors in, tensors out."""
    name = request.path_params["name"]
    with service.lease() as bundle:
        tensors = _tensors(bundle, name)
        service.queue.refuse_when_full()
        served = await service.artifact(bundle, None if name == bundle.name else name)
        values: Mapping[str, NDArray[Any]]
        async with service.bodies.body(request) as body:
            arguments = (body, request.headers.get(HEADER_LENGTH), tensors.inputs, tensors.outputs)
            read = (
                await service.aside(read_infer_request, *arguments)
                if len(body) > 100_000 and HEADER_LENGTH not in request.headers
                else read_infer_request(*arguments)
            )
            if name == bundle.name:
                examples = _examples(bundle, read.inputs)
                if bundle.joins:
                    answer = await service.queue.predict(served.predict, examples)
                else:
                    answer = await service.queue.run(partial(served.predict, examples))
                task = bundle.manifest.task
                columns = ANSWERS[task.kind].tensors(task, answer.value)
                values = {spec.name: each for spec, each in zip(tensors.outputs, columns, strict=True)}
            else:
                answer = await service.queue.run(_raw_run(served.model.run, read.inputs, tensors.outputs))
                values = answer.value
    return infer_response(name, read, values, server_timing(answer))


def _tensors(bundle: ServedBundle, name: str) -> _Tensors:
    manifest = bundle.manifest
    if name == bundle.name:
        default = bundle.default.artifact
        outputs = ANSWERS[manifest.task.kind].outputs(manifest.task, default)
        return _Tensors(_inputs(manifest.contract), outputs, f"{default.format}_{default.variant}")
    for artifact in manifest.artifacts:
        if artifact.file == name:
            return _Tensors(artifact.inputs, artifact.outputs, f"{artifact.format}_{artifact.variant}")
    names = [bundle.name, *(artifact.file for artifact in manifest.artifacts)]
    raise Problem(404, f"no model {name[:80]!r}: there are {', '.join(names)}")


def _inputs(contract: Contract) -> tuple[TensorSpec, ...]:
    """Each input of the contract as a tensor: under its kind where it is the only one, else under its own name."""
    alone = len(contract.inputs) == 1
    return tuple(
        TensorSpec(_ONLY.get(each.kind, name) if alone else name, (-1, *each.shape), each.dtype)
        for name, each in contract.inputs.items()
    )


def _examples(bundle: ServedBundle, arrays: tuple[NDArray[Any], ...]) -> Any:
    """What the model predicts from, checked before it may join the examples of others."""
    found = {
        name: array if isinstance(each, Picture) else each.numbers(array)
        for (name, each), array in zip(bundle.manifest.contract.inputs.items(), arrays, strict=True)
    }
    return next(iter(found.values())) if len(found) == 1 else found


def _raw_run(
    run: Callable[[Any], Any], inputs: tuple[NDArray[Any], ...], outputs: tuple[TensorSpec, ...]
) -> Callable[[], Mapping[str, NDArray[Any]]]:
    """The call that runs the model on its own tensors."""

    def call() -> Mapping[str, NDArray[Any]]:
        result = run(inputs[0] if len(inputs) == 1 else list(inputs))
        return result if isinstance(result, dict) else {outputs[0].name: np.asarray(result)}

    return call
