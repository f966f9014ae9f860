"""The training loop: one TensorFlow graph call an epoch instead of one Python call a batch.

Every epoch depends on the state that `FitState` holds and on its own number alone, so a fit can stop at any epoch and
go on in another process.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.base.progress import STEP, stage
from edgepress.data.rows import Rows
from edgepress.quality import QUALITY
from edgepress.runtime.contract import Contract, Input
from edgepress.runtime.tasks import Task

from ..compress.engine.compression import UPDATES, Compression, in_tensorflow
from ..compress.engine.ranges import Ranges
from ..keras_file.own import generators_of, own_losses
from .checkpoint import Checkpoint, FitState
from .epochs import Epoch, EpochInPieces, EpochSource, prefetch
from .feed import Feeds, predictor
from .gentle import gently
from .objective import objective_of
from .strided import step_before_convolving
from .together import nested

__all__ = ["FitPlan", "Validation", "fit"]

_log = logging.getLogger("edgepress")
_PORTION = 256
"""Held-back examples that are compared at a time, where they are in a file and are their own targets."""


@dataclass(frozen=True)
class FitPlan:
    """How long, how fast, and when to stop."""

    name: str
    """What progress lines call the fit."""
    epochs: int
    batch_size: int
    rate: Callable[[float], float]
    """Learning rate by progress from 0 (first step) to 1 (last step)."""
    patience: int
    """Epochs without a better validation accuracy after which the fit stops."""
    seed: tuple[int, ...]
    """Decides, with the epoch's number, what dropout leaves out."""
    settle: int = 0
    """First epochs that cannot be the best one: while pruning still removes weights."""
    weight_decay: float = 0.0
    """Share of each kernel, times the rate, that a step takes away (Loshchilov and Hutter 2019, AdamW)."""
    gentle: bool = False
    """Whether kernels that are small at the beginning move by as much less (`gentle`)."""

    def rates(self, epoch: int, steps: int) -> NDArray[np.float32]:
        """The rate of each step of an epoch."""
        last = max(1, self.epochs * steps - 1)
        return np.array([self.rate((epoch * steps + step) / last) for step in range(steps)], np.float32)


@dataclass(frozen=True, eq=False)
class Validation:
    """Examples that no weight is fitted to, on which the best epoch is chosen."""

    held: Any
    """As `feed.held` gives them. Shape (n, ...)."""
    answers: NDArray[Any]
    """The right ones, as the data give them; an example's own real numbers where it is what is learned."""
    targets: NDArray[np.float32]
    """The right answers as the loss takes them."""

    def score(self, task: Task, reals: NDArray[Any], outputs: NDArray[Any]) -> float:
        """The task's metric. An anomaly detector is fitted to normal examples alone: what is told is its mean score."""
        quality = QUALITY[task.kind]
        found = quality.answers(task, reals, outputs)
        return float(found.mean()) if objective_of(task).learns_inputs else quality.metric.of(found, self.answers)


def fit(
    model: Any,
    source: EpochSource,
    validation: Validation,
    plan: FitPlan,
    *,
    examples: int,
    contract: Contract | Input,
    task: Task,
    compression: Compression | None = None,
    ranges: Ranges | None = None,
    checkpoint: Checkpoint | None = None,
    observe: Callable[[int, dict[str, Any]], None] | None = None,
) -> FitState:
    """Train `model` (as `open_keras` gives it, of one output) in place; it ends with the weights of the best epoch.

    Args:
        model: Takes the contract's real numbers in its own inputs' shapes.
        source: Makes each epoch; all of `examples` examples.
        validation: Chooses the best epoch, by the task's metric, then by loss.
        plan: How long, how fast, and when to stop.
        examples: Examples of one epoch; what does not fill a batch is left out, other ones each epoch.
        contract: How what epochs hold becomes the model's inputs, as `Feeds` takes it.
        task: What the model is fitted to, and whether it gives logits.
        compression: Of this very model: its kernels are compressed in every step.
        ranges: Of this very model, and active: they are trained with it, and end as they were in the best epoch.
        checkpoint: Where to go on, and where to keep the state after each epoch.
        observe: Called with the number and the record of each epoch that is trained.

    Returns:
        The state after the last epoch: one record an epoch, and which was the best.
    """
    batch = min(plan.batch_size, examples)
    steps = examples // batch
    step_before_convolving(model)
    # The older class updates a variable in one fused kernel; the newer one's dozen small ones cost a fifth of a step.
    optimizer = require("tf_keras", extra="toolkit").optimizers.legacy.Adam()
    trained = compression.trained(model.trainable_variables) if compression else model.trainable_variables
    learned = [in_tensorflow(ranges.variable)] if ranges else []
    watched = [*model.trainable_variables, *learned]
    trained = [*trained, *learned, *(compression.values if compression else ())]
    optimizer._create_all_weights(trained)
    kept = [*model.weights, *learned]
    variables = [*kept, *optimizer.weights, *(compression.state if compression else ())]
    split = len(kept)
    generators = generators_of(model)
    feeds, judge = Feeds(model, contract), _Judge(model, validation, contract, task)
    run_steps = _steps_function(model, optimizer, batch, feeds, task, plan, watched, trained, compression)

    state = (checkpoint and checkpoint.load()) or FitState([], [], [], [])
    for variable, value in zip(variables, [*state.weights, *state.optimizer], strict=False):
        variable.assign(value)

    with stage(plan.name, plan.epochs, done=len(state.epochs)) as shown:
        for epoch, made, waited in prefetch(source, range(len(state.epochs), plan.epochs)):
            if _finished(state, plan):
                break
            start = time.perf_counter()
            for reset, seed in zip(generators, _seeds(plan.seed, epoch, len(generators)), strict=True):
                reset(seed)
            told, waited_inside = _run_epoch(
                run_steps, made, plan.rates(epoch, steps), batch, compression, epoch / plan.epochs, plan.epochs
            )
            record = {
                **dict(zip(("loss", judge.name), told, strict=False)),
                **judge.score(),
                "rate": float(plan.rates(epoch, steps)[-1]),
                "seconds": round(time.perf_counter() - start, 3),
                "wait_seconds": round(waited + waited_inside, 3),
            }
            state.epochs.append(record)
            values = [np.asarray(variable.numpy()) for variable in variables]
            state.weights, state.optimizer = values[:split], values[split:]
            if epoch >= min(plan.settle, plan.epochs - 1) and judge.better(state, record):
                state.best, state.best_epoch = state.weights, epoch
            if checkpoint:
                checkpoint.save(state)
            if observe:
                observe(epoch, record)
            told_now = f"{record[f'validation_{judge.name}']:.4f}"
            _log.info(
                "%s %d/%d: loss %.4f, validation %s %s, %.1f s",
                plan.name, epoch + 1, plan.epochs, told[0], judge.name, told_now, record["seconds"],
                extra=STEP,
            )  # fmt: skip
            shown.advance(1, loss=f"{told[0]:.4f}", validation=told_now)
    for variable, value in zip(kept, state.best, strict=True):
        variable.assign(value)
    return state


class _Judge:
    """What a model says about the validation examples."""

    def __init__(self, model: Any, validation: Validation, contract: Contract | Input, task: Task) -> None:
        self._validation, self._task = validation, task
        self._objective = objective_of(task)
        self._predict = predictor(model, contract)
        # Only what is its own target is compared with the input.
        self._reals = validation.answers if self._objective.learns_inputs else validation.held
        self.name = "score" if self._objective.learns_inputs else self._objective.metric(task).name
        """Of the metric, as records call it."""
        self._higher = not self._objective.learns_inputs and self._objective.metric(task).higher

    def score(self) -> dict[str, float]:
        """Mean loss and metric, as `validation_loss` and `validation_<metric>`."""
        outputs = self._predict(self._validation.held)
        targets, logits = self._validation.targets, self._task.meaning == "logits"
        step = _PORTION if isinstance(targets, Rows) else len(targets)
        losses = [
            self._objective.loss(targets[start : start + step], outputs[start : start + step], logits).numpy()
            for start in range(0, len(targets), step)
        ]
        metric = self._validation.score(self._task, self._reals, outputs)
        return {"validation_loss": float(np.concatenate(losses).mean()), f"validation_{self.name}": metric}

    def better(self, state: FitState, record: dict[str, Any]) -> bool:
        """Whether the record is better than that of the best epoch so far."""
        if state.best_epoch is None:
            return True
        best, key = state.epochs[state.best_epoch], f"validation_{self.name}"
        sign = 1 if self._higher else -1
        return bool((sign * record[key], -record["validation_loss"]) > (sign * best[key], -best["validation_loss"]))


def _run_epoch(
    run_steps: Any,
    made: Epoch | EpochInPieces,
    rates: NDArray[np.float32],
    batch: int,
    compression: Compression | None,
    progress: float,
    epochs: int,
) -> tuple[list[float], float]:
    """All steps of an epoch, in parts between which compression chooses anew; the mean of what `run_steps` tells, and
    the seconds in which it waited for examples."""
    parts = np.array_split(np.arange(len(rates)), min(UPDATES, len(rates)) if compression else 1)
    most = max(1, made.most // batch) if isinstance(made, EpochInPieces) else len(rates)
    pieces = [
        _Piece(number, part[start : start + most], start == 0, start + most >= len(part))
        for number, part in enumerate(parts)
        for start in range(0, len(part), most)
    ]

    def read(piece: _Piece) -> Epoch:
        rows = slice(int(piece.steps[0]) * batch, (int(piece.steps[-1]) + 1) * batch)
        return made.read(rows) if isinstance(made, EpochInPieces) else (made[0][rows], made[1][rows])

    told, all_waited, settled = [], 0.0, False
    for piece, (held, targets), waited in prefetch(read, pieces):
        all_waited += waited
        if compression and piece.begins:
            now = progress + piece.part / len(parts) / epochs
            first = not progress and not piece.part
            compression.update(now, None if first else now - 1 / len(parts) / epochs)
            settled = compression.settled(now)
        told.append(
            [float(value) for value in run_steps(nested(held), targets, rates[piece.steps], settled, piece.ends)]
        )
    means = np.average(told, axis=0, weights=[len(piece.steps) for piece in pieces])
    return [float(value) for value in means], all_waited


class _Piece(NamedTuple):
    """Steps of an epoch for which examples are in memory."""

    part: int
    """Which of those between which compression chooses anew."""
    steps: NDArray[np.int64]
    begins: bool
    """Whether they are the first of that part."""
    ends: bool
    """Whether they are the last."""


def _steps_function(
    model: Any,
    optimizer: Any,
    batch: int,
    feeds: Feeds,
    task: Task,
    plan: FitPlan,
    watched: list[Any],
    trained: list[Any],
    compression: Compression | None,
) -> Any:
    """A function of examples, targets, rates, whether compression is settled, and whether kernels are compressed once
    more at the end. It runs a step for each rate and gives the mean loss, and of a classifier the share of examples
    whose target's largest class it named."""
    tf = require("tensorflow", extra="toolkit")
    objective, logits = objective_of(task), task.meaning == "logits"
    # They import what they need, which AutoGraph cannot rewrite and need not.
    measure, tensor, losses_of, right = (
        tf.autograph.experimental.do_not_convert(each)
        for each in (objective.loss, feeds.tensor, own_losses, objective.right or (lambda *rows: tf.zeros(())))
    )
    project = tf.autograph.experimental.do_not_convert(compression.project) if compression else lambda settled: None
    joined = tf.autograph.experimental.do_not_convert(compression.joined) if compression else None

    def join(gradients: Any, settled: bool) -> Any:
        return joined(gradients, watched, settled) if joined else gradients

    decaying = [variable for variable in trained if "kernel" in variable.name] if plan.weight_decay else []

    def move(gradients: Any) -> None:
        optimizer.apply_gradients(zip(gradients, trained, strict=True))

    descend = tf.autograph.experimental.do_not_convert(gently(trained, move) if plan.gentle else move)

    def step(held: Any, targets: Any, settled: bool) -> tuple[Any, Any]:
        project(settled)
        inputs = tensor(tf.nest.map_structure(lambda each: tf.ensure_shape(each, (batch, *each.shape[1:])), held))
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            losses = measure(targets, outputs, logits)
            loss = tf.reduce_mean(losses) + tf.add_n(losses_of(model) or [tf.zeros(())])
        gradients = join(tape.gradient(loss, watched), settled)
        for kernel in decaying:
            kernel.assign_sub(optimizer.learning_rate * plan.weight_decay * kernel)
        descend(gradients)
        return loss, right(targets, outputs, logits)

    @tf.function(reduce_retracing=True)
    def run(held: Any, targets: Any, rates: Any, settled: bool, ends: bool) -> tuple[Any, ...]:
        steps = tf.shape(rates)[0]

        def one(index: Any, loss: Any, hits: Any) -> tuple[Any, Any, Any]:
            optimizer.learning_rate.assign(rates[index])
            chosen = slice(index * batch, (index + 1) * batch)
            one_batch = tf.nest.map_structure(lambda each: each[chosen], held)
            one_loss, one_hits = step(one_batch, targets[chosen], settled)
            return index + 1, loss + one_loss, hits + one_hits

        # Written out: AutoGraph is not there in every process.
        _, loss, hits = tf.while_loop(
            lambda index, loss, hits: index < steps, one, (tf.constant(0), tf.zeros(()), tf.zeros(()))
        )
        # In the middle the next step does it.
        if ends:
            project(settled)
        count = tf.cast(steps, tf.float32)
        return (loss / count, hits / count) if task.classifies else (loss / count,)

    return run


def _finished(state: FitState, plan: FitPlan) -> bool:
    return state.best_epoch is not None and len(state.epochs) - 1 - state.best_epoch >= plan.patience


def _seeds(seed: tuple[int, ...], epoch: int, count: int) -> list[int]:
    return [int(word) for word in np.random.SeedSequence([*seed, epoch]).generate_state(count)]
