"""The whole benchmark of a bundle: answers, speed and size of every artifact against the float model."""

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edgepress.base.files import file_sha256
from edgepress.data import Dataset
from edgepress.runtime import CheckFailedError, InputError, Manifest
from edgepress.runtime.conformance.matrix import conformance
from edgepress.runtime.machine import describe_machine

from .measure.conditions import changes, conditions
from .measure.energy import NO_ENERGY, measure_energies
from .measure.sizes import file_sizes, runtime_size
from .measure.speed import PACES, Pace, Samples, measure_speed, summarize
from .measure.subjects import Subject, list_subjects
from .measure.sweeps import sweep_threads
from .measure.workers import Worker, WorkerError
from .question import Question, ask
from .report.examples import list_examples, show_examples
from .report.explain import explain, float_sibling
from .report.ship import choose_row
from .report.write import SCHEMA
from .statistics.judge import TRIVIAL, Judge, Said
from .statistics.margins import POINTS
from .statistics.metrics import Answers, compare_accuracy
from .statistics.robustness import perturb
from .traits import LAYER_BACKENDS, package_of
from .values import Baseline, Bundle, Conditions, Data, Failure, Report, Row

__all__ = ["benchmark"]

_KEY = ("artifact", "backend", "threads")
_LOG = logging.getLogger("edgepress")
_LAYER_EXAMPLES = 64


def benchmark(
    bundle: str | os.PathLike[str],
    dataset: Dataset | None = None,
    *,
    float_model: str | os.PathLike[str] | None = None,
    backends: Sequence[str] = ("auto",),
    threads: int = 1,
    preset: str = "default",
    seed: int = 0,
    margin: float | None = None,
    normal: str | None = None,
    accept_chance: bool = False,
    mlperf: bool = False,
) -> Report:
    """Measure every artifact of a bundle against the float model.

    Args:
        bundle: A bundle's folder.
        dataset: Its test part is what answers are judged on, all of it; the trivial answer comes from its training
            part. Without it the self-test's examples show how far answers differ from the float model's.
        float_model: The float Keras model (.keras): the first row, and what the others are compared with. Without it
            that is the float32 artifact.
        backends: Names; `auto` is the best one present for each artifact, `all` is every one present.
        threads: Of every backend.
        preset: quick, default or frontier: how long speed is measured.
        seed: Of the bootstrap and of the order in which rows take turns.
        margin: Largest true loss that counts as non-inferior: percentage points where the metric is a share (0.5 by
            default), percent of the trivial answer's error where it is an error (1).
        normal: Which class is the normal one, where anomalies are looked for and it is not called normal.
        accept_chance: Report on a float model that is no better than the trivial answer, too; the report says so.
        mlperf: Let MLPerf's load generator drive the row that one would ship; needs the mlperf extra.

    Returns:
        The report; `write_report` writes it, `report_to_dict` makes the object that `report.json` holds.

    Raises:
        InputError: Not a bundle, data that its models do not take, or a float model that is no better than the answer
            that looks at no input.
        MissingExtraError: A backend that was asked for is not installed.
        CheckFailedError: The baseline cannot be measured, so that nothing can be compared.
    """
    if preset not in PACES:
        raise InputError(f"preset {preset!r}: allowed are {', '.join(PACES)}")
    pace = PACES[preset]
    bundle = Path(bundle)
    manifest = Manifest.read(bundle)
    rows, unrunnable = list_subjects(bundle, manifest, float_model, backends, threads)
    question = ask(bundle, manifest, dataset, normal)
    if mlperf and question.examples.only is None:
        raise InputError("--mlperf: the load generator's samples have one input, and these models take several")
    subjects = [row.order for row in rows]
    before = conditions()
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample = question.examples.write(Path(folder) / "examples")
        asked = _Questions(Path(folder), sample, question, seed, hard=pace.thorough)
        judge = _judge_of_baseline(asked, subjects[0], sample, question, seed, margin)
        chance = _chance(judge, dataset, rows[0].artifact)
        if chance is not None and not accept_chance:
            raise InputError(
                f"{chance}: say how the model takes its input when it is exported, or name the data that it was made "
                "for; --accept-chance reports all the same"
            )
        samples = measure_speed(subjects, sample, pace, seed=seed, then=asked.ask)
        if samples[0].failure is not None:
            raise CheckFailedError(f"the baseline cannot be measured: {samples[0].failure}")
        after = conditions()
        kept = [i for i, measured in enumerate(samples) if measured.failure is None]
        sweeps = sweep_threads([subjects[i] for i in kept], sample, pace) if pace.thorough else [() for _ in kept]
        energy = measure_energies([subjects[i] for i in kept], sample) if pace.thorough else NO_ENERGY
        found = tuple(
            _row(
                rows[index], samples[index], samples[0],
                threads_sweep=sweeps[place], energy_uj=energy.of(place), **_answer_facts(asked, index, judge),
            )
            for place, index in enumerate(kept)
        )  # fmt: skip
    machine = describe_machine()
    report = Report(
        schema=SCHEMA,
        dataset=None if dataset is None else Data(dataset.name, len(dataset.test), dataset.sha256),
        bundle=Bundle(manifest.name, tuple(manifest.labels), manifest.source),
        machine=machine,
        conditions=Conditions(before, after, tuple(changes(before, after))),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=seed,
        preset=preset,
        baseline=Baseline(rows[0].model, found[0].accuracy, *rows[0].key),
        rows=found,
        failed=(
            *unrunnable,
            *(
                Failure(*row.key, measured.failure)
                for row, measured in zip(rows, samples, strict=True)
                if measured.failure is not None
            ),
        ),
        energy=energy.reason,
        agreement_images=len(question.examples),
        images=show_examples(found, question),
        conformance=_conformance(bundle, manifest) if pace.thorough else None,
        explanations=tuple(explain(found, manifest, machine)),
        layers=None,
        mlperf=None,
        margin_points=judge.margin.value if judge.margin and judge.margin.unit == POINTS else None,
        margin=judge.margin.value if judge.margin else None,
        margin_unit=judge.margin.unit if judge.margin else None,
        task=json.loads(json.dumps(manifest.task.to_dict())),
        contract=json.loads(json.dumps(manifest.contract.to_dict())),
        chance=chance,
        notes=tuple(_notes(manifest, dataset)) or None,
    )
    return replace(
        report,
        layers=_layers(report, rows, question) if pace.thorough else None,
        mlperf=_mlperf(report, rows, question, pace) if mlperf else None,
    )


def _judge_of_baseline(
    asked: "_Questions", subject: dict[str, Any], sample: Path, question: Question, seed: int, margin: float | None
) -> Judge:
    """Ask the baseline before anything is timed: what it says decides whether the rest is worth the time."""
    try:
        with Worker(subject, sample) as worker:
            asked.ask(0, worker)
    except WorkerError as error:
        raise CheckFailedError(f"the baseline cannot be measured: {error}") from None
    return Judge(question.task, question.truth, question.fitted, asked.answers[0][""], seed, margin)


def _chance(judge: Judge, dataset: Dataset | None, baseline: str) -> str | None:
    """That the baseline is no better than the trivial answer, in one line with figures; None where it is."""
    if judge.trivial is None or judge.trivial.beaten or judge.quality is None or judge.truth is None or not dataset:
        return None
    metric = judge.quality.metric
    return (
        f"{baseline} is no better than {TRIVIAL[judge.task.kind]}: {metric.name} "
        f"{metric.of(judge.base[''], judge.truth):.4f} against {judge.trivial.value:.4f} on {len(judge.truth):,} test "
        f"examples of {dataset.name}"
    )


def _notes(manifest: Manifest, dataset: Dataset | None) -> list[str]:
    """What is not known about the test."""
    recorded = manifest.source.get("dataset", {})
    known = str(recorded.get("split", {}).get("origin", "")).startswith("recorded")
    if dataset is None or (known and recorded.get("sha256") == dataset.sha256):
        return []
    if known:
        return [
            f"the model was fitted to {recorded.get('name')}, not to {dataset.name}: it is not known whether that "
            "holds these test examples"
        ]
    return ["it is not known what the model was fitted to: these test examples may have been among it"]


class _Questions:
    """What every model is asked: the test examples, and of pictures their perturbations."""

    def __init__(self, folder: Path, sample: Path, question: Question, seed: int, *, hard: bool) -> None:
        self._folder = folder
        self._files = {"": sample}
        # A changed picture has the class that it had; no other answer is known to stay.
        pictures = question.pictures if question.task.classifies and question.truth is not None else None
        for number, (name, changed) in enumerate(perturb(pictures, seed=seed) if hard and pictures is not None else ()):
            self._files[name] = folder / f"perturbed-{number}.npy"
            np.save(self._files[name], changed)
        self.answers: dict[int, dict[str, Said]] = {}
        """By row, then by name of the perturbation; the plain examples have an empty name."""

    def ask(self, index: int, worker: Worker) -> None:
        """Keep what the model in a process says; the second time there is nothing to ask."""
        if index in self.answers:
            return
        own = {}
        for number, (name, file) in enumerate(self._files.items()):
            out = self._folder / f"answers-{index}-{number}"
            own[name] = _read_said(worker.ask("answer", examples=str(file), out=str(out))["file"])
        self.answers[index] = own


def _read_said(file: str) -> Said:
    """What a worker wrote: answers stay on disk, which many classes need; a raw model's outputs have names."""
    found = np.load(file, mmap_mode="r")
    return {"": found} if file.endswith(".npy") else {name: found[name] for name in found.files}


def _answer_facts(asked: _Questions, index: int, judge: Judge) -> dict[str, Any]:
    """How a row answered, and how that compares with the baseline: fields of `Row`."""
    own, base = asked.answers[index], asked.answers[0]
    facts = judge.facts(own[""])
    truth = judge.truth
    if truth is None or not judge.task.classifies:
        return facts
    flips, mistakes = list_examples(Answers(own[""][""]), Answers(base[""][""]), truth)
    return facts | {
        "robustness": tuple(
            compare_accuracy(name, Answers(own[name][""]), Answers(base[name][""]), truth, seed=judge.seed)
            for name in own
            if name
        ),
        "flips": flips,
        "mistakes": mistakes,
    }


def _mlperf(report: Report, rows: Sequence[Subject], question: Question, pace: Pace) -> dict[str, Any]:
    """LoadGen's scenarios on the chosen row, or on the last one where accuracy could not choose."""
    chosen = choose_row(report) or report.rows[-1]
    row = next(row for row in rows if row.key == chosen.key)
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample, classes = question.examples.write(Path(folder) / "examples"), Path(folder) / "truth.npy"
        truth = question.truth if question.task.classifies else None
        if truth is not None:
            np.save(classes, truth)
        with Worker(row.order, sample) as worker:
            order = {"truth": None if truth is None else str(classes), "seconds": 2.0 if pace.thorough else 0.5}
            return {**dict(zip(_KEY, row.key, strict=True)), "scenarios": worker.ask("mlperf", **order)["scenarios"]}


def _layers(report: Report, rows: Sequence[Subject], question: Question) -> dict[str, Any] | None:
    """Where the chosen quantized row loses accuracy, layer by layer; None where that cannot be looked at."""
    chosen = choose_row(report)
    sibling = None if chosen is None else float_sibling(chosen, report.rows)
    # A device has no export stage, and only few backends show a layer's output.
    if chosen is None or sibling is None or chosen.backend not in LAYER_BACKENDS or not find_spec("edgepress.export"):
        return None
    subject = next(row.order for row in rows if row.key == chosen.key)
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample = question.examples[:_LAYER_EXAMPLES].write(Path(folder) / "examples")
        try:
            with Worker(subject, sample) as worker:
                order = {"bundle": subject["bundle"], "file": subject["file"], "float32": sibling.artifact}
                errors = worker.ask("layers", count=_LAYER_EXAMPLES, **order)["layers"]
        except WorkerError as error:
            _LOG.warning("benchmark: no error by layer: %s", error)
            return None
    return {"artifact": chosen.artifact, "float32": sibling.artifact, "errors": errors}


def _conformance(bundle: Path, manifest: Manifest) -> dict[str, Any] | None:
    """The runtime's own check of every artifact in every backend and delegate setting; None without golden vectors."""
    if manifest.selftest is None:
        return None
    _LOG.info("benchmark: checking conformance")
    return conformance(bundle).to_dict()


def _row(row: Subject, measured: Samples, base: Samples, **answers: Any) -> Row:
    return Row(
        model=row.model,
        artifact=row.artifact,
        format=row.format,
        variant=row.variant,
        backend=row.backend,
        threads=row.threads,
        sparsity=row.sparsity,
        sha256=file_sha256(row.path),
        sizes=file_sizes(row.path),
        runtime_bytes=runtime_size(package_of(row.backend)),
        speed=summarize(measured, base),
        **answers,
    )
