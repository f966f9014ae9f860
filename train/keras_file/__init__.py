"""Open Keras files that somebody else wrote, without executing anything in them.

tf-keras' own loader runs code that a file brings along, Lambda layers among it, in safe mode too. So a file's format is
told by its magic, its config is read through a whitelist of layers, the model is built anew as tf-keras, and the
weights are copied one by one. What that whitelist does not know is made by its own Keras from a vetted copy (`native`),
or refused by name.
"""

import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import InputError

from ..quantize import add_quantization
from .archive import check_arrays, read_raw, read_stored
from .build import BuiltModel, build_model, set_weights
from .custom import Custom, active_custom, custom_layers
from .graph import Graph, parse_graph
from .layers import CannotRebuildError
from .native import as_tf_keras, copied, inside, library_of, native, without_budget
from .saved_graph import graph_model, holds_a_graph, outline_of_graph
from .stored import RawModel, StoredModel
from .unroll import has_loops, unrolled

__all__ = [
    "CannotRebuildError",
    "KerasFile",
    "active_custom",
    "as_tf_keras",
    "copied",
    "custom_layers",
    "graph_of",
    "has_loops",
    "inside",
    "model_of",
    "open_keras",
    "outline_of",
    "read_record",
    "save_keras",
    "strip_quantization",
    "unrolled",
]

_RECORD = "edgepress.json"
_LARGEST_RECORD = 1 << 24
_PROBES = 8
_FREE_SIZE = 96
"""In place of a size that is left open: large enough for networks that halve a picture five times."""
_LARGEST_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class KerasFile:
    """A model that was opened, and what it was."""

    model: Any
    """tf-keras, functional, float32; not compiled. Models inside the model are laid open. Where `quantized`, it carries
    TFMOT's quantization wrappers with the ranges that training found."""
    path: Path
    format: str
    """`keras`, `h5` or `savedmodel`."""
    keras_version: str
    """That wrote the file, as far as the file states it, such as `3.15.1`; else empty."""
    quantized: bool
    """Whether the model is quantization-aware; `strip_quantization` gives the plain one."""
    partly_quantized: bool = False
    """Whether only some layers of the file are quantization-aware: the model is the plain one, for its ranges do not
    reach from one end to the other."""
    foreign: str = ""
    """Why the model could not be rebuilt layer by layer; empty where it could. TensorFlow Model Optimization does not
    take such a model: its layers cannot be exchanged."""
    custom: Custom | None = None
    """The user's own file that some of its layers come from."""

    def require_rebuilt(self, what: str) -> None:
        """Raise InputError where the model's layers cannot be exchanged, with the one that is to blame."""
        if self.foreign:
            raise InputError(f"{self.path} cannot be {what} ({self.foreign})")


def open_keras(path: str | os.PathLike[str]) -> KerasFile:
    """Open a `.keras` file of Keras 3 or tf-keras, an `.h5`, or a SavedModel.

    Models of layers that TensorFlow Model Optimization knows are rebuilt as tf-keras, layer by layer, and one of Keras
    3 is compared with what Keras 3 itself computes. Any other is made by its own Keras, once everything that its config
    names is known to be harmless; our own engine presses it. The batch is left free. Within
    `custom_layers` a model may have layers and functions of the user's own. A SavedModel without layers becomes a model
    that calls its graph, where all its operators are harmless.

    Raises:
        InputError: Not such a file, a layer that cannot be opened (named), or a file that is not safe to read.
    """
    path = Path(path)
    if holds_a_graph(path):
        why = "it holds a graph without layers"
        return KerasFile(graph_model(path), path, "savedmodel", "", quantized=False, foreign=why)
    raw = read_raw(path)
    custom = active_custom()
    own = custom.names_in(raw.config, library_of(raw)) if custom else set()
    try:
        if own:
            assert custom is not None
            raise CannotRebuildError(f"{', '.join(sorted(own))} of {custom.path.name}")
        return _rebuilt(raw)
    except CannotRebuildError as error:
        check_arrays(raw)
        return KerasFile(
            native(raw),
            path,
            raw.format,
            raw.keras_version,
            quantized=False,
            foreign=str(error),
            custom=custom if own else None,
        )


def _rebuilt(raw: RawModel) -> KerasFile:
    stored = read_stored(raw)
    built = build_model(stored.graph.without_quantization(), stored.most_weights)
    _copy_weights(stored, built)
    built.finish()
    if raw.keras_version.startswith("3."):
        _compare_with_keras3(built.model, raw.path, raw.format)
    partly = stored.graph.partly_quantized
    aware = stored.graph.quantized and not partly
    model = _quantized(stored, built.model) if aware else built.model
    return KerasFile(model, raw.path, raw.format, raw.keras_version, aware, partly)


def save_keras(model: Any, path: str | os.PathLike[str], *, record: dict[str, Any] | None = None) -> None:
    """Write a tf-keras model as `.keras`, whole or not at all.

    Args:
        model: The model.
        path: The file.
        record: What `read_record` gives back: a member of the archive that Keras does not look at.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as work:
        # The optimizer's state is training's own business; it would triple the file.
        unfinished = Path(work) / "model.keras"
        inside(model).save(unfinished)
        _name_initializers(unfinished)
        if record is not None:
            with zipfile.ZipFile(unfinished, "a") as archive:
                archive.writestr(_RECORD, json.dumps(record, sort_keys=True))
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)


def _name_initializers(path: Path) -> None:
    """Put back into a file the initializers of the one that its model was loaded from."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    if (named := without_budget(config)) != config:
        members["config.json"] = json.dumps(named).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)


def read_record(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What `save_keras` was given to keep in the file; None where there is none that can be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_RECORD).file_size > _LARGEST_RECORD:
                return None
            record = json.loads(archive.read(_RECORD))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return record if isinstance(record, dict) else None


def strip_quantization(model: Any) -> Any:
    """The plain float tf-keras model inside a quantization-aware one, with the same weights, zeros included.

    A model without quantization wrappers comes back as a copy.
    """
    graph = graph_of(model)
    built = build_model(graph.without_quantization(), model.count_params())
    outer = {layer.name: layer for layer in model.layers}
    for node in graph.nodes:
        target = built.layers.get((node.name,))
        if target is None:
            continue
        variables = [*target.trainable_weights, *target.non_trainable_weights]
        if node.wrapper:
            wrapper = outer[f"quant_{node.name}"]
            count = len(target.trainable_weights)
            # The wrapper lists what it trains in the layer's order, then its own ranges.
            sources = [*wrapper.trainable_weights[:count], *wrapper.layer.non_trainable_weights]
        else:
            source = outer[node.name]
            sources = [*source.trainable_weights, *source.non_trainable_weights]
        set_weights((node.name,), variables, [source.numpy() for source in sources])
    return built.finish()


def graph_of(model: Any) -> Graph:
    """The structure of a tf-keras model in memory.

    Raises:
        CannotRebuildError: A layer that cannot be rebuilt.
    """
    if inside(model) is not model:
        raise CannotRebuildError(f"{model.name} is called as a whole")
    return parse_graph(type(model).__name__, model.get_config(), model.input_shape)


def outline_of(model: Any) -> Graph:
    """The structure of any opened model: which layers there are and what they take, without their options."""
    model = inside(model)
    if (outline := outline_of_graph(model)) is not None:
        return outline
    config = json.loads(json.dumps(model.get_config(), default=str))
    return parse_graph(type(model).__name__, config, model.input_shape, strict=False)


def model_of(graph: Graph, weights: dict[str, list[NDArray[Any]]]) -> Any:
    """A tf-keras model with that structure.

    Args:
        graph: Without quantization and inner models.
        weights: Arrays by layer name, in the order of the layer's `weights`.
    """
    built = build_model(graph, sum(array.size for arrays in weights.values() for array in arrays))
    for path, layer in built.layers.items():
        set_weights(path, layer.weights, weights.get(path[0], []))
    return built.finish()


def _copy_weights(stored: StoredModel, built: BuiltModel) -> None:
    """Every layer's weights, from wherever the file's format keeps them."""
    wrapped = {node.name for node in stored.graph.nodes if node.wrapper}
    for path, saved in stored.layers.items():
        if path in built.layers:
            layer = built.layers[path]
            variables = [*layer.trainable_weights, *layer.non_trainable_weights]
            arrays = saved.arrays
            if path[0] in wrapped:
                frozen = len(layer.non_trainable_weights)
                arrays = saved.arrays[: len(layer.trainable_weights)] + saved.wrapped[len(saved.wrapped) - frozen :]
            set_weights(path, variables, arrays)
        elif inside := [layer for name, layer in built.layers.items() if name[: len(path)] == path]:
            # `.h5` lists a whole inner model as what it trains, then what it does not.
            variables = [v for layer in inside for v in layer.trainable_weights]
            variables += [v for layer in inside for v in layer.non_trainable_weights]
            set_weights(path, variables, saved.arrays)
    missing = [path for path in built.layers if path not in stored.layers and path[:1] not in stored.layers]
    if missing:
        raise InputError(f"the file holds no weights for layer {'/'.join(missing[0])!r}: save the model again")


def _quantized(stored: StoredModel, model: Any) -> Any:
    """The quantization-aware model around the plain one, with the ranges of the file."""
    quantized = add_quantization(model)
    quantizing = iter(layer for layer in quantized.layers if type(layer).__name__ == "QuantizeLayer")
    layers = {layer.name: layer for layer in quantized.layers}
    for node in stored.graph.nodes:
        layer = next(quantizing, None) if node.class_name == "QuantizeLayer" else layers.get(f"quant_{node.name}")
        if not node.wrapper and node.class_name != "QuantizeLayer":
            continue
        if layer is None:
            raise InputError(f"quantized layer {node.name!r} cannot be rebuilt: press the model again")
        # In the order in which Keras saves a layer's own variables.
        variables = [*layer._trainable_weights, *layer._non_trainable_weights]
        set_weights((node.name,), variables, stored.layers[node.name,].arrays)
    return quantized


def _compare_with_keras3(model: Any, path: Path, format: str) -> None:
    """Keras 3 loads the file too, in safe mode and past the whitelist, and must compute the same."""
    keras = require("keras", extra="toolkit")
    rng = np.random.default_rng(0)
    probes = [_probe(model, tensor, rng) for tensor in model.inputs]
    try:
        with tempfile.TemporaryDirectory() as work:
            # Keras 3 tells formats by the suffix, we by the magic.
            named = Path(work) / f"model.{format}"
            named.symlink_to(path.resolve())
            original = keras.saving.load_model(named, compile=False, safe_mode=True)
        wanted = original(probes if len(probes) > 1 else probes[0], training=False)
    except Exception as error:
        raise InputError(
            f"{path}: Keras 3 cannot load it ({str(error).splitlines()[0][:150]}): save it again"
        ) from None
    if isinstance(wanted, dict):
        raise CannotRebuildError("its outputs are in a dictionary")
    given = model(probes if len(probes) > 1 else probes[0], training=False)
    for ours, theirs in zip(_flat(given), _flat(wanted), strict=True):
        difference = float(np.max(np.abs(ours - theirs)))
        scale = max(1.0, float(np.max(np.abs(theirs))))
        if not difference <= _LARGEST_DIFFERENCE * scale:
            raise CannotRebuildError(
                f"rebuilt for tf-keras, the model's outputs differ from Keras 3's by {difference:.2g}"
            )


def _probe(model: Any, tensor: Any, rng: np.random.Generator) -> NDArray[Any]:
    """Numbers that an input may see: as large as what a first Rescaling or Normalization brings to about 1."""
    shape = (_PROBES, *(length or _FREE_SIZE for length in tensor.shape[1:]))
    numbers = rng.random(shape, np.float32)
    if not tensor.dtype.is_floating:
        return np.asarray(np.floor(numbers * 2), tensor.dtype.as_numpy_dtype)
    layers = {type(layer).__name__: layer for layer in model.layers if getattr(layer, "input", None) is tensor}
    if "Rescaling" in layers:
        numbers = numbers / np.max(np.abs(layers["Rescaling"].scale))
    elif "Normalization" in layers:
        norm = layers["Normalization"]
        numbers = np.asarray(norm.mean + (2 * numbers - 1) * np.sqrt(norm.variance), np.float32)
    return numbers.astype(np.float32)


def _flat(outputs: Any) -> list[Any]:
    return [np.asarray(item) for item in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
