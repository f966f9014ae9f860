"""What a bundle's models are asked, and how: one contract and one task for all of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgepress.data import NOTHING, Dataset
from edgepress.quality import QUALITY, quality_of
from edgepress.runtime import InputError
from edgepress.runtime.contract import Contract
from edgepress.runtime.tasks import TASKS, Task
from edgepress.runtime.tasks.anomaly import scores
from edgepress.train import find_contract, sized, suited, task_of

from .draw import Draw
from .fidelity.measure import Outputs
from .samples import Samples, predicted, samples_of, thinned
from .source import Source

__all__ = ["Asked", "answers_of", "ask", "common", "with_thresholds"]

_TESTED = 5000
"""Test examples that a model's own metrics are measured on, at most."""
_UNKNOWN_SHARE = 0.02
"""Share of held-back examples that the threshold for "unknown", or for an anomaly, may turn away."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One model with the data for it."""

    source: Source
    draw: Draw
    contract: Contract
    task: Task
    calibration: Samples
    held_back: Samples
    reference: Outputs
    """What the Keras model itself gives for the held-back examples, in float32."""
    test: Mapping[str, Any] = field(default_factory=dict)
    """What it comes to on the test part, told beside the rest and used for nothing; empty without right answers."""


def ask(
    source: Source,
    dataset: Dataset,
    *,
    calibration: Dataset | None,
    seed: int,
    task: str | None,
    input: str | None,
    accept_chance: bool,
) -> Asked:
    """Find contract and task of one model: as stated, as training recorded them, or tried on held-back examples.

    Raises:
        InputError: Model and data do not fit together, or how it takes its input cannot be told.
    """
    source = _sized(source, dataset)
    dataset = suited(source.model, dataset)
    calibration = None if calibration is None else suited(source.model, calibration)
    history = source.history
    same = history is not None and history.dataset["sha256"] == dataset.sha256
    draw = Draw(dataset, history.recipe if history and same else None, seed, calibration)
    recorded = history if task is None and input is None else None
    if recorded is not None and recorded.task is not None and _fits(recorded.task, dataset):
        found = Task.from_dict(recorded.task)._replace(
            meaning=task_of(source.model, dataset, recorded.task["kind"]).meaning
        )
        found = found._replace(labels=dataset.targets.names or found.labels) if not found.traits.reconstructs else found
    else:
        found = task_of(source.model, dataset, task)
    contract = find_contract(
        source.model, dataset, found, fitted=dataset.fitted(draw.recipe), held_back=draw.held_back, stated=input,
        recorded=recorded.contract if recorded else None, accept_chance=accept_chance,
    )  # fmt: skip
    held_back = samples_of(source.model, contract, draw.held_back)
    return Asked(
        source, draw, contract, found, samples_of(source.model, contract, draw.calibration), held_back,
        answers_of(source.model, held_back), _tested(source.model, contract, found, dataset),
    )  # fmt: skip


def _sized(source: Source, dataset: Dataset) -> Source:
    """The model with the data's sizes where it leaves them open."""
    model = sized(source.model, dataset)
    if model is not source.model and source.quantized is not None:
        raise InputError(
            f"{source.name} is quantization-aware and leaves sizes of its input open: train it with a fixed size"
        )
    return replace(source, model=model)


def _fits(task: Mapping[str, Any], dataset: Dataset) -> bool:
    """Whether a recorded task is about as many classes, labels or numbers as the data have."""
    if TASKS[task["kind"]].reconstructs:
        return True
    return dataset.targets.kind == NOTHING or len(task["labels"]) == len(dataset.targets.names)


def _tested(model: Any, contract: Contract, task: Task, dataset: Dataset) -> dict[str, Any]:
    """The model's own metrics on test examples: held-back ones of other people's models may have been fitted."""
    quality = quality_of(task)
    if quality is None or dataset.test.targets is None:
        return {}
    samples = samples_of(model, contract, thinned(dataset.test, _TESTED))
    assert samples.targets is not None
    (output,) = answers_of(model, samples).values()
    answers = quality.answers(task, samples.first, output)
    return {"examples": len(samples), **quality.measure(answers, samples.targets)}


def answers_of(model: Any, samples: Samples) -> Outputs:
    """What a tf-keras model gives, by output name."""
    return predicted(model, [samples.inputs[name] for name in model.input_names])


def common(asked: Sequence[Asked]) -> tuple[Contract, Task]:
    """The contract and the task of all models.

    Raises:
        InputError: They differ.
    """
    first = asked[-1]
    for other in asked[:-1]:
        if other.task._replace(labels=()) != first.task._replace(labels=()):
            raise InputError(
                f"models of one bundle must give the same kind of output: {other.source.name} gives {other.task.kind} "
                f"{other.task.meaning}, {first.source.name} {first.task.kind} {first.task.meaning}"
            )
        if list(other.contract.inputs.values()) != list(first.contract.inputs.values()):
            raise InputError(
                f"models of one bundle must take the same input: {other.source.name} and {first.source.name} take it "
                "otherwise; export them apart, or say how with --input"
            )
    return first.contract, first.task


def with_thresholds(task: Task, asked: Asked) -> Task:
    """The task with the thresholds that all but a few held-back examples keep."""
    (output, *others) = asked.reference.values()
    if task.classifies and not others:
        answers = QUALITY[task.kind].answers(task, asked.held_back.first, output)
        return task._replace(unknown_threshold=_rounded_down(np.quantile(answers.max(axis=1), _UNKNOWN_SHARE)))
    if task.traits.reconstructs:
        found = scores(asked.held_back.first, output)
        normal = found if asked.held_back.targets is None else found[asked.held_back.targets == 0]
        return task._replace(threshold=float(np.quantile(normal if len(normal) else found, 1 - _UNKNOWN_SHARE)))
    return task


def _rounded_down(share: Any) -> float:
    """To four digits; a threshold that was rounded up to 1 would turn everything away."""
    return math.floor(float(share) * 1e4) / 1e4
