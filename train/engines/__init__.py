"""What presses a model: our own engine, or TensorFlow Model Optimization where the config names it.

Both obey one config, stage by stage: zeros, shared values, few bits. An engine is one module with three functions and
one row here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from edgepress.runtime import InputError

from ..config import TrainConfig
from ..run import Run, Teacher
from . import own, tfmot

__all__ = ["ENGINES", "Engine", "engine_of", "engines_of"]

Stage = Callable[[Run, Any, TrainConfig, Teacher | None], Any]
"""A run, a model, what is asked for, and who teaches it, to the model that comes out."""


class Engine(NamedTuple):
    """One way to press."""

    name: str
    refuses: Callable[[Any, TrainConfig, str], str]
    """Why it cannot press a model so; empty where it can."""
    prune: Stage
    cluster: Stage
    quantize: Stage
    measures: bool = False
    """Whether it spreads zeros and bits over the layers by what they do to the outputs."""


ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine("own", own.refuses, own.prune, own.cluster, own.quantize, measures=True),
        Engine("tfmot", tfmot.refuses, tfmot.prune, tfmot.cluster, tfmot.quantize),
    )
}
"""In the order in which they are asked: the better one of the study in `docs/compress-engine.md` first, by significant
differences in accuracy and otherwise by bytes."""


def engines_of(config: TrainConfig) -> list[Engine]:
    """The engine that the config names, or all, in the order in which they are asked."""
    return [ENGINES[config.engine]] if config.engine else list(ENGINES.values())


def engine_of(model: Any, config: TrainConfig, foreign: str = "") -> Engine:
    """The engine that the config names, or the first that can press the model so.

    Args:
        model: As `open_keras` gives it.
        config: What is asked for.
        foreign: Why the model's layers cannot be exchanged (`KerasFile.foreign`).

    Raises:
        InputError: The engine that is named cannot.
    """
    reasons = []
    for engine in engines_of(config):
        if not (reason := engine.refuses(model, config, foreign)):
            return engine
        reasons.append(f"{engine.name}: {reason}")
    raise InputError(
        f"{model.name} cannot be pressed ({'; '.join(reasons)}): name another engine, or change the preset"
    )
