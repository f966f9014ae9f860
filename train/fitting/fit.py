"""The training loop: one TensorFlow graph call an epoch instead of one Python call a batch.

Every epoch depends on the state that `FitState` holds and on its own number alone, so a fit can stop at any epoch and
go on in another process.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.base.progress import STEP, stage

from .checkpoint import Checkpoint, FitState
from .epochs import EpochSource, prefetch

__all__ = ["FitPlan", "Validation", "fit", "predictor"]

_log = logging.getLogger("edgepress")
_PREDICT_BATCH = 1000


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

    def rates(self, epoch: int, steps: int) -> NDArray[np.float32]:
        """The rate of each step of an epoch."""
        last = max(1, self.epochs * steps - 1)
        return np.array([self.rate((epoch * steps + step) / last) for step in range(steps)], np.float32)


@dataclass(frozen=True)
class Validation:
    """Images that no weight is fitted to, on which the best epoch is chosen."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def predictor(model: Any) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The model's outputs (n, classes) for pixels (n, height, width[, 3]), in inference mode."""
    tf = require("tensorflow", extra="toolkit")
    shape = (-1, *model.input_shape[1:])

    @tf.function(reduce_retracing=True)
    def forward(pixels: Any) -> Any:
        return model(tf.reshape(tf.cast(pixels, tf.float32) * np.float32(1 / 255), shape), training=False)

    def predict(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        chunks = range(0, len(images), _PREDICT_BATCH)
        return np.concatenate([forward(images[i : i + _PREDICT_BATCH]).numpy() for i in chunks])

    return predict


def fit(
    model: Any,
    source: EpochSource,
    validation: Validation,
    plan: FitPlan,
    *,
    images: int,
    from_logits: bool = True,
    checkpoint: Checkpoint | None = None,
    observe: Callable[[int, dict[str, Any]], None] | None = None,
) -> FitState:
    """Train `model` (tf-keras, one input and one output) in place; it ends with the weights of the best epoch.

    Args:
        model: Takes pixels / 255 in its own input shape.
        source: Makes each epoch; all of `images` images.
        validation: Chooses the best epoch, by accuracy, then by loss.
        plan: How long, how fast, and when to stop.
        images: Images of one epoch; what does not fill a batch is left out, other images each epoch.
        from_logits: Whether the model gives logits; else probabilities.
        checkpoint: Where to go on, and where to keep the state after each epoch.
        observe: Called with the number and the record of each epoch that is trained.

    Returns:
        The state after the last epoch: one record an epoch, and which was the best.
    """
    batch = min(plan.batch_size, images)
    steps = images // batch
    # The older class updates a variable in one fused kernel; the newer one's dozen small ones cost a fifth of a step.
    optimizer = require("tf_keras", extra="toolkit").optimizers.legacy.Adam()
    optimizer._create_all_weights(model.trainable_variables)
    variables = [*model.weights, *optimizer.weights]
    split = len(model.weights)
    generators = _random_generators(model)
    run_epoch = _epoch_function(model, optimizer, batch, from_logits, plan.weight_decay)
    predict = predictor(model)

    state = (checkpoint and checkpoint.load()) or FitState([], [], [], [])
    for variable, value in zip(variables, [*state.weights, *state.optimizer], strict=False):
        variable.assign(value)

    with stage(plan.name, plan.epochs, done=len(state.epochs)) as shown:
        for epoch, (pixels, targets), waited in prefetch(source, range(len(state.epochs), plan.epochs)):
            if _finished(state, plan):
                break
            start = time.perf_counter()
            for generator, seed in zip(generators, _seeds(plan.seed, epoch, len(generators)), strict=True):
                generator.reset_from_seed(seed)
            loss, accuracy = (float(value) for value in run_epoch(pixels, targets, plan.rates(epoch, steps)))
            outputs = predict(validation.images)
            record = {
                "loss": loss,
                "accuracy": accuracy,
                **_score(outputs, validation.labels, from_logits),
                "rate": float(plan.rates(epoch, steps)[-1]),
                "seconds": round(time.perf_counter() - start, 3),
                "wait_seconds": round(waited, 3),
            }
            state.epochs.append(record)
            values = [variable.numpy() for variable in variables]
            state.weights, state.optimizer = values[:split], values[split:]
            if epoch >= min(plan.settle, plan.epochs - 1) and _better(state, record):
                state.best, state.best_epoch = state.weights, epoch
            if checkpoint:
                checkpoint.save(state)
            if observe:
                observe(epoch, record)
            _log.info(
                "%s %d/%d: loss %.4f, accuracy %.4f, validation %.4f, %.1f s",
                plan.name, epoch + 1, plan.epochs, loss, accuracy, record["validation_accuracy"], record["seconds"],
                extra=STEP,
            )  # fmt: skip
            shown.advance(loss=f"{loss:.4f}", validation=f"{record['validation_accuracy']:.4f}")
    for variable, value in zip(model.weights, state.best, strict=True):
        variable.assign(value)
    return state


def _epoch_function(model: Any, optimizer: Any, batch: int, from_logits: bool, weight_decay: float) -> Any:
    """A function of pixels, targets and rates that runs all steps of an epoch and gives mean loss and accuracy."""
    tf = require("tensorflow", extra="toolkit")
    shape = (batch, *model.input_shape[1:])
    decaying = [variable for variable in model.trainable_variables if "kernel" in variable.name] if weight_decay else []

    def step(pixels: Any, targets: Any) -> tuple[Any, Any]:
        inputs = tf.reshape(tf.cast(pixels, tf.float32) * np.float32(1 / 255), shape)
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            if from_logits:
                losses = tf.nn.softmax_cross_entropy_with_logits(targets, outputs)
            else:
                losses = -tf.reduce_sum(targets * tf.math.log(tf.maximum(outputs, 1e-7)), axis=-1)
            loss = tf.reduce_mean(losses) + tf.add_n(model.losses or [tf.zeros(())])
        gradients = tape.gradient(loss, model.trainable_variables)
        for kernel in decaying:
            kernel.assign_sub(optimizer.learning_rate * weight_decay * kernel)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        hits = tf.argmax(outputs, axis=-1) == tf.argmax(targets, axis=-1)
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    @tf.function(reduce_retracing=True)
    def epoch(pixels: Any, targets: Any, rates: Any) -> tuple[Any, Any]:
        steps = tf.shape(rates)[0]
        loss, accuracy = tf.zeros(()), tf.zeros(())
        for index in tf.range(steps):
            optimizer.learning_rate.assign(rates[index])
            chosen = slice(index * batch, (index + 1) * batch)
            one_loss, one_accuracy = step(pixels[chosen], targets[chosen])
            loss += one_loss
            accuracy += one_accuracy
        count = tf.cast(steps, tf.float32)
        return loss / count, accuracy / count

    return epoch


def _score(outputs: NDArray[np.float32], labels: NDArray[np.int64], from_logits: bool) -> dict[str, float]:
    """Mean cross-entropy and accuracy of outputs (n, classes)."""
    if from_logits:
        outputs = outputs - outputs.max(axis=1, keepdims=True)
        logs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    else:
        logs = np.log(np.maximum(outputs, 1e-7))
    rows = np.arange(len(labels))
    return {
        "validation_loss": float(-logs[rows, labels].mean()),
        "validation_accuracy": float((outputs.argmax(axis=1) == labels).mean()),
    }


def _better(state: FitState, record: dict[str, Any]) -> bool:
    if state.best_epoch is None:
        return True
    best = state.epochs[state.best_epoch]
    return bool(
        (record["validation_accuracy"], -record["validation_loss"])
        > (best["validation_accuracy"], -best["validation_loss"])
    )


def _finished(state: FitState, plan: FitPlan) -> bool:
    return state.best_epoch is not None and len(state.epochs) - 1 - state.best_epoch >= plan.patience


def _seeds(seed: tuple[int, ...], epoch: int, count: int) -> list[int]:
    return [int(word) for word in np.random.SeedSequence([*seed, epoch]).generate_state(count)]


def _random_generators(model: Any) -> list[Any]:
    """The generators that the model's dropout layers draw from, wrapped layers included."""
    tf = require("tensorflow", extra="toolkit")
    found = []
    for layer in model.submodules:
        generator = getattr(getattr(layer, "_random_generator", None), "_generator", None)
        if isinstance(generator, tf.random.Generator):
            found.append(generator)
    return found
