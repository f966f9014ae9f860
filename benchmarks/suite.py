"""The whole benchmark of a bundle: accuracy, speed and size of every artifact against the float model."""

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
from numpy.typing import NDArray

from edgepress.base.files import file_sha256
from edgepress.data import Dataset
from edgepress.runtime import CheckFailedError, InputError, Manifest
from edgepress.runtime.conformance.golden import Vectors
from edgepress.runtime.conformance.matrix import conformance
from edgepress.runtime.machine import describe_machine

from .measure.conditions import changes, conditions
from .measure.energy import NO_ENERGY, measure_energies
from .measure.sizes import file_sizes, runtime_size
from .measure.speed import PACES, Pace, Samples, measure_speed, summarize
from .measure.subjects import Subject, list_subjects
from .measure.sweeps import sweep_threads
from .measure.workers import Worker, WorkerError
from .report.examples import list_examples, picture_examples
from .report.explain import explain, float_sibling
from .report.ship import choose_row
from .report.write import SCHEMA
from .statistics.metrics import Answers, agreement, compare, compare_accuracy, describe, verdict
from .statistics.robustness import perturb
from .traits import LAYER_BACKENDS, package_of
from .values import Baseline, Bundle, Conditions, Data, Failure, Report, Row

__all__ = ["benchmark"]

_KEY = ("artifact", "backend", "threads")
_LOG = logging.getLogger("edgepress")
_LAYER_IMAGES = 64


def benchmark(
    bundle: str | os.PathLike[str],
    dataset: Dataset | None = None,
    *,
    float_model: str | os.PathLike[str] | None = None,
    backends: Sequence[str] = ("auto",),
    threads: int = 1,
    preset: str = "default",
    seed: int = 0,
    margin_points: float = 0.5,
    mlperf: bool = False,
) -> Report:
    """Measure every artifact of a bundle against the float model.

    Args:
        bundle: A bundle's folder.
        dataset: Its test images are what accuracy is measured on, all of them. Without it the self-test's images
            yield agreement alone.
        float_model: The float Keras model (.keras): the first row, and what the others are compared with. Without it
            that is the float32 artifact.
        backends: Names; `auto` is the best one present for each artifact, `all` is every one present.
        threads: Of every backend.
        preset: quick, default or frontier: how long speed is measured.
        seed: Of the bootstrap and of the order in which rows take turns.
        margin_points: Largest true drop in percentage points that counts as non-inferior.
        mlperf: Let MLPerf's load generator drive the row that one would ship; needs the mlperf extra.

    Returns:
        The report; `write_report` writes it, `report_to_dict` makes the object that `report.json` holds.

    Raises:
        InputError: Not a bundle, or images that its models do not take.
        MissingExtraError: A backend that was asked for is not installed.
        CheckFailedError: The baseline cannot be measured, so that nothing can be compared.
    """
    if preset not in PACES:
        raise InputError(f"preset {preset!r}: allowed are {', '.join(PACES)}")
    pace = PACES[preset]
    bundle = Path(bundle)
    manifest = Manifest.read(bundle)
    if manifest.output == "raw":
        raise InputError(f"{bundle}: its models are no classifiers, and accuracy is what is compared here")
    rows, unrunnable = list_subjects(bundle, manifest, float_model, backends, threads)
    images, truth = _test_images(bundle, manifest, dataset)
    subjects = [row.order for row in rows]
    before = conditions()
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample = Path(folder) / "images.npy"
        np.save(sample, images)
        asked = _Questions(Path(folder), sample, images, seed, hard=truth is not None and pace.thorough)
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
            threads_sweep=sweeps[place], energy_uj=energy.of(place),
            **_answer_facts(asked, index, truth, seed=seed, margin_points=margin_points),
        )
        for place, index in enumerate(kept)
    )  # fmt: skip
    machine = describe_machine()
    report = Report(
        schema=SCHEMA,
        dataset=None if dataset is None else Data(dataset.name, len(dataset.x_test), dataset.sha256),
        bundle=Bundle(manifest.name, tuple(manifest.labels), manifest.source),
        machine=machine,
        conditions=Conditions(before, after, tuple(changes(before, after))),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=seed,
        preset=preset,
        margin_points=margin_points,
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
        agreement_images=len(images),
        images=picture_examples(found, images, truth),
        conformance=_conformance(bundle, manifest) if pace.thorough else None,
        explanations=tuple(explain(found, manifest, machine)),
        layers=None,
        mlperf=None,
    )
    return replace(
        report,
        layers=_layers(report, rows, images) if pace.thorough else None,
        mlperf=_mlperf(report, rows, images, truth, pace) if mlperf else None,
    )


class _Questions:
    """What every model is asked once it has been timed: the test images, and their perturbations."""

    def __init__(self, folder: Path, sample: Path, images: NDArray[np.uint8], seed: int, *, hard: bool) -> None:
        self._files = {"": sample}
        for number, (name, pictures) in enumerate(perturb(images, seed=seed) if hard else ()):
            self._files[name] = folder / f"perturbed-{number}.npy"
            np.save(self._files[name], pictures)
        self.answers: dict[int, dict[str, Answers]] = {}
        """By row, then by name of the perturbation; the plain images have an empty name."""

    def ask(self, index: int, worker: Worker) -> None:
        own = {}
        for name, file in self._files.items():
            out = file.with_name("answers.npy")
            worker.ask("predict", images=str(file), out=str(out))
            own[name] = Answers(np.load(out))
        self.answers[index] = own


def _answer_facts(
    asked: _Questions, index: int, truth: NDArray[np.int64] | None, *, seed: int, margin_points: float
) -> dict[str, Any]:
    """How a row answered, and how that compares with the baseline: fields of `Row`."""
    own, base = asked.answers[index], asked.answers[0]
    alike = agreement(own[""], base[""])
    if truth is None:
        return {"scores": None, "comparison": None, "agreement": alike}
    comparison = compare(own[""], base[""], truth, seed=seed)
    flips, mistakes = list_examples(own[""], base[""], truth)
    return {
        "scores": describe(own[""], truth),
        "comparison": comparison,
        "agreement": alike,
        "verdict": verdict(comparison.pairs, margin_points=margin_points),
        "robustness": tuple(compare_accuracy(name, own[name], base[name], truth, seed=seed) for name in own if name),
        "flips": flips,
        "mistakes": mistakes,
    }


def _mlperf(
    report: Report, rows: Sequence[Subject], images: NDArray[np.uint8], truth: NDArray[np.int64] | None, pace: Pace
) -> dict[str, Any]:
    """LoadGen's scenarios on the chosen row, or on the last one where accuracy could not choose."""
    chosen = choose_row(report) or report.rows[-1]
    row = next(row for row in rows if row.key == chosen.key)
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample, classes = Path(folder) / "images.npy", Path(folder) / "truth.npy"
        np.save(sample, images)
        if truth is not None:
            np.save(classes, truth)
        with Worker(row.order, sample) as worker:
            order = {"truth": None if truth is None else str(classes), "seconds": 2.0 if pace.thorough else 0.5}
            return {**dict(zip(_KEY, row.key, strict=True)), "scenarios": worker.ask("mlperf", **order)["scenarios"]}


def _layers(report: Report, rows: Sequence[Subject], images: NDArray[np.uint8]) -> dict[str, Any] | None:
    """Where the chosen quantized row loses accuracy, layer by layer; None where that cannot be looked at."""
    chosen = choose_row(report)
    sibling = None if chosen is None else float_sibling(chosen, report.rows)
    # A device has no export stage, and only few backends show a layer's output.
    if chosen is None or sibling is None or chosen.backend not in LAYER_BACKENDS or not find_spec("edgepress.export"):
        return None
    subject = next(row.order for row in rows if row.key == chosen.key)
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample = Path(folder) / "images.npy"
        np.save(sample, images[:_LAYER_IMAGES])
        try:
            with Worker(subject, sample) as worker:
                order = {"bundle": subject["bundle"], "file": subject["file"], "float32": sibling.artifact}
                errors = worker.ask("layers", count=_LAYER_IMAGES, **order)["layers"]
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


def _test_images(
    bundle: Path, manifest: Manifest, dataset: Dataset | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
    """Pixels and true classes; the self-test's images and None without a data set."""
    if dataset is None:
        _LOG.info("benchmark: accuracy is not measured without --data; agreement is, on the self-test's images")
        return _selftest_images(bundle, manifest), None
    if dataset.x_test.shape[1:] != manifest.preprocessing.shape:
        raise InputError(
            f"{dataset.name} has images of {dataset.x_test.shape[1:]}, the bundle takes "
            f"{manifest.preprocessing.shape}: name the data set that it was made for"
        )
    # An .npz file holds indices and no names.
    unnamed = dataset.labels == tuple(map(str, range(len(dataset.labels))))
    if dataset.labels != manifest.labels and not (unnamed and len(dataset.labels) <= len(manifest.labels)):
        raise InputError(
            f"{dataset.name} has the classes {', '.join(dataset.labels)}, the bundle {', '.join(manifest.labels)}: "
            "name the data set that it was made for"
        )
    return dataset.x_test, dataset.y_test


def _selftest_images(bundle: Path, manifest: Manifest) -> NDArray[np.uint8]:
    if manifest.selftest is None:
        raise InputError(f"{bundle} holds no self-test: name a data set with --data")
    images = Vectors.read(bundle / manifest.selftest).images
    if images is None:
        raise InputError(f"{bundle} holds golden vectors without images: export it again with a data set of images")
    return images


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
