"""The whole benchmark: answers, speed and size of every model against the first one."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgepress.base.files import file_sha256
from edgepress.data import Dataset
from edgepress.runtime import CheckFailedError, InputError
from edgepress.runtime.machine import describe_machine

from .evidence import conformance_of, layer_errors, load_generated
from .measure.conditions import changes, conditions, patience, wait_until_idle
from .measure.energy import NO_ENERGY, measure_energies
from .measure.sizes import file_sizes, runtime_size
from .measure.speed import PACES, Samples, measure_speed, summarize
from .measure.sweeps import sweep_threads
from .measure.workers import Worker, WorkerError
from .models.ask import ask_all
from .models.asked import Asked
from .models.given import read_given, with_names
from .models.questions import Questions, answer_facts
from .models.readings import Read, Readings
from .models.subjects import Subject, list_subjects
from .models.words import artifacts_of, as_json, by_name, described, lone_models, notes_of, told_kind
from .question import Question
from .report.answers import keep
from .report.examples import show_examples
from .report.explain import explain
from .report.write import SCHEMA
from .statistics.judge import TRIVIAL, Judge
from .statistics.margins import POINTS
from .traits import package_of
from .values import Baseline, Conditions, Data, Failure, Report, Row

__all__ = ["benchmark"]


def benchmark(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    dataset: Dataset | Read | None = None,
    *,
    float_model: str | os.PathLike[str] | None = None,
    backends: Sequence[str] = ("auto",),
    threads: int = 1,
    preset: str = "default",
    seed: int = 0,
    margin: float | None = None,
    task: str | None = None,
    input: str | Mapping[str, str] | None = None,
    normal: str | None = None,
    accept_chance: bool = False,
    mlperf: bool = False,
) -> Report:
    """Measure models against the first of them: every artifact of a bundle, and files made by anyone.

    Args:
        models: A bundle's folder, or a `.tflite`, `.onnx`, `.keras` or `.h5` file; or several of them.
        dataset: Its test part is what answers are judged on, all of it; the trivial answer comes from its training
            part, and on that it is tried how lone files take their input. Without it a bundle's self-test shows how far
            answers differ from the float model's. A function reads it in the sizes that the models take.
        float_model: The float model, Keras or a file: the first row, and what the others are compared with. Without it
            that is the first model; of a bundle its float32 artifact.
        backends: Names; `auto` is the best one present for each artifact, `all` is every one present.
        threads: Of every backend.
        preset: quick, default or frontier: how long speed is measured.
        seed: Of the bootstrap and of the order in which rows take turns.
        margin: Largest true loss that counts as non-inferior: percentage points where the metric is a share (0.5 by
            default), percent of the trivial answer's error where it is an error (1).
        task: The question, where data and models leave it open.
        input: How files outside bundles take their input, as `--input` says it: for all of them, or by the file's name
            (under an empty name for all others). Found where it is not said.
        normal: Which class is the normal one, where anomalies are looked for and it is not called normal.
        accept_chance: Report on a float model that is no better than the trivial answer, too; the report says so.
        mlperf: Let MLPerf's load generator drive the row that one would ship; needs the mlperf extra.

    Returns:
        The report; `write_report` writes it, `report_to_dict` makes the object that `report.json` holds.

    Raises:
        InputError: Nothing that can be measured, data that the models do not take, or a float model that is no better
            than the answer that looks at no input.
        MissingExtraError: A backend that was asked for is not installed.
        CheckFailedError: The baseline cannot be measured, so that nothing can be compared.
    """
    if preset not in PACES:
        raise InputError(f"preset {preset!r}: allowed are {', '.join(PACES)}")
    pace = PACES[preset]
    given = with_names([read_given(path) for path in ([models] if isinstance(models, str | os.PathLike) else models)])
    if not given:
        raise InputError("no model: name a bundle's folder, or model files")
    float_given = None if float_model is None else read_given(float_model)
    rows, unrunnable = list_subjects(given, float_given, backends, threads)
    stated = by_name(input, rows)
    readings = None if dataset is None else Readings(dataset, task or told_kind(given))
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        found_out = ask_all(rows, readings, stated=stated, normal=normal, accept_chance=accept_chance)
        unrunnable += [
            Failure(*rows[i].key, str(asked)) for i, asked in found_out.items() if not isinstance(asked, Asked)
        ]
        rows = [row for i, row in enumerate(rows) if isinstance(found_out[i], Asked)]
        asked_rows = [asked for asked in found_out.values() if isinstance(asked, Asked)]
        first = asked_rows[0]
        question, data = first.question, first.question.dataset
        if mlperf and question.examples.only is None:
            raise InputError("--mlperf: the load generator's samples have one input, and these models take several")
        asked = Questions(Path(folder), asked_rows, seed, hard=pace.thorough)
        subjects = [
            {**row.order, "asked": dict(each.order), "examples": str(asked.sample(i))}
            for i, (row, each) in enumerate(zip(rows, asked_rows, strict=True))
        ]
        sample = asked.sample(0)
        judge = _judge_of_baseline(asked, subjects[0], sample, question, seed, margin)
        chance = _chance(judge, data, rows[0].artifact)
        if chance is not None and not accept_chance:
            lone = rows[0].given.manifest is None
            how = "with --input" if lone else "when it is exported"
            raise InputError(
                f"{chance}: say how the model takes its input {how}, or name the data that it was made "
                "for; --accept-chance reports all the same"
            )
        wait_until_idle(patience(pace.patience_s))
        before = conditions()
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
                threads_sweep=sweeps[place], energy_uj=energy.of(place), **answer_facts(asked, index, judge),
            )
            for place, index in enumerate(kept)
        )  # fmt: skip
        answers = {rows[i].key: asked.answers[i][""][""] for i in kept if "" in asked.answers[i][""]}
        beside = keep(question.task.kind, question.truth, answers)
    machine = describe_machine()
    report = Report(
        schema=SCHEMA,
        dataset=None if data is None else Data(data.name, len(data.test), data.sha256),
        bundle=described(given, first),
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
        conformance=conformance_of(given) if pace.thorough else None,
        explanations=tuple(explain(found, artifacts_of(rows), machine)),
        layers=None,
        mlperf=None,
        margin_points=judge.margin.value if judge.margin and judge.margin.unit == POINTS else None,
        margin=judge.margin.value if judge.margin else None,
        margin_unit=judge.margin.unit if judge.margin else None,
        task=as_json(first.task.to_dict()),
        contract=as_json(first.contract.to_dict()),
        chance=chance,
        notes=tuple(notes_of(rows, asked_rows, data)) or None,
        models=lone_models(rows, asked_rows),
        kept=beside,
    )
    return replace(
        report,
        layers=layer_errors(report, rows, subjects, question) if pace.thorough else None,
        mlperf=load_generated(report, rows, subjects, question, pace) if mlperf else None,
    )


def _judge_of_baseline(
    asked: Questions, subject: dict[str, Any], sample: Path, question: Question, seed: int, margin: float | None
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
