"""Pressing with TensorFlow Model Optimization, which trains the ranges of activations too."""

from typing import Any

from ..compress.cluster import add_clustering, strip_clustering
from ..compress.engine.compression import Compression
from ..compress.engine.scheme import Scheme
from ..compress.fold import fold_batch_norm
from ..compress.prune import add_pruning, strip_pruning
from ..config import TrainConfig
from ..fitting.ramp import ramp_epochs
from ..keras_file import strip_quantization
from ..quantize import UnknownLayersError, add_quantization, forgets_zeros, release_clusters, rounded_kernels
from ..record.environment import make_deterministic
from ..run import Run, Teacher

__all__ = ["cluster", "prune", "quantize", "refuses"]

_BITS = (8, 4)


def refuses(model: Any, config: TrainConfig, foreign: str) -> str:
    """Why it cannot press a model so; empty where it can."""
    if config.weight_bits not in _BITS or config.layer_bits:
        return f"it has {' or '.join(map(str, _BITS))} bits in all layers"
    if config.scope not in ("", "layer"):
        return "it prunes layer by layer, all alike"
    if config.ranges == "measured":
        return "it learns the ranges of activations always"
    if foreign:
        return foreign
    if len(model.inputs) > 1:
        return "it presses models of one input here"
    try:
        add_quantization(fold_batch_norm(model), weight_bits=int(config.weight_bits))
    except UnknownLayersError as error:
        return str(error)
    return ""


def prune(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model with the config's zeros, fitted."""
    ramp = ramp_epochs(config.prune_epochs, config.pruning)
    pruned = add_pruning(
        model,
        config.sparsity,
        steps_per_epoch=run.steps,
        ramp_epochs=ramp,
        pruning=config.pruning,
        block=config.block,
        layer_shares=config.layer_sparsity,
    )
    run.fit(pruned, "prune", task=run.task_of(model), teacher=teacher, settle=ramp, engine="tfmot")
    return strip_pruning(pruned)


def cluster(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model with kernels of few values, fitted."""
    # Centroids begin at random ones, which must be the same ones in a run that goes on here.
    make_deterministic(config.seed)
    clustered = add_clustering(model, config.clusters)
    run.fit(clustered, "cluster", task=run.task_of(model), teacher=teacher, engine="tfmot")
    return strip_clustering(clustered)


def quantize(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model quantization-aware, its ranges in it; below 8 bits a plain float one with rounded weights."""
    quantized = add_quantization(model, clustered=config.clustered, weight_bits=int(config.weight_bits))
    held = Compression(quantized, Scheme()) if forgets_zeros(quantized) else None
    run.fit(quantized, "quantize", task=run.task_of(model), teacher=teacher, engine="tfmot", compression=held)
    quantized = release_clusters(quantized) if config.clustered else quantized
    if config.weight_bits == 8:
        return quantized
    # The rounded weights in a float model: export's quantizer gives them the same integers again.
    kernels = rounded_kernels(quantized)
    rounded = strip_quantization(quantized)
    for layer, kernel in kernels.items():
        rounded.get_layer(layer).kernel.assign(kernel)
    return rounded
