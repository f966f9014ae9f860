"""The fits that lead to one file: the data they share, their checkpoints, and the history they write."""

import hashlib
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.quality import QUALITY
from edgepress.runtime import InputError
from edgepress.runtime.contract import Audio, Contract, Features, Input, Picture, Signal
from edgepress.runtime.tasks import Task

from .compress.engine.compression import Compression
from .compress.engine.ranges import Ranges
from .config import TrainConfig
from .fitting.augment import STRONG, Distortion, make_pool
from .fitting.changes import Augment, disturb_recordings, each_by_its_own, jitter, move_pictures
from .fitting.checkpoint import Checkpoint
from .fitting.distill import PoolEpochs, teach
from .fitting.epochs import EpochSource, LabelledEpochs
from .fitting.feed import Feeds, held, normalized, predictor
from .fitting.fit import FitPlan, Validation, fit
from .fitting.objective import objective_of
from .fitting.rates import rate_schedule
from .fitting.together import nested
from .keras_file import save_keras
from .meaning import meaning_of
from .record.history import History
from .record.tensorboard import scalar_log

__all__ = ["Run", "Teacher", "TrainResult"]

_log = logging.getLogger("edgepress")
_FITS = ("float", "prune", "cluster", "quantize", "head", "structured")
"""In this order: the place of a fit is in its seed."""
_FOLDED = ("cluster", "quantize")
"""Fits of networks whose normalizations are folded into their kernels."""
_STEPS_WANTED = 200
_SMALLEST_BATCH = 16
_FEWEST_STEPS = 50
"""Of an epoch: a few hundred examples are passed over several times in each."""

Teacher = Callable[[Any], NDArray[np.float32]]
"""Examples, as epochs hold them, to what a student should answer, as the loss takes targets."""


@dataclass(frozen=True)
class TrainResult:
    """A finished `.keras` file."""

    path: Path
    history: History

    @property
    def validation(self) -> tuple[str, float] | None:
        """The task's metric of the weights in the file, on the held-back training examples; None where nothing was
        fitted."""
        if not self.history.fits:
            return None
        last = list(self.history.fits.values())[-1]
        record = last["epochs"][last["best_epoch"]]
        name = next(key for key in record if key.startswith("validation_") and key != "validation_loss")
        return name.removeprefix("validation_"), float(record[name])


class Run:
    """One file in the making."""

    def __init__(
        self,
        dataset: Dataset,
        config: TrainConfig,
        history: History,
        path: Path,
        tensorboard: str | os.PathLike[str] | None,
        *,
        contract: Contract,
        task: Task,
    ) -> None:
        self._dataset, self._config, self._history, self._path = dataset, config, history, path
        self._logs = None if tensorboard is None else Path(tensorboard)
        self.contract = contract
        self.task = task
        if not task.traits.judged:
            raise InputError(f"task {task.kind}: no model is trained for that; export and benchmark take one of yours")
        objective = objective_of(task)
        fitted, held_back = dataset.fitted(config.split), dataset.held_back(config.split)
        self.examples = held(contract, fitted.inputs)
        """What weights are fitted to, as epochs hold it."""
        chosen_by = held(contract, held_back.inputs)
        if objective.learns_inputs:
            assert contract.only is not None
            self._targets = normalized(contract.only, fitted.x, flat=True)
            reals, targets = (normalized(contract.only, held_back.x, flat=flat) for flat in (False, True))
            self._validation = Validation(chosen_by, reals, targets)
        else:
            if fitted.targets is None or held_back.targets is None:
                raise InputError(f"{dataset.name} has no targets, and {task.kind} is learned from them")
            self._targets = objective.encode(fitted.targets, task, config.label_smoothing)
            self._validation = Validation(chosen_by, held_back.targets, objective.encode(held_back.targets, task, 0.0))
        few = max(_SMALLEST_BATCH, len(self.examples) // _STEPS_WANTED)
        self._batch = min(config.batch_size, few, len(self.examples))
        self._passes = -(-_FEWEST_STEPS // max(1, len(self.examples) // self._batch))

    @property
    def steps(self) -> int:
        """Training steps of one epoch."""
        return self._passes * len(self.examples) // self._batch

    def finished(self) -> TrainResult | None:
        """What this very run has written before."""
        history = History.read(self._path)
        if history and history.fingerprint == self._history.fingerprint and self._path.exists():
            _log.info("%s: this run has finished already", self._path)
            return TrainResult(self._path, history)
        return None

    def check(self, model: Any) -> None:
        """Refuse a model that the data set does not fit."""
        inputs, names = self.contract.inputs, list(model.input_names)
        if len(model.outputs) != 1:
            raise InputError(f"{model.name} has {len(model.outputs)} outputs: one is allowed where a model is trained")
        if len(names) != len(inputs) or (len(names) > 1 and set(names) != set(inputs)):
            raise InputError(
                f"{model.name} takes {', '.join(names)}, and {', '.join(inputs)} is what there is: the same inputs are "
                "allowed"
            )
        for name, tensor in zip(names, model.inputs, strict=True):
            wanted, given = tuple(tensor.shape[1:]), self.contract.only or inputs[name]
            if None in wanted or math.prod(wanted) != given.size:
                raise InputError(
                    f"{model.name} takes {wanted}, {self._dataset.name} has examples of {given.shape}: equal sizes are "
                    "allowed"
                )
        if len(inputs) > 1 and self._distortions:
            raise InputError(
                "copies bend the pictures of models with one input: copies and strong_copies of 0 are allowed"
            )
        count = math.prod(size or 0 for size in model.output_shape[1:])
        traits = self.task.traits
        allowed = (
            {math.prod(model.inputs[0].shape[1:])} if traits.reconstructs else traits.widths(len(self.task.labels))
        )
        if count not in allowed:
            raise InputError(
                f"{model.name} gives {model.output_shape[1:]}, {self._dataset.name} has {len(self.task.labels)} "
                f"{'classes' if self.task.classifies else 'targets'}: one output each is allowed"
            )

    def quality_of(self, model: Any) -> tuple[str, float]:
        """The task's metric of a model on the held-back examples, by its name."""
        task = self.task_of(model)
        outputs = predictor(model, self.contract)(self._validation.held)
        score = self._validation.score(task, self._validation.answers, outputs)
        return ("score" if objective_of(task).learns_inputs else QUALITY[task.kind].metric.name), score

    def task_of(self, model: Any) -> Task:
        """The run's task, with what this model's output means."""
        return self.task._replace(meaning=meaning_of(model, self.task.kind))

    def teacher(self, model: Any) -> Teacher | None:
        """What a model would have a student answer; None where examples are their own targets."""
        task, predict = self.task_of(model), predictor(model, self.contract)
        if objective_of(task).learns_inputs:
            return None
        if task.traits.numeric:
            return predict
        answers = QUALITY[task.kind].answers
        return lambda asked: answers(task, asked, predict(asked)).astype(np.float32)

    def fit(
        self,
        model: Any,
        name: str,
        *,
        task: Task | None = None,
        teacher: Teacher | None = None,
        settle: int = 0,
        weight_decay: float = 0.0,
        compression: Compression | None = None,
        ranges: Ranges | None = None,
        **notes: Any,
    ) -> None:
        """Run the fit with that name in the config, or what is left of it; `notes` are kept with it in the history, and
        so are ranges that it learns."""
        config = self._config
        seed = (config.seed, _FITS.index(name))
        source = self._source(name, seed, teacher)
        prefix = "" if name == "float" else f"{name}_"
        epochs: int = getattr(config, f"{prefix}epochs")
        rate = rate_schedule(config.schedule, getattr(config, f"{prefix}learning_rate"))
        gentle = name in _FOLDED
        plan = FitPlan(name, epochs, self._batch, rate, config.patience, seed, settle, weight_decay, gentle)
        state = fit(
            model, source, self._validation, plan,
            examples=self._passes * len(self.examples), contract=self.contract, task=task or self.task_of(model),
            compression=compression, ranges=ranges, checkpoint=self._checkpoint(name),
            observe=scalar_log(self._logs / name) if self._logs else None,
        )  # fmt: skip
        self._history.fits[name] = {"epochs": state.epochs, "best_epoch": state.best_epoch, **notes}
        if ranges:
            self._history = replace(self._history, ranges={name: list(ends) for name, ends in ranges.found.items()})

    def inputs_of(self, model: Any, most: int) -> list[NDArray[Any]]:
        """At most so many examples that weights are fitted to, spread evenly, as each input of a model takes them."""
        some = self.examples[:: max(1, -(-len(self.examples) // most))]
        tensors = Feeds(model, self.contract).tensor(nested(some))
        return [np.asarray(each.numpy()) for each in (tensors if isinstance(tensors, list) else [tensors])]

    @property
    def _distortions(self) -> list[Distortion]:
        """Of the copies that are made of each picture once; only pictures are bent."""
        pictures = any(isinstance(each, Picture) for each in self.contract.inputs.values())
        if not (pictures and objective_of(self.task).augmented):
            return []
        return [Distortion()] * self._config.copies + [STRONG] * self._config.strong_copies

    def _source(self, name: str, seed: tuple[int, ...], teacher: Teacher | None) -> EpochSource:
        """What the fit with that name sees."""
        config = self._config
        share = config.distill if teacher else 0.0
        if not (distortions := self._distortions):
            augment = _augmentation(self.contract, config) if objective_of(self.task).augmented else None
            return LabelledEpochs(
                self.examples, self._targets, seed=seed, augment=augment, teacher=teacher, teacher_share=share,
                passes=self._passes,
            )  # fmt: skip
        pool = make_pool(self.examples, self._pool_path, distortions, seed=config.seed)
        logits = teach(pool, _logits(teacher), self._scratch(f"{name}-answers")) if teacher else None
        return PoolEpochs(pool, self._targets, seed=seed, logits=logits, share=share, passes=self._passes)

    def finish(self, model: Any, *, keep_pool: bool = False) -> TrainResult:
        """Publish the model and its history, then forget the checkpoints."""
        # The history comes first: a model that is there always has its history, and counts as finished.
        self._history.write(self._path)
        save_keras(model, self._path, record=self._history.essentials())
        for name in _FITS:
            self._checkpoint(name).remove()
            self._scratch(f"{name}-answers").unlink(missing_ok=True)
        if not keep_pool:
            self._pool_path.unlink(missing_ok=True)
        return TrainResult(self._path, self._history)

    @property
    def _pool_path(self) -> Path:
        """By what decides the pool: a teacher and those it teaches share one."""
        config = self._config
        decisive = (self._dataset.sha256, config.seed, config.validation_share, config.copies, config.strong_copies)
        return self._path.with_name(f".pool-{hashlib.sha256(repr(decisive).encode()).hexdigest()[:12]}.npy")

    def _scratch(self, what: str) -> Path:
        return self._path.with_name(f".{self._path.stem}-{what}-{self._history.fingerprint[:12]}.npy")

    def _checkpoint(self, name: str) -> Checkpoint:
        path = self._path.with_name(f".{self._path.stem}-{name}.checkpoint.npz")
        return Checkpoint(path, self._history.fingerprint)


def _augmentation(contract: Contract, config: TrainConfig) -> Augment | None:
    """How examples are changed anew each epoch; None where they stay as they are."""
    augments = [_augmentation_of(each, config) for each in contract.inputs.values()]
    if len(augments) == 1:
        return augments[0]
    return partial(each_by_its_own, augments=augments) if any(augments) else None


def _augmentation_of(contract: Input, config: TrainConfig) -> Augment | None:
    """Likewise of one input, by its kind."""
    if isinstance(contract, Picture):
        if not config.shift and not config.mirror:
            return None
        return partial(move_pictures, mirror=config.mirror, pixels=config.shift)
    if isinstance(contract, Audio):
        samples = round(config.shift_seconds * contract.rate)
        return partial(disturb_recordings, samples=samples, gain_db=config.gain_db, noise=config.noise)
    # Other numbers have a scale of their own, or are the places of words: noise would make other words of them.
    scaled = isinstance(contract, Features | Signal)
    return partial(jitter, deviation=config.noise) if config.noise and scaled else None


def _logits(probabilities: Teacher) -> Teacher:
    """A teacher's probabilities as logits: their logarithms."""
    return lambda images: np.log(np.maximum(probabilities(images), 1e-12))
