"""The whole benchmark of a bundle: accuracy, speed and size of every artifact against the float model."""

import base64
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.data import Dataset
from edgepress.runtime import CheckFailedError, InputError, Manifest
from edgepress.runtime.backends import BACKENDS, choose_backends, present_backends
from edgepress.runtime.files import file_sha256
from edgepress.runtime.selftest import Vectors

from .intervals import Pairs
from .machine import changes, conditions, describe_machine
from .metrics import Answers, compare, describe, verdict
from .png import encode_png
from .sizes import file_sizes, runtime_size
from .speed import PACES, Samples, measure_speed, summarize
from .workers import Worker

__all__ = ["SCHEMA", "benchmark"]

SCHEMA = 1
_LOG = logging.getLogger("edgepress")
_EXAMPLES = 16


@dataclass(frozen=True)
class _Row:
    """What is measured: an artifact in a backend, or the float Keras model."""

    subject: dict[str, Any]
    path: Path
    facts: dict[str, Any]
    """The row's identity in the report."""


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
) -> dict[str, Any]:
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

    Returns:
        The report, as `report.json` holds it (`report.schema.json`).

    Raises:
        InputError: Not a bundle, or images that its models do not take.
        MissingExtraError: A backend that was asked for is not installed.
        CheckFailedError: The baseline cannot be measured, so that nothing can be compared.
    """
    if preset not in PACES:
        raise InputError(f"preset {preset!r}: allowed are {', '.join(PACES)}")
    bundle = Path(bundle)
    manifest = Manifest.read(bundle)
    rows = _rows(bundle, manifest, float_model, backends, threads)
    images, truth = _test_images(bundle, manifest, dataset)
    before = conditions()
    answers: dict[int, Answers] = {}
    with tempfile.TemporaryDirectory(prefix="edgepress-") as folder:
        sample = Path(folder) / "images.npy"
        np.save(sample, images)

        def answer(index: int, worker: Worker) -> None:
            out = Path(folder) / f"{index}.npy"
            worker.ask("predict", images=str(sample), out=str(out))
            answers[index] = Answers(np.load(out))

        samples = measure_speed([row.subject for row in rows], sample, PACES[preset], seed=seed, then=answer)
    after = conditions()
    if samples[0].failure is not None:
        raise CheckFailedError(f"the baseline cannot be measured: {samples[0].failure}")
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "dataset": None if dataset is None else _describe_dataset(dataset),
        "bundle": {"name": manifest.name, "labels": list(manifest.labels), "source": manifest.source},
        "machine": describe_machine(),
        "conditions": {"before": before, "after": after, "not_comparable": changes(before, after)},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "preset": preset,
        "margin_points": margin_points,
        "baseline": {"name": rows[0].facts["model"], "accuracy": None, **_key(rows[0])},
        "rows": [],
        "failed": [
            {**_key(row), "reason": measured.failure}
            for row, measured in zip(rows, samples, strict=True)
            if measured.failure is not None
        ],
    }
    kept = [i for i, measured in enumerate(samples) if measured.failure is None]
    for index in kept:
        facts = _facts(rows[index], samples[index], samples[0])
        if truth is None:
            facts |= {"accuracy": None, "difference_points": None, "difference_interval_points": None}
            facts["agreement"] = float((answers[index].labels == answers[0].labels).mean())
        else:
            facts |= describe(answers[index], truth)
            facts |= compare(answers[index], answers[0], truth, seed=seed)
            facts["verdict"] = verdict(Pairs(**facts["pairs"]), margin_points=margin_points)
            facts |= _examples(answers[index], answers[0], truth)
        report["rows"].append(facts)
    report["agreement_images"] = len(images)
    report["baseline"]["accuracy"] = report["rows"][0]["accuracy"]
    report["images"] = _pictures(report["rows"], images, truth)
    return report


def _rows(
    bundle: Path,
    manifest: Manifest,
    float_model: str | os.PathLike[str] | None,
    backends: Sequence[str],
    threads: int,
) -> list[_Row]:
    """The baseline first, then the artifacts in the manifest's order, each in its backends."""
    rows = []
    for artifact in manifest.artifacts:
        if "all" in backends:
            names = present_backends(artifact.format)
        else:
            names = tuple(
                choose_backends(name, (artifact.format,))[0].name
                for name in backends
                if name == "auto" or name not in BACKENDS or BACKENDS[name].format == artifact.format
            )
        for backend in names:
            subject = {
                "kind": "artifact", "bundle": str(bundle), "file": artifact.file,
                "backend": backend, "threads": threads, "delegate": True,
            }  # fmt: skip
            facts = {
                "model": artifact.model, "artifact": artifact.file, "format": artifact.format,
                "variant": artifact.variant, "backend": backend, "threads": threads, "sparsity": artifact.sparsity,
            }  # fmt: skip
            rows.append(_Row(subject, bundle / artifact.file, facts))
    if not rows and float_model is None:
        raise InputError(f"{bundle}: no artifact runs in backend {', '.join(backends)}: name another with --backend")
    if float_model is not None:
        path = Path(float_model)
        if not path.is_file():
            raise InputError(f"float model {path}: no such file; name the .keras file that the bundle was made from")
        subject = {"kind": "keras", "bundle": str(bundle), "path": str(path), "threads": threads}
        facts = {
            "model": "float", "artifact": path.name, "format": "keras", "variant": "float32",
            "backend": "tensorflow", "threads": threads, "sparsity": 0.0,
        }  # fmt: skip
        return [_Row(subject, path, facts), *rows]
    first = min(range(len(rows)), key=lambda i: (_strangeness(rows[i]), i))
    return [rows[first], *rows[:first], *rows[first + 1 :]]


def _strangeness(row: _Row) -> tuple[bool, bool]:
    """Sorts the best stand-in for the float model first: its float32 artifact, else any float32 one."""
    return row.facts["variant"] != "float32", row.facts["model"] != "float"


def _key(row: _Row) -> dict[str, Any]:
    return {key: row.facts[key] for key in ("artifact", "backend", "threads")}


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
    if dataset.labels != manifest.labels:
        raise InputError(
            f"{dataset.name} has the classes {', '.join(dataset.labels)}, the bundle {', '.join(manifest.labels)}: "
            "name the data set that it was made for"
        )
    return dataset.x_test, dataset.y_test


def _selftest_images(bundle: Path, manifest: Manifest) -> NDArray[np.uint8]:
    if manifest.selftest is None:
        raise InputError(f"{bundle} holds no self-test: name a data set with --data")
    return Vectors.read(bundle / manifest.selftest).images


def _describe_dataset(dataset: Dataset) -> dict[str, Any]:
    return {"name": dataset.name, "images": len(dataset.x_test), "sha256": dataset.sha256}


def _facts(row: _Row, measured: Samples, base: Samples) -> dict[str, Any]:
    packages = {"tensorflow": "tensorflow", **{name: backend.package for name, backend in BACKENDS.items()}}
    return {
        **row.facts,
        "sha256": file_sha256(row.path),
        **file_sizes(row.path),
        "runtime_bytes": runtime_size(packages[row.facts["backend"]]),
        **summarize(measured, base),
    }


def _examples(row: Answers, base: Answers, truth: NDArray[np.int64]) -> dict[str, Any]:
    """Images that show the difference: where only one of the two is right, and the row's most certain mistakes."""
    row_right, base_right = row.labels == truth, base.labels == truth
    wrong = np.flatnonzero(~row_right)
    certain = wrong[np.argsort(-row.probabilities[wrong].max(axis=1), kind="stable")]

    def entries(indices: NDArray[np.int64]) -> list[dict[str, Any]]:
        return [
            {
                "image": int(i),
                "said": int(row.labels[i]),
                "float_said": int(base.labels[i]),
                "probability": float(row.probabilities[i].max()),
            }
            for i in indices[:_EXAMPLES]
        ]

    return {
        "flips": {
            "only_float_right": entries(np.flatnonzero(base_right & ~row_right)),
            "only_row_right": entries(np.flatnonzero(row_right & ~base_right)),
        },
        "mistakes": entries(certain),
    }


def _pictures(
    rows: Sequence[dict[str, Any]], images: NDArray[np.uint8], truth: NDArray[np.int64] | None
) -> dict[str, Any]:
    """Every image that an example names: its class and its pixels as a PNG in base64, by index."""
    if truth is None:
        return {}
    groups = [group for row in rows for group in (row["mistakes"], *row["flips"].values())]
    wanted = sorted({entry["image"] for group in groups for entry in group})
    return {
        str(i): {"label": int(truth[i]), "png": base64.b64encode(encode_png(images[i])).decode("ascii")} for i in wanted
    }
