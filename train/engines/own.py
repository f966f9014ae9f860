"""Pressing with our own engine: any Keras model's kernels, as they are."""

from typing import Any

from ..compress.engine.compression import UPDATES, Compression
from ..compress.engine.kernels import kernels_of
from ..compress.engine.scheme import Scheme
from ..config import TrainConfig
from ..fitting.ramp import ramp_epochs
from ..keras_file import copied, inside
from ..run import Run, Teacher

__all__ = ["cluster", "prune", "pruning_of", "quantize", "refuses"]


def refuses(model: Any, config: TrainConfig, foreign: str) -> str:
    """Why it cannot press a model so; empty where it can."""
    return "" if kernels_of(inside(model)) else "it has no layer with a kernel"


def prune(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model with the config's zeros, fitted."""
    ramp = ramp_epochs(config.prune_epochs, config.pruning)
    return _fitted(run, model, "prune", pruning_of(config), teacher, settle=ramp)


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
    integers. Ranges of activations are measured by export."""
    clusters = config.clusters if config.clustered else 0
    return _fitted(run, model, "quantize", Scheme(clusters=clusters, weight_bits=config.weight_bits), teacher)


def _fitted(run: Run, model: Any, name: str, scheme: Scheme, teacher: Teacher | None, settle: int = 0) -> Any:
    # The float model goes on as the teacher.
    model = copied(model)
    run.fit(
        model, name, task=run.task_of(model), teacher=teacher, settle=settle, engine="own",
        compression=Compression(inside(model), scheme),
    )  # fmt: skip
    return model
