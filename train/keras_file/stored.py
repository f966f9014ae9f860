"""What a Keras file holds, whatever its format: a graph, and arrays by layer."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgepress.runtime import InputError

from .graph import Graph

__all__ = ["RawModel", "StoredLayer", "StoredModel", "parse_json"]


@dataclass(frozen=True, eq=False)
class RawModel:
    """A file whose pieces were found and are safe to read, before anything is made of them."""

    path: Path
    format: str
    """`keras`, `h5` or `savedmodel`."""
    keras_version: str
    """As the file states it; empty where it does not."""
    config: dict[str, Any]
    """Of the model, from JSON."""
    data: bytes = b""
    """The file; empty of a folder."""


@dataclass(frozen=True)
class StoredLayer:
    """The arrays of one layer as the file has them."""

    arrays: list[NDArray[Any]]
    wrapped: list[NDArray[Any]] = field(default_factory=list)
    """Of the layer inside a quantization wrapper."""


@dataclass(frozen=True)
class StoredModel:
    """What a file holds."""

    graph: Graph
    layers: dict[tuple[str, ...], StoredLayer]
    """By path: names of the models that the layer is inside of, then its own. In `.h5` files one entry stands for all
    layers of a model inside the model."""
    most_weights: int
    """How many weights the file can hold, going by its size."""
    raw: RawModel


def parse_json(text: bytes | str, name: str) -> dict[str, Any]:
    """A JSON object out of the file called `name`."""
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{name} holds a damaged config ({error}): save the model again") from None
    if not isinstance(data, dict):
        raise InputError(f"{name} holds a config that is a {type(data).__name__}: save the model again")
    return data
