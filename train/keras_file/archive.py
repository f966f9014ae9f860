"""The kinds of file that hold a Keras model, told by their magic, each read into a graph and arrays."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgepress.runtime import InputError

from .graph import Graph, parse_graph, snake_case_names
from .hdf5 import Hdf5File
from .layers import CELLS
from .saved_model import find_saved_model, read_saved_model
from .stored import RawModel, StoredLayer, StoredModel, parse_json

__all__ = ["check_arrays", "most_weights", "read_raw", "read_stored"]

_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_LARGEST_FILE = 4_000_000_000
_LARGEST_CONFIG = 64_000_000
_LARGEST_INFLATION = 20
"""Keras stores its members uncompressed; re-zipped weights shrink by a tenth, a bomb by a thousand."""


def read_raw(path: Path) -> RawModel:
    """Find the pieces of a `.keras`, `.h5` or SavedModel.

    Raises:
        InputError: Another kind of file, a damaged one, or one that is not safe to read.
    """
    try:
        if path.is_dir():
            return find_saved_model(path)
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path} has {path.stat().st_size} bytes: at most {_LARGEST_FILE} are allowed")
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: name a .keras, .h5 or SavedModel") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if data.startswith(_ZIP):
        with _opened(data, path.name) as archive:
            config = parse_json(_member(archive, path.name, "config.json", _LARGEST_CONFIG), path.name)
            metadata = parse_json(_member(archive, path.name, "metadata.json", _LARGEST_CONFIG), path.name)
        return RawModel(path, "keras", str(metadata.get("keras_version", "")), config, data)
    if data.startswith(_HDF5):
        with Hdf5File(data, path.name) as file:
            attributes = file.attributes()
        if "model_config" not in attributes:
            raise InputError(f"{path.name} holds weights without a model: save the whole model with model.save()")
        config = parse_json(attributes["model_config"], path.name)
        return RawModel(path, "h5", _text(attributes.get("keras_version", "")), config, data)
    raise InputError(f"{path} is neither a .keras archive nor HDF5: name a .keras, .h5 or SavedModel")


def read_stored(raw: RawModel) -> StoredModel:
    """The graph and the arrays of a file.

    Raises:
        CannotRebuildError: A layer that is not on the list.
        InputError: A damaged file, or one that is not safe to read.
    """
    return {"keras": _read_keras, "h5": _read_h5, "savedmodel": read_saved_model}[raw.format](raw)


def check_arrays(raw: RawModel) -> None:
    """Walk through all that a file holds.

    Raises:
        InputError: Something in it points elsewhere, or declares more than the file holds.
    """
    if raw.format == "savedmodel":
        return
    data = raw.data
    if raw.format == "keras":
        with _opened(data, raw.path.name) as archive:
            data = _member(archive, raw.path.name, "model.weights.h5", _LARGEST_FILE)
    with Hdf5File(data, raw.path.name) as file:
        file.check()


def most_weights(raw: RawModel) -> int:
    """How many weights a file can hold, going by its size."""
    if raw.format == "savedmodel":
        return sum(file.stat().st_size for file in (raw.path / "variables").glob("variables.data-*")) // 2
    return len(raw.data) // 2


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"{name} is a damaged .keras archive ({error}): save the model again") from None


def _read_keras(raw: RawModel) -> StoredModel:
    name, config = raw.path.name, raw.config
    shape = (config.get("build_config") or {}).get("input_shape")
    graph = parse_graph(str(config.get("class_name")), config.get("config"), shape)
    with _opened(raw.data, name) as archive:
        weights = _member(archive, name, "model.weights.h5", _LARGEST_FILE)
    with Hdf5File(weights, name) as file:
        most = file.total_weights()
        # Keras 2.12 called the container by another name.
        roots = [root for root in ("layers", "_layer_checkpoint_dependencies") if file.children(root)]
        layers = dict(_numbered_layers(graph, file, roots[0] if roots else "layers", ()))
    return StoredModel(graph, layers, most, raw)


def _numbered_layers(
    graph: Graph, file: Hdf5File, root: str, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], StoredLayer]]:
    """The layers of a `.keras` file, which are filed under their classes' names."""
    classes = [
        node.wrapper or ("Functional" if node.class_name == "Model" else node.class_name) for node in graph.nodes
    ]
    container = root.rpartition("/")[2]
    for node, name in zip(graph.nodes, snake_case_names(classes), strict=True):
        if node.inner:
            yield from _numbered_layers(node.inner, file, f"{root}/{name}/{container}", (*path, node.name))
        else:
            wrapped = _numbered_arrays(file, f"{root}/{name}/layer/vars") if node.wrapper else []
            own = f"{root}/{name}/cell" if node.class_name in CELLS else f"{root}/{name}"
            yield (*path, node.name), StoredLayer(_numbered_arrays(file, f"{own}/vars"), wrapped)


def _numbered_arrays(file: Hdf5File, path: str) -> list[NDArray[Any]]:
    return [file.array(f"{path}/{index}") for index in range(len(file.children(path)))]


def _read_h5(raw: RawModel) -> StoredModel:
    name = raw.path.name
    graph = parse_graph(str(raw.config.get("class_name")), raw.config.get("config"))
    if graph.quantized:
        raise InputError(f"{name} holds a quantization-aware model as .h5: save it as .keras")
    with Hdf5File(raw.data, name) as file:
        most = file.total_weights()
        layers: dict[tuple[str, ...], StoredLayer] = {}
        for node in graph.nodes:
            group = f"model_weights/{node.name}"
            if node.class_name == "InputLayer" and not file.children(group):
                continue
            names = [_text(item) for item in file.attributes(group).get("weight_names", [])]
            layers[(node.name,)] = StoredLayer([file.array(f"{group}/{item}") for item in names])
    return StoredModel(graph, layers, most, raw)


def _member(archive: zipfile.ZipFile, name: str, member: str, limit: int) -> bytes:
    found = [info for info in archive.infolist() if info.filename == member]
    if len(found) != 1:
        raise InputError(f"{name} holds {len(found)} members {member!r}: a .keras file has one; save the model again")
    info = found[0]
    if info.file_size > min(limit, _LARGEST_INFLATION * info.compress_size + 1_000_000):
        raise InputError(f"{name}: member {member!r} inflates to {info.file_size} bytes: save the model again")
    return archive.read(info)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
