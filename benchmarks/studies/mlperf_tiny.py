"""MLPerf Tiny's reference models through export and benchmark, beside the files that its authors published.

    EDGEPRESS_DATA_DIR=... python -m edgepress.benchmarks.studies.mlperf_tiny --page docs/mlperf-tiny.md

runs the command line, `edgepress export` and `edgepress benchmark`, for each benchmark whose reference model is in
EDGEPRESS_DATA_DIR, and writes the page; about two minutes. What it made is kept below --work, so that a study that was
killed goes on; `<name>/report` is removed there to measure again. Targets are those of the suite's closed division
(github.com/mlcommons/tiny, benchmark/README). What is not there is said to be missing. Exit status 1: a command failed.
"""

import argparse
import io
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgepress.base.child import run_module
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.runtime import CheckFailedError

from ..report.words import difference_cell, say_value
from ..report.write import read_report
from ..values import Report, Row
from .page.figures import insert_figures

__all__ = ["REFERENCES", "Reference", "missing", "run", "table"]

_VARIANTS = ("tflite:float32", "tflite:dynamic-int8", "tflite:int8", "onnx:int8")
_UNJUDGED = ("tflite:float32", "onnx:float32")
"""What can be made, and held to its model, without any real example."""
_MADE_UP = 400
_SECONDS = 600.0


class Reference(NamedTuple):
    """One of the suite's four benchmarks. Files are below EDGEPRESS_DATA_DIR; empty where nobody keeps them there."""

    title: str
    target: str
    """Quality of its closed division, on the suite's own test set."""
    keras: str = ""
    int8: str = ""
    data: str = ""
    data_note: str = ""
    """What the data are, beside the suite's own."""
    shape: tuple[int, ...] = ()
    """Of an input, for a model without data."""


REFERENCES = {
    "image-classification": Reference(
        "Image classification: ResNet8, CIFAR-10", "accuracy 85 %", "models/resnet8.h5",
        "models/resnet8-reference-int8.tflite", "cifar10-jpeg.zip",
        "2,000 test pictures of a JPEG copy of CIFAR-10, on which the published float model itself stays below the "
        "target: what counts here is the difference from it",
    ),
    "anomaly-detection": Reference(
        "Anomaly detection: autoencoder, ToyADMOS", "ROC AUC 0.85", "models/toycar-autoencoder.h5", shape=(640,),
    ),
    "keyword-spotting": Reference("Keyword spotting: DS-CNN, Speech Commands", "accuracy 90 %"),
    "visual-wake-words": Reference("Visual wake words: MobileNetV1 0.25, COCO", "accuracy 80 %"),
}  # fmt: skip
"""By the name of its benchmark."""


def missing(reference: Reference, data: Path) -> list[str]:
    """What of a benchmark cannot be measured, and why."""
    if not _there(data, reference.keras):
        return ["Not measured: its reference model is not at hand."]
    found = []
    if not _there(data, reference.data):
        found.append(
            "Its data set is not at hand: quality is not measured, and no quantized file is made, which could not be "
            "held to its model. Bytes and latency are those of float files, asked about made-up numbers."
        )
    if not _there(data, reference.int8):
        found.append("Its published int8 file is not at hand.")
    return found


def _there(data: Path, name: str) -> bool:
    return bool(name) and (data / name).exists()


def commands(reference: Reference, data: Path, folder: Path, preset: str) -> dict[Path, list[str]]:
    """The command lines, each by the file that it ends with."""
    keras, bundle, report = data / reference.keras, folder / "bundle", folder / "report"
    known = _there(data, reference.data)
    given = ["--data", str(data / reference.data)] if known else ["--data", str(folder / "made-up.npz"), "--task=raw"]
    variants = [f"--variant={variant}" for variant in (_VARIANTS if known else _UNJUDGED)]
    published = [str(data / reference.int8)] if known and _there(data, reference.int8) else []
    measured = [*published, str(bundle), "--float-model", str(keras), f"--preset={preset}", "--out", str(report)]
    return {
        bundle / "manifest.json": ["export", str(keras), *given, *variants, "--out", str(bundle)],
        report / "report.json": ["benchmark", *measured, *given],
    }


def run(reference: Reference, data: Path, folder: Path, preset: str) -> Report:
    """Export the float model, and benchmark what came of it beside the published file; or read what was found.

    Raises:
        CheckFailedError: A command failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _there(data, reference.data) and not (folder / "made-up.npz").exists():
        x = np.random.default_rng(0).normal(0, 1, (_MADE_UP, *reference.shape)).astype(np.float32)
        content = io.BytesIO()
        np.savez(content, x_train=x[: _MADE_UP // 2], x_test=x[_MADE_UP // 2 :])
        write_file(folder / "made-up.npz", content.getvalue())
    for made, command in commands(reference, data, folder, preset).items():
        if not made.exists():
            print(f"edgepress {shlex.join(command)}", file=sys.stderr, flush=True)
            ended = run_module("edgepress", *command, seconds=_SECONDS)
            if not ended.ok:
                raise CheckFailedError(f"edgepress {command[0]} of {reference.keras}: {ended.reason}")
    return read_report(folder / "report" / "report.json")


def table(report: Report, published: str, *, judged: bool) -> Iterator[str]:
    """A line a file; the first is the float model.

    Args:
        report: Of the benchmark.
        published: The authors' own int8 file, by which bytes are divided; empty without one.
        judged: Whether its answers are about real examples.
    """
    busy = "; ".join(report.conditions.not_comparable)
    ours = next((row.sizes.bytes for row in report.rows if row.artifact == Path(published).name), 0)
    lines = [_line(row, published, ours, judged=judged, busy=bool(busy)) for row in report.rows]
    head = ("file", "metric", "minus float [95 %]", "bytes", "x published", "us", "runtime")
    yield from markdown_table(head, lines, columns="lrrrrrl")
    if busy:
        yield ""
        yield f"Latencies are not comparable: {busy}."


def _line(row: Row, published: str, reference: int, *, judged: bool, busy: bool) -> tuple[str, ...]:
    title = file = row.artifact.rpartition("/")[2]
    if published and file == Path(published).name:
        title = f"{file} (published)"
    value = difference = ""
    if judged:
        metric = row.metric.name if row.metric is not None else "accuracy"
        value, difference = f"{metric} {say_value(row)}{' %' if row.scores is not None else ''}", difference_cell(row)
    share = f"{row.sizes.bytes / reference:.2f}" if reference else ""
    time = "not comparable" if busy else f"{row.speed.latency_us.p50:.1f}"
    return title, value, difference, f"{row.sizes.bytes:,}", share, time, row.backend


def _part(name: str, data: Path, work: Path, preset: str) -> Iterator[str]:
    reference = REFERENCES[name]
    gaps = missing(reference, data)
    known = _there(data, reference.data)
    yield f"### {reference.title}"
    yield ""
    yield f"Target: {reference.target}." + (f" Measured on {reference.data_note}." if known else "")
    yield ""
    if _there(data, reference.keras):
        report = run(reference, data, work / name, preset)
        yield from table(report, reference.int8, judged=known)
        yield ""
        yield f"On {report.machine['processor'] or report.machine['model'] or 'this machine'}, one thread."
        yield ""
    yield from (f"- {gap}" for gap in gaps)
    if gaps:
        yield ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is there and write the page; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="quick", help="of the benchmark: quick, default or frontier")
    parser.add_argument("--work", type=Path, default=Path("runs/mlperf-tiny"))
    parser.add_argument("--page", type=Path, help="a Markdown file with a block for `mlperf-tiny`")
    options = parser.parse_args(arguments)
    data = Path(os.environ.get("EDGEPRESS_DATA_DIR", "."))
    parts: list[str] = []
    made = f"Written by `python -m edgepress.benchmarks.studies.mlperf_tiny` on {datetime.now(UTC):%Y-%m-%d}."
    for name in REFERENCES:
        try:
            parts += _part(name, data, options.work, options.preset)
        except CheckFailedError as error:
            print(f"mlperf-tiny: {error}", file=sys.stderr)
            return 1
        if options.page is not None:
            # A study that is killed leaves a page of what it had.
            insert_figures(options.page, "mlperf-tiny", "\n".join([*parts, made]))
    print("\n".join([*parts, made]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
