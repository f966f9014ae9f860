"""The files of one model beside its float model, in one benchmark: answers, bytes, and latency round by round."""

import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgepress.base.files import write_file
from edgepress.runtime import EMBEDDED_KEY, InputError
from edgepress.runtime.formats.self_description import onnx_properties
from edgepress.runtime.formats.tflite_file import read_tflite

from ...suite import benchmark
from ...values import Report, Row
from .cells import Cell
from .models import Given

__all__ = ["Judged", "Judgement", "judge"]

_LOG = logging.getLogger("edgepress")
_KEPT = "judged.json"
_SCHEMA = 3
"""Times of schema 1 are none where a file ran in isolation; 2 does not know what files say of themselves."""


@dataclass(frozen=True)
class Judged:
    """What a file is worth."""

    value: float
    difference: float | None
    """To the float model, in the judgement's unit, as is the interval."""
    interval: tuple[float, float] | None
    """Paired, 95 %."""
    bytes: int
    microseconds: float
    """Median of one example's time, one thread."""
    backend: str
    described: int
    """Of the bytes, those that say how the file is fed and what its answers mean."""


@dataclass(frozen=True)
class Judgement:
    """What came of all files of a model."""

    metric: str
    better: str
    unit: str
    float_value: float
    examples: int
    machine: str
    busy: str
    """Why latencies are not comparable; empty where they are."""
    files: dict[str, Judged]
    """By the peer's name."""
    refused: dict[str, str]
    """Likewise: files that were made and cannot be judged, and why."""


def judge(given: Given, work: Path, cells: Mapping[str, Cell], preset: str) -> Judgement:
    """Judge the files, or read what was found of the same files before.

    Args:
        given: The float model and its data.
        work: The study's folder.
        cells: By the peer's name.
        preset: Of `benchmark`.
    """
    files = {peer: cell for peer, cell in cells.items() if cell.file is not None}
    asked = {"schema": _SCHEMA, "preset": preset, "files": {peer: cell.sha256 for peer, cell in files.items()}}
    kept = given.folder / _KEPT
    if kept.exists():
        found = json.loads(kept.read_text())
        if found["asked"] == asked:
            return _read(found["judgement"])
    judgement = _judge(given, {peer: work / str(cell.file) for peer, cell in files.items()}, preset)
    write_file(kept, json.dumps({"asked": asked, "judgement": asdict(judgement)}, indent=2) + "\n")
    return judgement


def _read(found: dict[str, Any]) -> Judgement:
    files = {
        peer: Judged(**{**each, "interval": each["interval"] and tuple(each["interval"])})
        for peer, each in found.pop("files").items()
    }
    return Judgement(**found, files=files)


def _judge(given: Given, paths: dict[str, Path], preset: str) -> Judgement:
    refused: dict[str, str] = {}
    while True:
        names = {path.name: peer for peer, path in paths.items()}
        try:
            report = benchmark(
                list(paths.values()), given.dataset(), float_model=given.keras, preset=preset, input=given.stated
            )
            break
        except InputError as error:
            # One file that does not answer the question keeps no other from being judged.
            wrong = [name for name in names if name in str(error)]
            if len(wrong) != 1:
                raise
            _LOG.info("peers: %s", error)
            refused[names[wrong[0]]] = str(error)
            del paths[names[wrong[0]]]
    # A bundle's files bear its name too, where there are two bundles.
    failed = {failure.artifact.rpartition("/")[2]: failure.reason for failure in report.failed}
    refused |= {names[name]: reason for name, reason in failed.items() if name in names}
    measured = {row.artifact.rpartition("/")[2]: row for row in report.rows}
    rows = {peer: _judged(measured[name], _described(paths[peer])) for name, peer in names.items() if name in measured}
    metric = report.rows[0].metric
    if metric is None:
        raise InputError(f"{given.folder.name}: its data say nothing of what is right")
    return Judgement(
        metric.name, metric.better, metric.unit, metric.value, report.agreement_images, _machine(report),
        "; ".join(report.conditions.not_comparable), rows, refused,
    )  # fmt: skip


def _judged(row: Row, described: int) -> Judged:
    metric = row.metric
    if metric is None:
        raise InputError(f"{row.artifact} was not judged")
    return Judged(
        metric.value, metric.difference, metric.difference_interval, row.sizes.bytes, row.speed.latency_us.p50,
        row.backend, described,
    )  # fmt: skip


def _described(path: Path) -> int:
    content = path.read_bytes()
    if path.suffix == ".onnx":
        return len(onnx_properties(content).get(EMBEDDED_KEY, "").encode())
    metadata = read_tflite(content).metadata
    labels = 0
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            labels = len(content) - min(member.header_offset for member in archive.infolist())
    return labels + sum(len(metadata.get(key, b"")) for key in ("TFLITE_METADATA", EMBEDDED_KEY))


def _machine(report: Report) -> str:
    return f"{report.machine.get('processor') or report.machine.get('machine')}"
