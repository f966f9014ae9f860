"""The verbs: fit a float baseline, press it, or both; each writes a `.keras` file with its history beside it."""

import dataclasses
import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.data import CLASSES, Dataset, question_of
from edgepress.runtime import InputError
from edgepress.runtime.contract import Contract
from edgepress.runtime.tasks import TASKS, Task

from .compress.fold import fold_batch_norm
from .compress.prune import sparsity
from .compress.slim import slim
from .compress.structured.examples import EXAMPLES
from .compress.structured.thin import thin
from .config import TrainConfig
from .contract import find_contract, own_contract, suited
from .engines import engine_of
from .keras_file import KerasFile, as_tf_keras, inside, open_keras, read_record
from .meaning import task_of
from .models import MODELS, build_network, usual_model
from .record.environment import make_deterministic
from .record.history import History
from .run import Run, Teacher, TrainResult
from .sizes import sized
from .transfer import freeze, open_backbone, thaw

__all__ = ["TrainResult", "adopt_baseline", "own_task", "press_model", "train", "train_baseline"]

_log = logging.getLogger("edgepress")
_NOTHING = 1e-9


def train(
    dataset: Dataset,
    config: TrainConfig,
    out: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    task: str | None = None,
    input: str | None = None,
    baseline_only: bool = False,
    overwrite: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Fit a float baseline, prune it and train it quantization-aware; `out` is the pressed `.keras` file.

    The baseline stays beside it as `<stem>-float.keras`. A run that was killed goes on where it was when it is called
    again, and ends with the same weights.

    Args:
        dataset: Its training examples are split by the config's recipe; its test examples are not looked at.
        config: Everything else that decides the weights.
        out: Ends in `.keras`.
        model: A user's own Keras file to start from, in place of the network that the config describes.
        task: The question, where the data ask several.
        input: How a backbone, or a model that is given, takes its input, as `--input` says it.
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
        return train_baseline(dataset, config, path, model=model, task=task, input=input, tensorboard=tensorboard)
    if model is None:
        model = path.with_name(f"{path.stem}-float.keras")
        train_baseline(dataset, config, model, task=task, input=input, keep_pool=True, tensorboard=tensorboard)
    return press_model(dataset, model, config, path, task=task, tensorboard=tensorboard)


def own_task(dataset: Dataset, stated: str | None, config: TrainConfig) -> Task:
    """The task of a model that is made here: it gives logits, or numbers that are centred and scaled."""
    kind = question_of(dataset, stated)
    traits = TASKS[kind]
    if not traits.judged:
        raise InputError(f"task {kind}: no model is trained for that; export and benchmark take one of yours")
    task = Task(kind, traits.meanings[0], () if traits.reconstructs else dataset.targets.names, dataset.targets.units)
    if traits.numeric:
        targets = dataset.fitted(config.split).targets
        assert targets is not None
        std = targets.std(axis=0, dtype=np.float64)
        mean = targets.mean(axis=0, dtype=np.float64)
        task = task._replace(mean=tuple(mean.tolist()), std=tuple(np.where(std > 0, std, 1.0).tolist()))
    return task


def _question(
    network: Any, path: str | os.PathLike[str], dataset: Dataset, stated: str | None, config: TrainConfig,
    input: str | None = None, accept_chance: bool = False,
) -> tuple[Dataset, Contract, Task]:  # fmt: skip
    """Data under the model's input names, contract and task: as recorded with the file, or found."""
    dataset = suited(network, dataset)
    recorded = History.of(Path(path))
    if recorded and recorded.task and recorded.contract and stated in (None, recorded.task["kind"]):
        task = Task.from_dict(recorded.task)
        if task.labels in ((), dataset.targets.names) or dataset.targets.kind != CLASSES:
            return dataset, _renamed(Contract.from_dict(recorded.contract), dataset), task
    task = task_of(network, dataset, stated)
    contract = find_contract(
        network, dataset, task, fitted=dataset.fitted(config.split), held_back=dataset.held_back(config.split),
        stated=input, accept_chance=accept_chance,
    )  # fmt: skip
    return dataset, contract, task


def _renamed(contract: Contract, dataset: Dataset) -> Contract:
    """The contract under the data's input names; what was recorded under these may stand in another order."""
    if set(contract.inputs) == set(dataset.inputs):
        return contract._replace(inputs={name: contract.inputs[name] for name in dataset.inputs})
    return contract._replace(inputs=dict(zip(dataset.inputs, contract.inputs.values(), strict=True)))


def train_baseline(
    dataset: Dataset,
    config: TrainConfig,
    path: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    task: str | None = None,
    input: str | None = None,
    keep_pool: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Fit the float model and write it to `path`; where the same run has written it already, that file is kept.

    Args:
        dataset: Training examples and targets.
        config: The model, `epochs`, `learning_rate` and what all fits share.
        path: The `.keras` file to write.
        model: A Keras file whose weights are the start, in place of a new model.
        task: The question, where the data ask several.
        input: How a backbone, or a model that is given, takes its input, as `--input` says it.
        keep_pool: Leave the distorted copies of the images beside the file, for the fit that comes next.
        tensorboard: A folder for logs that TensorBoard shows.
    """
    make_deterministic(config.seed)
    if config.backbone and (config.model or model is not None):
        raise InputError("a backbone is a model already: name a model to make, or a backbone, not both")
    if config.backbone:
        question = own_task(dataset, task, config)
        network, contract = open_backbone(
            config.backbone, dataset, question, fitted=dataset.fitted(config.split), dropout=config.dropout,
            stated=input,
        )  # fmt: skip
        dataset = suited(network, dataset)
        contract = _renamed(contract, dataset)
        start = _digest(network)
    elif model is None:
        question, contract = own_task(dataset, task, config), own_contract(dataset, dataset.fitted(config.split))
        assert contract.only is not None
        network = build_network(
            config.model or usual_model(contract.only, question),
            contract.only,
            question,
            widths=config.widths,
            dropout=config.dropout,
            batch_norm=config.batch_norm,
        )
        dataset = suited(network, dataset)
        contract = _renamed(contract, dataset)
        start = None
    else:
        _, network = _open_float(model, dataset)
        start = _digest(network)
        # It is fitted here: that it knows nothing yet is no reason to refuse it.
        dataset, contract, question = _question(network, model, dataset, task, config, input, accept_chance=True)
    history = History.begin("float", dataset, config, start, contract, question)
    run = Run(dataset, config, history, Path(path), tensorboard, contract=contract, task=question)
    if finished := run.finished():
        return finished
    run.check(network)
    teacher = None
    if config.teacher and config.distill:
        initial = network.get_weights()
        expert = _teacher(run, dataset, config, Path(path), task)
        network.set_weights(initial)
        teacher = run.teacher(expert)
    if config.backbone and config.head_epochs:
        freeze(network)
        run.fit(network, "head", teacher=teacher)
    if config.backbone:
        thaw(network)
    run.fit(
        network, "float", teacher=teacher,
        settle=round(config.choose_from * config.epochs), weight_decay=config.weight_decay,
    )  # fmt: skip
    return run.finish(network, keep_pool=keep_pool)


def adopt_baseline(
    dataset: Dataset,
    config: TrainConfig,
    model: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    task: str | None = None,
    input: str | None = None,
    accept_chance: bool = False,
) -> TrainResult:
    """Take a user's own model for the float one: rebuilt, compared with the data set, and written to `path` as it is.

    Args:
        dataset: What it was trained on.
        config: What all fits share.
        model: The Keras file.
        path: Where it goes, with its history.
        task: The question, where model and data leave it open.
        input: How it takes its input, as `--input` says it; found where None.
        accept_chance: Go on with a model that is no better than the trivial answer.

    Raises:
        InputError: Not a float model for such examples and targets.
    """
    make_deterministic(config.seed)
    _, network = _open_float(model, dataset)
    dataset, contract, question = _question(network, model, dataset, task, config, input, accept_chance)
    history = History.begin("float", dataset, config, _digest(network), contract, question)
    run = Run(dataset, config, history, Path(path), None, contract=contract, task=question)
    if finished := run.finished():
        return finished
    run.check(network)
    _log.info("%s: its weights are the start; %s %.4f on held-back training examples", model, *run.quality_of(network))
    return run.finish(network)


def _open_float(path: str | os.PathLike[str], dataset: Dataset) -> tuple[KerasFile, Any]:
    """A file, and its model with the data's sizes in place of those that it leaves open."""
    opened = open_keras(path)
    if opened.quantized or (read_record(path) or {}).get("ranges"):
        raise InputError(f"{path} is trained to 8 bits already: give the float model that it was made from")
    return opened, sized(opened.model, suited(opened.model, dataset))


def _teacher(run: Run, dataset: Dataset, config: TrainConfig, path: Path, task: str | None) -> Any:
    """The model that teaches the one at `path`: the user's own, or a new one beside it."""
    if config.teacher not in MODELS:
        expert = open_keras(config.teacher).model
        run.check(expert)
        return expert
    alone = dataclasses.replace(config, model=config.teacher, teacher="", backbone="", epochs=config.teacher_epochs)
    beside = path.with_name(f"{path.stem}-teacher.keras")
    train_baseline(dataset, alone, beside, task=task, keep_pool=True)
    return open_keras(beside).model


def press_model(
    dataset: Dataset,
    float_path: str | os.PathLike[str],
    config: TrainConfig,
    path: str | os.PathLike[str],
    *,
    task: str | None = None,
    tensorboard: str | os.PathLike[str] | None = None,
) -> TrainResult:
    """Slim and prune a float model, cluster it where asked, train it quantization-aware, and write that to `path`.

    The file holds a plain float model with the rounded weights, and beside them the ranges that training learned, which
    export uses. Where TFMOT was named (`engine`) it holds its quantization-aware tf-keras model with the ranges;
    `strip_quantization` gives the plain float model with the same weights.

    Args:
        dataset: Training examples and targets.
        float_path: A Keras file that `open_keras` reads; its answers also teach the pressed model.
        config: What pruning, clustering and quantization-aware training do, and what all fits share; a fit of 0
            epochs is left out.
        path: The `.keras` file to write; where the same run has written it already, that file is kept.
        task: The question, where model and data leave it open.
        tensorboard: A folder for logs that TensorBoard shows, one folder a fit.
    """
    make_deterministic(config.seed)
    opened, network = _open_float(float_path, dataset)
    dataset, contract, question = _question(network, float_path, dataset, task, config)
    history = History.begin("pressed", dataset, config, _digest(network), contract, question)
    run = Run(dataset, config, history, Path(path), tensorboard, contract=contract, task=question)
    if finished := run.finished():
        return finished
    run.check(network)
    if (config.pixel_loss or config.unit_loss) and contract.only is None:
        raise InputError(
            f"{network.name} has {len(contract.inputs)} inputs, and pixels and units leave models with one: pixel_loss "
            "and unit_loss of 0 are allowed, and structured in their place"
        )
    engine = engine_of(network, config, opened.foreign)
    teacher = run.teacher(network)
    if config.structured < 1:
        network = _thinned(run, network, config, teacher)
    if config.pixel_loss or config.unit_loss:
        opened.require_rebuilt("made smaller: pixel_loss and unit_loss of 0 are allowed")
        assert contract.only is not None
        network = slim(
            fold_batch_norm(network), run.examples, contract.only,
            pixel_loss=config.pixel_loss, unit_loss=config.unit_loss,
        )  # fmt: skip
    if config.prunes:
        network = engine.prune(run, network, config, teacher)
        if config.unit_loss:
            # Pruning leaves units behind that nothing reaches, or that nobody reads.
            assert contract.only is not None
            network = slim(network, run.examples, contract.only, unit_loss=_NOTHING)
        _log.info("pruned: %.1f %% of the weights are zero", 100 * sparsity(network))
    if not opened.foreign:
        network = fold_batch_norm(network)
    if config.clustered:
        network = engine.cluster(run, network, config, teacher)
    if config.quantize_epochs:
        network = engine.quantize(run, network, config, teacher)
    return run.finish(network)


def _thinned(run: Run, model: Any, config: TrainConfig, teacher: Teacher | None) -> Any:
    """The model without the channels that do least, fitted."""
    found = thin(inside(model), run.inputs_of(model, EXAMPLES), config.structured, seed=config.seed)
    before, after = found.multiply_adds
    counts = ", ".join(f"{layer} {count} to {kept}" for layer, (count, kept) in found.channels.items())
    _log.info("structured: %.1f %% of %.3g multiply-adds stay; %s", 100 * after / before, before, counts)
    smaller = as_tf_keras(found.model)
    settle = round(config.choose_from * config.structured_epochs)
    run.fit(smaller, "structured", teacher=teacher, settle=settle, **found.to_dict())
    return smaller


def _digest(model: Any) -> str:
    """SHA-256 over a model's weights."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(f"{variable.shape}".encode())
        digest.update(np.ascontiguousarray(variable.numpy()).data)
    return digest.hexdigest()
