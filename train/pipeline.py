"""The verbs: fit a float baseline, press it, or both; each writes a `.keras` file with its history beside it."""

import dataclasses
import hashlib
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.runtime import InputError

from .compress.cluster import add_clustering, strip_clustering
from .compress.fold import fold_batch_norm
from .compress.prune import add_pruning, sparsity, strip_pruning
from .compress.slim import slim
from .config import TrainConfig
from .fitting.augment import STRONG, Distortion, make_pool
from .fitting.checkpoint import Checkpoint
from .fitting.distill import PoolEpochs, teach
from .fitting.epochs import EpochSource, LabelledEpochs, one_hot, shift_images
from .fitting.fit import FitPlan, Validation, fit, predictor
from .fitting.rates import rate_schedule
from .keras_file import open_keras, save_keras, strip_quantization
from .models import MODELS, build_network, output_kind
from .quantize import UnknownLayersError, add_quantization, release_clusters, rounded_kernels
from .record.environment import make_deterministic
from .record.history import History
from .record.tensorboard import scalar_log

__all__ = ["TrainResult", "adopt_baseline", "press_model", "train", "train_baseline"]

_log = logging.getLogger("edgepress")
_FITS = ("float", "prune", "cluster", "quantize")
_STEPS_WANTED = 200
_SMALLEST_BATCH = 16
_NOTHING = 1e-9
_RAMP_SHARE = 0.6
"""Part of the pruning epochs in which weights are removed; the rest mends what that cost."""


@dataclass(frozen=True)
class TrainResult:
    """A finished `.keras` file."""

    path: Path
    history: History

    @property
    def validation_accuracy(self) -> float | None:
        """Of the weights in the file, on the held-back training images; None where nothing was fitted."""
        if not self.history.fits:
            return None
        last = list(self.history.fits.values())[-1]
        return float(last["epochs"][last["best_epoch"]]["validation_accuracy"])


def train(
    dataset: Dataset,
    config: TrainConfig,
    out: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    baseline_only: bool = False,
    overwrite: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Fit a float baseline, prune it and train it quantization-aware; `out` is the pressed `.keras` file.

    The baseline stays beside it as `<stem>-float.keras`. A run that was killed goes on where it was when it is called
    again, and ends with the same weights.

    Args:
        dataset: Its training images are split by the config's seed; its test images are not looked at.
        config: Everything else that decides the weights.
        out: Ends in `.keras`.
        model: A user's own Keras file to start from, in place of the MLP that the config describes.
        baseline_only: Stop after the baseline, and write that to `out`. A model that was given is fitted further.
        overwrite: Replace `out`.
        tensorboard: A folder for logs that TensorBoard shows, one folder a fit.

    Raises:
        InputError: `out` exists, or a model and a data set that do not fit together.
    """
    path = Path(out)
    if path.suffix != ".keras":
        raise InputError(f"--out {path}: a name that ends in .keras is allowed")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists already: name another file with --out, or pass --overwrite")
    if baseline_only:
        return train_baseline(dataset, config, path, model=model, tensorboard=tensorboard)
    if model is None:
        model = path.with_name(f"{path.stem}-float.keras")
        train_baseline(dataset, config, model, keep_pool=True, tensorboard=tensorboard)
    return press_model(dataset, model, config, path, tensorboard=tensorboard)


def train_baseline(
    dataset: Dataset,
    config: TrainConfig,
    path: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    keep_pool: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Fit the float model and write it to `path`; where the same run has written it already, that file is kept.

    Args:
        dataset: Training images and labels.
        config: The model, `epochs`, `learning_rate` and what all fits share.
        path: The `.keras` file to write.
        model: A Keras file whose weights are the start, in place of a new model.
        keep_pool: Leave the distorted copies of the images beside the file, for the fit that comes next.
        tensorboard: A folder for logs that TensorBoard shows.
    """
    make_deterministic(config.seed)
    if model is None:
        network = build_network(
            config.model,
            dataset.x_train.shape[1:],
            len(dataset.labels),
            widths=config.widths,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )
        start = None
    else:
        network = open_keras(model).model
        start = _digest(network)
    run = _Run(dataset, config, History.begin("float", dataset, config, start), Path(path), tensorboard)
    if finished := run.finished():
        return finished
    run.check(network)
    teacher = None
    if config.teacher and config.distill:
        initial = network.get_weights()
        expert = _teacher(run, dataset, config, Path(path))
        network.set_weights(initial)
        teacher = _probabilities(predictor(expert), output_kind(expert))
    run.fit(
        network, "float", teacher=teacher,
        settle=round(config.choose_from * config.epochs), weight_decay=config.weight_decay,
    )  # fmt: skip
    return run.finish(network, keep_pool=keep_pool)


def adopt_baseline(
    dataset: Dataset, config: TrainConfig, model: str | os.PathLike[str], path: str | os.PathLike[str]
) -> TrainResult:
    """Take a user's own model for the float one: rebuilt, compared with the data set, and written to `path` as it is.

    Raises:
        InputError: Not a float classifier of such images and classes.
    """
    make_deterministic(config.seed)
    network = _open_float(model)
    run = _Run(dataset, config, History.begin("float", dataset, config, _digest(network)), Path(path), None)
    if finished := run.finished():
        return finished
    run.check(network)
    _log.info(
        "%s: its weights are the start; right about %.2f %% of the held-back training images",
        model, 100 * run.validation_accuracy(network),
    )  # fmt: skip
    return run.finish(network)


def _open_float(path: str | os.PathLike[str]) -> Any:
    opened = open_keras(path)
    if opened.quantized:
        raise InputError(f"{path} is quantization-aware already: give the float model that it was made from")
    return opened.model


def _teacher(run: "_Run", dataset: Dataset, config: TrainConfig, path: Path) -> Any:
    """The model that teaches the one at `path`: the user's own, or a new one beside it."""
    if config.teacher not in MODELS:
        expert = open_keras(config.teacher).model
        run.check(expert)
        return expert
    alone = dataclasses.replace(config, model=config.teacher, teacher="", epochs=config.teacher_epochs)
    beside = path.with_name(f"{path.stem}-teacher.keras")
    train_baseline(dataset, alone, beside, keep_pool=True)
    return open_keras(beside).model


def press_model(
    dataset: Dataset,
    float_path: str | os.PathLike[str],
    config: TrainConfig,
    path: str | os.PathLike[str],
    *,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Slim and prune a float model, cluster it where asked, train it quantization-aware, and write that to `path`.

    The file holds TFMOT's quantization-aware tf-keras model, so that export uses the ranges that training found;
    `strip_quantization` gives the plain float model with the same weights. With `weight_bits` below 8 it holds a plain
    float model with the rounded weights.

    Args:
        dataset: Training images and labels.
        float_path: A Keras file that `open_keras` reads; its answers also teach the pressed model.
        config: What pruning, clustering and quantization-aware training do, and what all fits share; a fit of 0
            epochs is left out.
        path: The `.keras` file to write; where the same run has written it already, that file is kept.
        tensorboard: A folder for logs that TensorBoard shows, one folder a fit.
    """
    make_deterministic(config.seed)
    network = _open_float(float_path)
    run = _Run(dataset, config, History.begin("pressed", dataset, config, _digest(network)), Path(path), tensorboard)
    if finished := run.finished():
        return finished
    run.check(network)
    kind = output_kind(network)
    teacher = _probabilities(predictor(network), kind)
    if config.pixel_loss or config.unit_loss:
        network = slim(fold_batch_norm(network), run.images, pixel_loss=config.pixel_loss, unit_loss=config.unit_loss)
    if config.prune_epochs and (config.sparsity or config.layer_sparsity or config.pruning == "2:4"):
        ramp = max(1, round(config.prune_epochs * _RAMP_SHARE)) if config.pruning == "polynomial" else 1
        pruned = add_pruning(
            network,
            config.sparsity,
            steps_per_epoch=run.steps,
            ramp_epochs=ramp,
            pruning=config.pruning,
            block=config.block,
            layer_shares=config.layer_sparsity,
        )
        run.fit(pruned, "prune", kind=kind, teacher=teacher, settle=ramp)
        network = strip_pruning(pruned)
        if config.unit_loss:
            # Pruning leaves units behind that nothing reaches, or that nobody reads.
            network = slim(network, run.images, unit_loss=_NOTHING)
        _log.info("pruned: %.1f %% of the weights are zero", 100 * sparsity(network))
    network = fold_batch_norm(network)
    clustered = bool(config.clusters and config.cluster_epochs)
    if clustered:
        # Centroids begin at random ones, which must be the same ones in a run that goes on here.
        make_deterministic(config.seed)
        network = add_clustering(network, config.clusters)
        run.fit(network, "cluster", kind=kind, teacher=teacher)
        network = strip_clustering(network)
    if config.quantize_epochs:
        try:
            quantized = add_quantization(network, clustered=clustered, weight_bits=config.weight_bits)
        except UnknownLayersError as error:
            _log.info("%s: that is left out; export quantizes by ranges that it measures on training images", error)
            return run.finish(network)
        run.fit(quantized, "quantize", kind=kind, teacher=teacher)
        network = release_clusters(quantized) if clustered else quantized
        if config.weight_bits < 8:
            # The rounded weights in a float model: export's quantizer gives them the same integers again.
            kernels = rounded_kernels(network)
            network = strip_quantization(network)
            for layer, kernel in kernels.items():
                network.get_layer(layer).kernel.assign(kernel)
    return run.finish(network)


class _Run:
    """The fits that lead to one file: the data they share, their checkpoints, and the history they write."""

    def __init__(
        self,
        dataset: Dataset,
        config: TrainConfig,
        history: History,
        path: Path,
        tensorboard: str | os.PathLike[str] | None,
    ) -> None:
        split = dataset.split(config.seed, config.validation_share)
        self._dataset, self._config, self._history, self._path = dataset, config, history, path
        self._logs = None if tensorboard is None else Path(tensorboard)
        self.images = dataset.x_train[split.fit]
        """What weights are fitted to."""
        self._targets = one_hot(dataset.y_train[split.fit], len(dataset.labels), config.label_smoothing)
        self._validation = Validation(dataset.x_train[split.validation], dataset.y_train[split.validation])
        few = max(_SMALLEST_BATCH, len(self.images) // _STEPS_WANTED)
        self._batch = min(config.batch_size, few, len(self.images))

    @property
    def steps(self) -> int:
        """Training steps of one epoch."""
        return len(self.images) // self._batch

    def finished(self) -> TrainResult | None:
        """What this very run has written before."""
        history = History.read(self._path)
        if history and history.fingerprint == self._history.fingerprint and self._path.exists():
            _log.info("%s: this run has finished already", self._path)
            return TrainResult(self._path, history)
        return None

    def check(self, model: Any) -> None:
        """Refuse a model that the data set does not fit."""
        shape, classes = self.images.shape[1:], len(self._dataset.labels)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise InputError(
                f"{model.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs: "
                "training takes a classifier with one of each"
            )
        wanted = model.input_shape[1:]
        if None in wanted or math.prod(wanted) != math.prod(shape):
            raise InputError(
                f"{model.name} takes {wanted}, {self._dataset.name} has images of {shape}: equal sizes are allowed"
            )
        if model.output_shape[1:] != (classes,):
            raise InputError(
                f"{model.name} gives {model.output_shape[1:]}, {self._dataset.name} has {classes} classes: "
                "one output a class is allowed"
            )

    def validation_accuracy(self, model: Any) -> float:
        """Share of the held-back images that the model is right about."""
        answers = predictor(model)(self._validation.images).argmax(axis=1)
        return float((answers == self._validation.labels).mean())

    def fit(
        self,
        model: Any,
        name: str,
        *,
        kind: str | None = None,
        teacher: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None,
        settle: int = 0,
        weight_decay: float = 0.0,
    ) -> None:
        """Run the fit with that name in the config, or what is left of it."""
        config = self._config
        seed = (config.seed, _FITS.index(name))
        source = self._source(name, seed, teacher)
        prefix = "" if name == "float" else f"{name}_"
        epochs: int = getattr(config, f"{prefix}epochs")
        rate = rate_schedule(config.schedule, getattr(config, f"{prefix}learning_rate"))
        plan = FitPlan(name, epochs, self._batch, rate, config.patience, seed, settle, weight_decay)
        logits = (kind or output_kind(model)) == "logits"
        state = fit(
            model, source, self._validation, plan,
            images=len(self.images), from_logits=logits, checkpoint=self._checkpoint(name),
            observe=scalar_log(self._logs / name) if self._logs else None,
        )  # fmt: skip
        self._history.fits[name] = {"epochs": state.epochs, "best_epoch": state.best_epoch}

    def _source(
        self,
        name: str,
        seed: tuple[int, ...],
        teacher: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None,
    ) -> EpochSource:
        """What the fit with that name sees."""
        config = self._config
        share = config.distill if teacher else 0.0
        distortions = [Distortion()] * config.copies + [STRONG] * config.strong_copies
        if not distortions:
            augment = (lambda images, rng: shift_images(images, rng, config.shift)) if config.shift else None
            return LabelledEpochs(
                self.images, self._targets, seed=seed, augment=augment, teacher=teacher, teacher_share=share
            )
        pool = make_pool(self.images, self._pool_path, distortions, seed=config.seed)
        logits = teach(pool, _logits(teacher), self._scratch(f"{name}-answers")) if teacher else None
        return PoolEpochs(pool, self._targets, seed=seed, logits=logits, share=share)

    def finish(self, model: Any, *, keep_pool: bool = False) -> TrainResult:
        """Publish the model and its history, then forget the checkpoints."""
        # The history comes first: a model that is there always has its history, and counts as finished.
        self._history.write(self._path)
        save_keras(model, self._path)
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


def _logits(
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A teacher's probabilities as logits: their logarithms."""
    return lambda images: np.log(np.maximum(probabilities(images), 1e-12))


def _digest(model: Any) -> str:
    """SHA-256 over a model's weights."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(f"{variable.shape}".encode())
        digest.update(np.ascontiguousarray(variable.numpy()).data)
    return digest.hexdigest()


def _probabilities(
    predict: Callable[[NDArray[np.uint8]], NDArray[np.float32]], kind: str
) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A predictor's outputs as probabilities that sum to 1."""
    if kind == "probabilities":
        return predict

    def softmax(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        logits = predict(images)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    return softmax
