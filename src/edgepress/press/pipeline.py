"""From a data set to a bundle with its report, in one run folder that can be left and resumed."""

import html
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgepress.base.files import write_file
from edgepress.benchmarks import Report, benchmark, write_report
from edgepress.data import as_dataset
from edgepress.export import DEFAULT_VARIANTS, ExportResult, export, require_enough
from edgepress.runtime import InputError
from edgepress.train import (
    active_custom,
    adopt_baseline,
    base_of,
    configure,
    model_file,
    model_identity,
    model_name,
    press_model,
    train_baseline,
)

from .budget import Budget
from .crew import Needs
from .search import search

__all__ = ["PressResult", "next_run_folder", "press"]

logger = logging.getLogger(__name__)

_PLAN = "run.json"
_OWN_FILES = (
    _PLAN,
    "float*.keras",
    "pressed*.keras",
    "float*.history.json",
    "pressed*.history.json",
    ".float-*",
    ".pressed-*",
    ".pool-*",
)
"""What a press leaves in its run folder besides bundle/ and search/, unfinished fits included."""


@dataclass(frozen=True)
class PressResult:
    """What a press left behind."""

    run: Path
    """Folder with float.keras, pressed.keras, their histories, and bundle/."""
    bundle: Path
    exported: ExportResult
    """The manifest, and the artifacts that export withheld."""
    report: Report
    """What is in report.json."""

    def __repr__(self) -> str:
        rows, withheld = len(self.report.rows), len(self.exported.withheld)
        return f"<edgepress PressResult in {self.run}: {rows} rows, {withheld} withheld>"

    def __str__(self) -> str:
        return "\n".join([str(self.report), "", *self._places()])

    def _repr_html_(self) -> str:
        """What a notebook shows: the report's table, and where everything lies."""
        return "\n".join([self.report._repr_html_(), *(f"<p>{html.escape(line)}</p>" for line in self._places())])

    def _repr_markdown_(self) -> str:
        return "\n\n".join([self.report._repr_markdown_().rstrip(), *self._places()]) + "\n"

    def _places(self) -> list[str]:
        withheld = [f"withheld {each.file}: {each.reason}" for each in self.exported.withheld]
        return [*withheld, f"bundle: {self.bundle}", f"report: {self.bundle / 'report' / 'report.html'}"]


def press(
    data: Any = "mnist",
    out: str | os.PathLike[str] | None = None,
    *,
    model: Any = None,
    teacher: str | None = None,
    backbone: str | None = None,
    preset: str = "default",
    seed: int = 0,
    overwrite: bool = False,
    budget: Budget | None = None,
    trials: int = 12,
    workers: int = 1,
    ray: str | None = None,
    needs: Needs | None = None,
    task: str | None = None,
    input: str | None = None,
    bounds: Mapping[str, float] | None = None,
    accept_chance: bool = False,
) -> PressResult:
    """Train the float model, press it, export both, and benchmark every artifact against the float model.

    A press that was killed goes on where it was when it is called again with the same arguments.

    Args:
        data: As `as_dataset` takes it: a name, a path, arrays, or a `Dataset`.
        out: The run folder; a new one below `runs/` when None.
        model: A model's name, in place of the preset's; or a Keras file or model of the user's own, which is the float
            model then and is pressed from its own weights.
        teacher: Who teaches the float model, in place of the preset's: a model's name or a Keras file.
        backbone: A Keras file, or a name in `BACKBONES`, that is given a new head and fitted further.
        preset: `quick`, `default`, `frontier`, or the path of a TOML file.
        seed: Makes the run reproducible.
        overwrite: Start again whatever the run folder holds; an unfinished press is not taken up either.
        budget: Search widths and sparsities for the best pressed model within these limits.
        trials: How many models such a search trains.
        workers: How many of them at a time, in processes of their own.
        ray: `local`, or the address of a Ray cluster that runs them.
        needs: What each of them takes of the cluster's nodes; one processor when None.
        task: The question, where the data ask several.
        input: How a model of the user's own takes its input; found where None.
        bounds: Variant to the bound that takes the place of its own, in the task's unit.
        accept_chance: Go on with a model that is no better than the trivial answer.

    Raises:
        InputError: Unusable data or model, an unknown preset, or a run folder that holds something else.
        CheckFailedError: No model keeps the budget.
    """
    started = time.monotonic()
    pace = base_of(preset) or "default"
    dataset = as_dataset(data, in_pieces=True)
    config, start = configure(dataset, preset, task=task, model=model, teacher=teacher, backbone=backbone, seed=seed)
    own = start is not None
    if own and teacher is not None:
        raise InputError("--teacher is for a float model that is trained here: a Keras file of your own teaches itself")
    plan: dict[str, Any] = {
        "dataset": dataset.name,
        "dataset_sha256": dataset.sha256,
        "preset": preset,
        "config": config.to_dict(),
    }
    if own:
        plan["model"] = model_identity(model)
    asked = {"task": task, "input": input, "bounds": dict(bounds or {}), "accept_chance": accept_chance}
    plan |= {name: value for name, value in asked.items() if value}
    if (custom := active_custom()) is not None:
        plan["custom"] = custom.record
    if budget:
        # Not the trials: a search that found nothing goes on where more are asked for.
        plan["budget"] = asdict(budget)
    require_enough(dataset)
    run = Path(out) if out is not None else next_run_folder(Path("runs"), plan)
    bundle = run / "bundle"
    resumed = _enter(run, plan, overwrite=overwrite)

    logger.info("press: %s, %d + %d examples, into %s", dataset.name, len(dataset.train), len(dataset.test), run)
    models = {"float": run / "float.keras", "pressed": run / "pressed.keras"}
    if own:
        logger.info("press: 1/4 take %s for the float baseline", plan["model"])
        with model_file(model) as file:
            adopt_baseline(dataset, config, file, models["float"], task=task, input=input, accept_chance=accept_chance)
    else:
        logger.info("press: 1/4 train the float baseline")
        train_baseline(dataset, config, models["float"], task=task, input=input, keep_pool=not budget)
    logger.info("press: 2/4 prune, and train quantization-aware")
    variants, packed = list(DEFAULT_VARIANTS), []
    if budget:
        found = search(
            dataset,
            config,
            models["float"],
            run / "search",
            budget,
            own=own,
            trials=trials,
            workers=workers,
            ray=ray,
            needs=needs,
            bounds=bounds,
        )
        models["pressed"] = found.model
        variants += [] if found.choice.variant in variants else [found.choice.variant]
        packed = [found.choice.variant] if found.choice.packed else []
    else:
        press_model(dataset, models["float"], config, models["pressed"], task=task)
    logger.info("press: 3/4 export")
    exported = export(
        models,
        dataset,
        bundle,
        variants=variants,
        packed=packed,
        seed=seed,
        name=model_name(model) if own else dataset.name,
        overwrite=True,
        bounds=bounds,
        accept_chance=accept_chance,
    )
    logger.info("press: 4/4 benchmark")
    report = benchmark(
        bundle, dataset, float_model=models["float"], preset=pace, seed=seed, accept_chance=accept_chance
    )
    write_report(report, bundle / "report")
    seconds = round(time.monotonic() - started, 1)
    done = {"finished": True, "seconds": seconds, "resumed": resumed}
    write_file(run / _PLAN, json.dumps(plan | done, indent=2) + "\n")
    logger.info("press: done in %.0f s", seconds)
    return PressResult(run, bundle, exported, report)


def next_run_folder(parent: Path, plan: dict[str, Any]) -> Path:
    """The folder of an unfinished press with the same plan, or the next free one: `<data set>-<preset>-<number>`."""
    stem = f"{plan['dataset']}-{Path(plan['preset']).stem}"
    number = 1
    while (folder := parent / f"{stem}-{number}").exists():
        if _read_plan(folder) == plan:
            return folder
        number += 1
    return folder


def _read_plan(run: Path) -> dict[str, Any] | None:
    try:
        plan: dict[str, Any] = json.loads((run / _PLAN).read_text())
    except (OSError, ValueError):
        return None
    return plan


def _enter(run: Path, plan: dict[str, Any], *, overwrite: bool) -> bool:
    """Make the run folder, or go on in it where the same press was interrupted; whether it goes on."""
    if run.exists() and not run.is_dir():
        raise InputError(f"{run} is a file: name a folder with --out")
    found = _read_plan(run)
    if found == plan and not overwrite:
        logger.info("press: going on in %s", run)
        return True
    if run.exists() and any(run.iterdir()) and not overwrite:
        kind = "a finished" if found and found.get("finished") else "another"
        state = f"holds {kind} press ({found['dataset']}, {found['preset']})" if found else "is not empty"
        raise InputError(f"{run} {state}: name another folder with --out, or pass --overwrite")
    # Nothing of the other run may pass for this one's; its bundle stays until the new one is complete.
    for pattern in _OWN_FILES:
        for stale in run.glob(pattern):
            stale.unlink()
    if (run / "search/journal.log").exists():
        shutil.rmtree(run / "search")
    write_file(run / _PLAN, json.dumps(plan, indent=2) + "\n")
    return False
