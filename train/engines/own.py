"""Pressing with our own engine: any Keras model's kernels, as they are."""

import contextlib
import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.runtime.tasks import Task

from ..compress.engine.compression import UPDATES, Compression
from ..compress.engine.kernels import kernels_of
from ..compress.engine.points import without_a_place
from ..compress.engine.ranges import Ranges
from ..compress.engine.scheme import BITS, MEASURED, Scheme
from ..compress.engine.sensitivity import EXAMPLES, measured_bits, measured_sparsity
from ..compress.narrow import labels_by, narrowed
from ..config import TrainConfig
from ..fitting.ramp import ramp_epochs
from ..keras_file import copied, inside
from ..run import Run, Teacher

__all__ = ["cluster", "prune", "pruning_of", "quantize", "refuses"]

_log = logging.getLogger("edgepress")

_EXAMPLES = 512
"""That the first ranges of activations are taken from."""
_HEARD = 200
"""Of them, by which it is chosen where what comes in is cut off."""
_PARTS = 8
"""In which they go through the model."""


def refuses(model: Any, config: TrainConfig, foreign: str) -> str:
    """Why it cannot press a model so; empty where it can."""
    if not kernels_of(inside(model)):
        return "it has no layer with a kernel"
    if config.ranges == "learned" and (odd := without_a_place(inside(model))):
        return f"where it rounds activations is not known of {odd}; ranges = 'measured' is allowed"
    return ""


def prune(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model with the config's zeros, fitted."""
    ramp = ramp_epochs(config.prune_epochs, config.pruning)
    if config.scope != MEASURED:
        return _fitted(run, model, "prune", pruning_of(config), teacher, settle=ramp)
    found = measured_sparsity(
        inside(model),
        run.inputs_of(model, EXAMPLES),
        config.sparsity,
        block=config.block,
        fixed=config.layer_sparsity,
    )
    config = replace(config, scope="", layer_sparsity=found)
    return _fitted(run, model, "prune", pruning_of(config), teacher, settle=ramp, layer_sparsity=found)


def pruning_of(config: TrainConfig) -> Scheme:
    """The zeros that a config asks for: all of them are there when the last choice of the last epoch is made."""
    ramp = ramp_epochs(config.prune_epochs, config.pruning) / config.prune_epochs
    return Scheme(
        config.sparsity, config.pruning, config.scope, config.block, config.layer_sparsity,
        ramp=min(ramp, 1 - 1 / UPDATES),
    )  # fmt: skip


def cluster(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model with kernels of few values, fitted."""
    return _fitted(run, model, "cluster", Scheme(clusters=config.clusters), teacher)


def quantize(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model with kernels of few bits, fitted: a plain float one, to whose weights a converter gives the same
    integers. The run keeps the ranges of activations that are learned beside them; others are measured by export."""
    clusters, bits, layer_bits = config.clusters if config.clustered else 0, config.weight_bits, config.layer_bits
    if bits not in BITS:
        found = measured_bits(inside(model), run.inputs_of(model, EXAMPLES), bits, fixed=layer_bits)
        bits, layer_bits = max(BITS), found
    scheme = Scheme(clusters=clusters, weight_bits=int(bits), layer_bits=layer_bits)
    eight = {int(bits), *layer_bits.values()} == {8}
    learns = eight and config.ranges != "measured" and not without_a_place(inside(model))
    notes: dict[str, Any] = {"layer_bits": layer_bits} if layer_bits else {}
    return _fitted(run, model, "quantize", scheme, teacher, learns=learns, **notes)


def _fitted(
    run: Run, model: Any, name: str, scheme: Scheme, teacher: Teacher | None, settle: int = 0, *, learns: bool = False,
    **notes: Any,
) -> Any:  # fmt: skip
    # The float model goes on as the teacher.
    model = copied(model)
    task, compression = run.task_of(model), Compression(inside(model), scheme)
    ranges = None
    if learns:
        (examples,) = run.inputs_of(model, _EXAMPLES)
        parts = np.array_split(_cut_off(inside(model), task, examples), _PARTS)
        ranges = Ranges(inside(model), parts, compression.scales)
    with ranges.active() if ranges else contextlib.nullcontext():
        run.fit(
            model, name, task=task, teacher=teacher, settle=settle, engine="own",
            compression=compression, ranges=ranges, **notes,
        )  # fmt: skip
    return model


def _cut_off(model: Any, task: Task, examples: NDArray[Any]) -> NDArray[Any]:
    """Examples as the file will take them: without what lies far out, where that makes the model's answers truer. An
    anomaly detector looks for just that."""
    if examples.dtype.kind != "f" or task.traits.reconstructs:
        return examples
    some = examples[:: -(-len(examples) // _HEARD)]

    def say(numbers: NDArray[Any]) -> dict[str, NDArray[Any]]:
        parts = np.array_split(numbers, min(_PARTS, len(numbers)))
        return {"": np.concatenate([np.asarray(model(part, training=False)) for part in parts])}

    whole = float(examples.min()), float(examples.max())
    clip = narrowed(some, whole, say, labels_by(task, some))
    if clip is None:
        return examples
    _log.info("%s learns the ranges of what comes in %s", model.name, clip.beside(whole))
    return np.clip(examples, clip.low, clip.high)
