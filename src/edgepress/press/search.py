"""Search widths or channels, pixels, bits and sparsities for the best model within a budget.

Optuna's multi-objective TPE (Akiba et al. 2019, "Optuna: A Next-generation Hyperparameter Optimization Framework").
Every choice is made on training examples that were held back; the test set is not looked at.
"""

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.extras import require
from edgepress.benchmarks.measure.examples import Examples
from edgepress.benchmarks.measure.speed import PACES, measure_speed
from edgepress.benchmarks.models.subjects import artifact_order
from edgepress.data import Dataset
from edgepress.export import export
from edgepress.quality import Standing
from edgepress.runtime import CheckFailedError, InputError, Manifest, Picture
from edgepress.train import (
    TrainConfig,
    active_custom,
    custom_layers,
    open_keras,
    press_model,
    train_baseline,
    usual_model,
)
from edgepress.train.compress.slim import can_crop
from edgepress.train.compress.structured.thin import least_share
from edgepress.train.keras_file import inside

from .budget import Budget, Candidate, choose, pareto_front
from .crew import Crew, Needs, crew_of
from .search_files import write_search
from .space import VARIANTS, WITH_WIDTHS, Space, space_of, starts, suggest
from .standing import recorded_question, standing_of, unit_of

__all__ = ["SearchResult", "search"]

logger = logging.getLogger(__name__)

_STUDY = "press-by-task"
"""Its name in the journal: one that chose among other values, or counted them otherwise, cannot go on as this one."""
_LATENCY_EXAMPLES = 256
_BACKEND = "litert"
"""Of a budget's latency."""


@dataclass(frozen=True)
class SearchResult:
    """What was found."""

    choice: Candidate
    model: Path
    """The pressed `.keras` file that the choice was exported from."""
    front: list[Candidate]
    candidates: list[Candidate]


def search(
    dataset: Dataset,
    config: TrainConfig,
    baseline: Path,
    folder: Path,
    budget: Budget,
    *,
    own: bool = False,
    trials: int = 12,
    workers: int = 1,
    ray: str | None = None,
    needs: Needs | None = None,
    bounds: Mapping[str, float] | None = None,
) -> SearchResult:
    """Train, press and export models of several sizes and sparsities; name the best one within the budget.

    A search that was killed goes on where it was: finished trials are kept, the one under way goes on in its own run.
    `search.json` and `search.png` in the folder show all candidates, the front and the choice.

    Args:
        dataset: Training examples and targets.
        config: The preset; `space` says what else is tried of it.
        baseline: The float `.keras` file that drops are counted from.
        folder: Where trials lie; made here.
        budget: What to keep within.
        own: Whether the baseline is a user's own model, which loses channels and pixels but is not built anew.
        trials: How many models to train.
        workers: How many at a time, in processes of their own. The sampler then knows less of what comes out when it
            chooses, and a trial's own result stays what it is.
        ray: `local`, or the address of a Ray cluster whose nodes all see `folder` and the baseline; each trial is a
            task there.
        needs: What such a task takes of a node.
        bounds: As `export` takes them.

    Raises:
        InputError: Times that would be measured side by side.
        CheckFailedError: No candidate keeps the budget; the nearest is named.
    """
    if budget.max_latency_us is not None and (workers > 1 or ray is not None):
        raise InputError(
            "--max-latency-us with --workers or --ray: trials beside one another have no times of their own"
        )
    if ray is not None:
        # Its processes have working folders of their own.
        folder, baseline = folder.resolve(), baseline.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    network = open_keras(baseline).model
    contract, task = recorded_question(baseline)
    only = contract.only
    foreign = inside(network) is not network
    space = space_of(
        config,
        widths=not own and only is not None and (config.model or usual_model(only, task)) in WITH_WIDTHS,
        pixels=isinstance(only, Picture) and not foreign and can_crop(network),
        least=least_share(inside(network)),
    )
    study, left = _open_study(folder / "journal.log", config, space)
    reference = standing_of(network, dataset, contract, task, config)
    candidates = [Candidate(**c) for trial in study.trials for c in trial.user_attrs.get("candidates", [])]
    done = sum(trial.state.is_finished() and trial.values is not None for trial in study.trials)
    custom = active_custom()
    # Another machine has none of this one's files.
    handed = dataset if ray is None else dataset.in_memory()
    file = custom and str(custom.path.resolve())
    given = (handed, config, baseline, folder, budget, reference, task.kind, dict(bounds or {}), file)
    if done < trials:
        with crew_of(_run_trial, workers=workers, ray=ray, needs=needs) as crew:
            for trial, made, seconds in _trials(study, left, space, crew, trials - done, given, config.seed):
                trial.set_user_attr("candidates", [asdict(candidate) for candidate in made])
                if made:
                    best = min(made, key=lambda c: (budget.excess(c), c.bytes))
                    study.tell(trial, [best.drop, float(best.bytes)])
                else:
                    # Nothing that export would publish: as bad as can be, so that the sampler turns away.
                    study.tell(trial, [100.0, 1e9])
                candidates += made
                done += 1
                logger.info("search: trial %d of %d took %.0f s; the front so far:", done, trials, seconds)
                for candidate in pareto_front(candidates):
                    logger.info("search:   %s %s", " " if budget.overdrawn(candidate) else "*", candidate.describe())
    # What is chosen does not depend on who was done first.
    candidates.sort(key=lambda candidate: candidate.trial)
    front = pareto_front(candidates)
    durations = [trial.duration.total_seconds() for trial in study.trials if trial.values is not None]
    try:
        choice = choose(candidates, budget)
    except CheckFailedError:
        write_search(folder, candidates, front, None, budget, reference, durations)
        raise
    write_search(folder, candidates, front, choice, budget, reference, durations)
    logger.info("search: chosen: %s", choice.describe())
    return SearchResult(choice, _trial_folder(folder, choice.parameters) / "pressed.keras", front, candidates)


def _trials(
    study: Any, left: list[Any], space: Space, crew: Crew, count: int, given: Sequence[Any], seed: int = 0
) -> Iterator[tuple[Any, list[Candidate], float]]:
    """So many trials, those that were left first, as many at a time as the crew can: each with what it made and its
    seconds, when it is done."""
    running: dict[int, tuple[Any, dict[str, Any], float]] = {}
    held: tuple[Any, dict[str, Any]] | None = None
    begun = ended = 0
    while ended < count:
        while len(running) < crew.size and (held or begun < count):
            if held is None:
                trial = left.pop(0) if left else _ask(study, seed)
                held, begun = (trial, suggest(trial, space)), begun + 1
            trial, parameters = held
            if any(other == parameters for _, other, _ in running.values()):
                break  # Equal trials share a folder: this one finds there what the other makes.
            crew.submit(trial.number, trial.number, parameters, *given)
            running[trial.number] = (trial, parameters, time.monotonic())
            held = None
        number, made = crew.next()
        trial, _, started = running.pop(number)
        ended += 1
        yield trial, made, time.monotonic() - started


def _open_study(journal: Path, config: TrainConfig, space: Space) -> tuple[Any, list[Any]]:
    """The study in the journal, and the trials that were under way when it was left: they go on as what they were."""
    optuna = require("optuna", extra="toolkit")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.create_study(
        study_name=_STUDY,
        storage=optuna.storages.JournalStorage(backend),
        directions=["minimize", "minimize"],
        load_if_exists=True,
    )
    running = optuna.trial.TrialState.RUNNING
    for start in starts(space):
        study.enqueue_trial(start, skip_if_exists=True)
    return study, [optuna.trial.Trial(study, left._trial_id) for left in study.get_trials(states=(running,))]


def _ask(study: Any, seed: int) -> Any:
    """A trial with a sampler of its own seed: it becomes what is known by then makes it, however often one had left."""
    samplers = require("optuna.samplers", extra="toolkit")
    study.sampler = samplers.TPESampler(seed=seed + len(study.trials), n_startup_trials=5)
    return study.ask()


def _run_trial(
    number: int,
    parameters: dict[str, Any],
    dataset: Dataset,
    config: TrainConfig,
    baseline: Path,
    folder: Path,
    budget: Budget,
    reference: Standing,
    task: str,
    bounds: Mapping[str, float],
    custom: str | None = None,
) -> list[Candidate]:
    """Train, press, export and measure one model; none where export withholds every variant.

    `custom` is the file with the user's own layers: another process knows nothing of it.
    """
    if custom is not None and active_custom() is None:
        with custom_layers(custom):
            return _run_trial(number, parameters, dataset, config, baseline, folder, budget, reference, task, bounds)
    run = _trial_folder(folder, parameters)
    logger.info("search: %s", ", ".join(f"{name} {value}" for name, value in parameters.items()))
    how = replace(config, **parameters)
    start = baseline
    if how.widths != config.widths:
        # The baseline, which is larger or as well trained, teaches it; nobody trains a teacher for every trial.
        taught = replace(how, teacher=str(baseline))
        start = train_baseline(dataset, taught, run / "float.keras", task=task).path
    pressed = press_model(dataset, start, how, run / "pressed.keras").path
    variants = VARIANTS[how.weight_bits]
    try:
        manifest = export(
            {"pressed": pressed}, dataset, run / "bundle", variants=variants, packed=variants, seed=config.seed,
            bounds=bounds, overwrite=True,
        ).manifest  # fmt: skip
    except CheckFailedError as error:
        logger.info("search: %s", error)
        return []
    latencies = _latencies(manifest, run / "bundle", dataset) if budget.max_latency_us is not None else {}
    found = []
    for artifact in manifest.artifacts:
        value = artifact.metrics[reference.metric.name]
        sizes = [(artifact.file, False, artifact.bytes)]
        if "packed_bytes" in artifact.metrics:
            sizes.append((f"{artifact.file}.xz", True, int(artifact.metrics["packed_bytes"])))
        found += [
            Candidate(
                number, parameters, file, f"{artifact.format}:{artifact.variant}", packed, size, value,
                reference.drop(value), unit_of(reference), latencies.get(artifact.file),
            )
            for file, packed, size in sizes
        ]  # fmt: skip
    return found


def _trial_folder(folder: Path, parameters: dict[str, Any]) -> Path:
    """One folder for equal parameters: a trial that was killed, or is suggested twice, finds what it has."""
    text = json.dumps(parameters, sort_keys=True)
    return folder / f"trial-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _latencies(manifest: Manifest, bundle: Path, dataset: Dataset) -> dict[str, float]:
    """Median time of one example in microseconds, by file; all of a bundle in turn."""
    subjects = [artifact_order(bundle, manifest, artifact.file, _BACKEND) for artifact in manifest.artifacts]
    with tempfile.TemporaryDirectory() as folder:
        some = Examples(dataset.train.inputs)[:_LATENCY_EXAMPLES]
        examples = some.write(Path(folder) / "examples")
        samples = measure_speed(subjects, examples, PACES["quick"])
    return {
        artifact.file: float(np.median(np.concatenate([c for rounds in row.latency_ns for c in rounds]))) / 1000
        for artifact, row in zip(manifest.artifacts, samples, strict=True)
        if row.failure is None
    }
