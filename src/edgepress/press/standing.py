"""What a search counts: the task's own metric, in the unit in which benchmarks judge it, on what export holds back."""

from pathlib import Path
from typing import Any

from edgepress.benchmarks.statistics.margins import margin_of
from edgepress.data import Dataset
from edgepress.export.draw import Draw
from edgepress.export.question import answers_of
from edgepress.export.samples import samples_of
from edgepress.quality import QUALITY, Standing
from edgepress.runtime import Contract, Task
from edgepress.train import History, TrainConfig, meaning_of, suited

__all__ = ["recorded_question", "standing_of", "unit_of"]


def recorded_question(baseline: Path) -> tuple[Contract, Task]:
    """The contract and the task that training recorded with the baseline."""
    history = History.of(baseline)
    assert history is not None
    return Contract.from_dict(history.contract or {}), Task.from_dict(history.task or {})


def standing_of(model: Any, dataset: Dataset, contract: Contract, task: Task, config: TrainConfig) -> Standing:
    """What a float model is worth on the examples by which export judges every file that is made of it."""
    dataset = suited(model, dataset)
    held_back = samples_of(model, contract, Draw(dataset, config.split, config.seed).held_back)
    (output, *_) = answers_of(model, held_back).values()
    meant = task._replace(meaning=meaning_of(model, task.kind))
    fitted = dataset.fitted(config.split).targets
    return QUALITY[task.kind].standing(meant, held_back.first, output, fitted, held_back.targets)


def unit_of(standing: Standing) -> str:
    """Of its drops: `points`, or percent of the trivial answer's error."""
    return margin_of(standing.metric, None).unit
