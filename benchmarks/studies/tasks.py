"""What other data and other questions end with: one command line a row, from the files to the report.

    python -m edgepress.benchmarks.studies.tasks --pages README.md docs/train.md

finds its data in EDGEPRESS_DATA_DIR (rows whose files are not there are left out, and said to be) and scikit-learn's
tables in scikit-learn. A row that has been made is kept in its folder below --work: a study that was killed goes on
with the rows that are left. `--rows wine,diabetes --preset quick` is the small version. Exit status 1: a row failed, or
missed what it must show.
"""

import argparse
import hashlib
import importlib
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table
from edgepress.runtime import EdgepressError, InputError

from .page.figures import insert_figures

__all__ = ["ROWS", "Made", "Row", "Wanted", "made_of", "missed", "table"]

_log = logging.getLogger("edgepress")
_RESULT = "result.json"
_START = "from edgepress.cli import main; main()"
_TOLD = ("roc_auc", "r2")
"""What is told beside the metric that decides."""


@dataclass(frozen=True)
class Wanted:
    """What a row must show."""

    float_at_least: float | None = None
    """Of the metric that decides, of the float model."""
    int8_at_least: float | None = None
    int8_within: float | None = None
    """How far int8's metric may be from float's, either way."""
    int8_within_share: float | None = None
    """The same as a share of float's."""
    more: Mapping[str, float] = field(default_factory=dict)
    """Least values of what else the report says of the int8 file: `r2`, `roc_auc`."""
    bytes_at_most: int | None = None
    like_linear: float | None = None
    """How far the float model's R2 may be below that of a linear model fitted to the same training rows."""
    input: str | None = None
    """How the model's input must have been found to be."""
    metric: str | None = None
    """Which of the report's metrics the values above are about, where it is not the one that decides."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    data: str
    task: str
    model: str
    arguments: tuple[str, ...]
    """Of `edgepress press`, or of `edgepress export` where it begins with `export`. `{data}` is the folder with the
    data, `{work}` the row's own, `{tables}` that with scikit-learn's tables."""
    wanted: Wanted = Wanted()
    files: tuple[str, ...] = ()
    """That must be in the data folder."""
    prepare: Callable[[Path], None] | None = None
    """Makes what the command reads, in the folder for tables."""


class Made(NamedTuple):
    """What came of a row."""

    metric: str
    float_value: float
    int8_value: float
    difference: float | None
    interval: tuple[float, float] | None
    unit: str
    trivial: float | None
    bytes: int
    microseconds: float
    float_more: dict[str, float]
    int8_more: dict[str, float]
    found: str
    """How the model's input was found to be, where export found it."""


def _table_of(name: str, label: str) -> Callable[[Path], None]:
    """Writes scikit-learn's table as CSV, with its classes by name."""

    def write(folder: Path) -> None:
        try:
            datasets = importlib.import_module("sklearn.datasets")
        except ImportError:
            raise InputError("scikit-learn's tables need scikit-learn: pip install scikit-learn") from None
        bunch = getattr(datasets, f"load_{name}")()
        names = [column.replace(" ", "_").replace("/", "_") for column in bunch.feature_names]
        answers = bunch.target if "target_names" not in bunch else bunch.target_names[bunch.target]
        lines = [",".join([*names, label])]
        for row, answer in zip(bunch.data.tolist(), answers.tolist(), strict=True):
            lines.append(",".join([*map(repr, row), str(answer)]))
        write_file(folder / f"{name}.csv", "\n".join(lines) + "\n")

    return write


def _weather_station(folder: Path) -> None:
    """A regressor of CO2 (400 +- 9 ppm) from raw sensors of very different size, a pressure in Pa among them, and its
    data."""
    keras = require("keras", extra="toolkit")
    layers, rng, count = keras.layers, np.random.default_rng(0), 2000
    keras.utils.set_random_seed(0)
    columns = {
        "humidity": rng.uniform(30, 90, count),
        "hour": rng.uniform(0, 24, count),
        "light": rng.uniform(0, 1, count),
        "pressure": rng.normal(101_325, 600, count),
    }
    hours = np.sin((columns["hour"] - 9) / 24 * 2 * np.pi)
    co2 = 400 + 12 * hours + 8 * (columns["light"] - 0.5) - 0.1 * (columns["humidity"] - 60)
    rows = np.stack([*columns.values(), co2], axis=1)
    head = ",".join([*columns, "co2"])
    lines = [head, *(",".join(map(repr, row)) for row in rows.tolist())]
    write_file(folder / "weather.csv", "\n".join(lines) + "\n")
    start = keras.initializers.Constant(400.0)
    model = keras.Sequential(
        [
            keras.Input((len(columns),), name="features"),
            layers.BatchNormalization(),
            layers.Dense(32, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, bias_initializer=start),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(rows[:, :-1].astype(np.float32), co2.astype(np.float32), epochs=60, batch_size=64, verbose=0)
    model.save(folder / "co2.keras")


def _frames(folder: Path) -> None:
    """Five log-mel frames of 128 bands each, as the anomaly detector of MLPerf Tiny takes them: smooth in time and
    frequency, between -60 and 10 dB."""
    rng = np.random.default_rng(0)
    spectra = np.cumsum(rng.normal(0, 2, (2000, 5, 128)), axis=2) + rng.normal(0, 2, (2000, 1, 128)) - 25
    frames = np.clip(spectra, -60, 10).reshape(2000, 640).astype(np.float32)
    np.savez(folder / "frames.npz", x_train=frames[:1600], x_test=frames[1600:])


ROWS: dict[str, Row] = {
    "mnist": Row(
        "MNIST", "multiclass, pictures", "mlp", ("--data", "mnist"), Wanted(int8_at_least=0.986), ("mnist.npz",)
    ),
    "resnet8": Row(
        "CIFAR-10, 6,000 + 2,000 pictures", "multiclass, pictures", "MLPerf Tiny's ResNet8",
        ("export", "{data}/models/resnet8.h5", "--data", "{data}/cifar10-jpeg.zip"),
        Wanted(float_at_least=0.764, int8_within=0.005, input="pixels"), ("models/resnet8.h5", "cifar10-jpeg.zip"),
    ),
    "cifar10": Row(
        "CIFAR-10, 6,000 + 2,000 pictures", "multiclass, pictures", "cnn", ("--data", "{data}/cifar10-jpeg.zip"),
        Wanted(int8_at_least=0.6, bytes_at_most=100_000), ("cifar10-jpeg.zip",),
    ),
    "breast-cancer": Row(
        "breast cancer", "binary, features", "mlp", ("--data", "{tables}/breast_cancer.csv", "--label", "diagnosis"),
        Wanted(float_at_least=0.99, int8_within=0.005, metric="roc_auc"),
        prepare=_table_of("breast_cancer", "diagnosis"),
    ),
    "wine": Row(
        "wine", "multiclass, features", "mlp", ("--data", "{tables}/wine.csv", "--label", "cultivar"),
        Wanted(int8_at_least=0.95), prepare=_table_of("wine", "cultivar"),
    ),
    "diabetes": Row(
        "diabetes", "regression, features", "mlp", ("--data", "{tables}/diabetes.csv", "--label", "progression"),
        Wanted(int8_within_share=0.02, like_linear=0.05), prepare=_table_of("diabetes", "progression"),
    ),
    "weather-station": Row(
        "weather station", "regression, raw sensors", "a Keras 3 model",
        ("export", "{tables}/co2.keras", "--data", "{tables}/weather.csv", "--label", "co2"),
        Wanted(more={"r2": 0.95}), prepare=_weather_station,
    ),
    "basic-motions": Row(
        "BasicMotions, 40 + 40 windows", "multiclass, signal", "conv1d", ("--data", "{data}/basic-motions.npz"),
        Wanted(int8_at_least=0.95), ("basic-motions.npz",),
    ),
    "spoken-digits": Row(
        "spoken digits", "multiclass, waveforms", "ds-cnn", ("--data", "{data}/spoken-digits.zip"),
        Wanted(int8_at_least=0.95, bytes_at_most=80_000), ("spoken-digits.zip",),
    ),
    "zeros": Row(
        "MNIST, 0 is normal", "anomaly, pictures", "autoencoder",
        ("--data", "mnist", "--task", "anomaly", "--normal", "0"),
        Wanted(float_at_least=0.97, int8_within=0.01), ("mnist.npz",),
    ),
    "toycar": Row(
        "log-mel frames, drawn", "raw", "MLPerf Tiny's autoencoder",
        ("export", "{data}/models/toycar-autoencoder.h5", "--data", "{tables}/frames.npz", "--task", "raw"),
        files=("models/toycar-autoencoder.h5",), prepare=_frames,
    ),
}  # fmt: skip
"""By name, in the order of the table."""


def commands(row: Row, places: Mapping[str, str], preset: str) -> list[list[str]]:
    """The row's command lines."""
    arguments = [argument.format(**places) for argument in row.arguments]
    work = places["work"]
    if arguments[0] != "export":
        return [["press", *arguments, "--preset", preset, "--out", f"{work}/run", "--json"]]
    model, options = arguments[1], arguments[2:]
    bundle = f"{work}/run/bundle"
    return [
        ["export", f"float={model}", *options, "--out", bundle, "--overwrite"],
        [
            "benchmark", bundle, *options, "--float-model", model, "--preset", preset, "--out", f"{bundle}/report",
            "--json",
        ],
    ]  # fmt: skip


def made_of(bundle: Path) -> Made:
    """What a bundle's report says of the float model and of its int8 TFLite file.

    Raises:
        InputError: The report has no such rows, or no metric.
    """
    report = json.loads((bundle / "report/report.json").read_text())
    rows = report["rows"]
    names = ("pressed-int8.tflite", "float-int8.tflite")
    chosen = next((row for name in names for row in rows if row["artifact"] == name), None)
    if chosen is None or not chosen.get("metric"):
        came = ", ".join(row["artifact"] for row in rows)
        raise InputError(f"{bundle} reports on {came}: an int8 TFLite file with a metric is needed")
    metric, first = chosen["metric"], rows[0]
    manifest = json.loads((bundle / "manifest.json").read_text())
    return Made(
        metric["name"],
        (first.get("metric") or metric)["value"],
        metric["value"],
        metric["difference"],
        metric["difference_interval"],
        metric["unit"],
        metric["trivial"],
        chosen["bytes"],
        chosen["latency_us"]["p50"],
        dict(first.get("metrics") or {}),
        dict(chosen.get("metrics") or {}),
        str((manifest.get("contract", {}).get("found") or {}).get("why", "")),
    )


def missed(wanted: Wanted, made: Made, linear: float | None = None) -> list[str]:
    """What a row must show and does not, in words."""
    name = wanted.metric or made.metric
    floats, ints = made.float_more | {made.metric: made.float_value}, made.int8_more | {made.metric: made.int8_value}
    told = []
    for whose, values, least in (("float", floats, wanted.float_at_least), ("int8", ints, wanted.int8_at_least)):
        if least is not None and not values[name] >= least:
            told.append(f"{whose} {name} {values[name]:.4f}, at least {least:g} is wanted")
    apart = abs(ints[name] - floats[name])
    share = apart / abs(floats[name]) if floats[name] else 0.0
    if wanted.int8_within is not None and not apart <= wanted.int8_within + 1e-9:
        told.append(f"int8 {name} {apart:.4f} from float, {wanted.int8_within:g} is allowed")
    if wanted.int8_within_share is not None and not share <= wanted.int8_within_share:
        told.append(f"int8 {name} {share:.1%} from float, {wanted.int8_within_share:.0%} is allowed")
    for more, least in wanted.more.items():
        if not ints[more] >= least:
            told.append(f"int8 {more} {ints[more]:.4f}, at least {least:g} is wanted")
    if wanted.like_linear is not None and linear is not None and not floats["r2"] >= linear - wanted.like_linear:
        told.append(f"float r2 {floats['r2']:.4f}, a linear model has {linear:.4f}")
    if wanted.bytes_at_most is not None and made.bytes > wanted.bytes_at_most:
        told.append(f"{made.bytes:,} bytes, at most {wanted.bytes_at_most:,} are wanted")
    if wanted.input is not None and made.found != wanted.input:
        told.append(f"input found as {made.found!r}, {wanted.input!r} is wanted")
    return told


def table(made: Mapping[str, Made | str]) -> Iterator[str]:
    """The Markdown table; a text in place of what a row made is why there is nothing."""
    head = (
        "data", "task", "model", "float", "int8", "int8 - float [95 %]", "trivial", "bytes", "us",
    )  # fmt: skip
    lines = []
    for name, found in made.items():
        row = ROWS[name]
        if isinstance(found, str):
            lines.append((row.data, row.task, row.model, found, "", "", "", "", ""))
            continue
        also = {key: found.int8_more[key] for key in _TOLD if key in found.int8_more and key in found.float_more}
        floats = [f"{found.metric} {found.float_value:.4g}", *(f"{key} {found.float_more[key]:.4g}" for key in also)]
        ints = [f"{found.int8_value:.4g}", *(f"{value:.4g}" for value in also.values())]
        interval = ""
        if found.difference is not None:
            interval = f"{found.difference:+.3g} {found.unit}".strip()
            if found.interval is not None:
                interval += " [{:+.3g}, {:+.3g}]".format(*found.interval)
        trivial = "" if found.trivial is None else f"{found.trivial:.4g}"
        lines.append(
            (
                row.data, row.task, row.model, ", ".join(floats), ", ".join(ints), interval, trivial,
                f"{found.bytes:,}", f"{found.microseconds:.1f}",
            )
        )  # fmt: skip
    yield from markdown_table(head, lines, columns="lllrrrrrr")


def _make(name: str, work: Path, data: Path, preset: str) -> Made | str:
    """Run a row's commands, or read what they left; a text where there is nothing."""
    row, folder, tables = ROWS[name], work / name, work / "tables"
    absent = [file for file in row.files if not (data / file).exists()]
    if absent:
        return f"no {', '.join(absent)} in EDGEPRESS_DATA_DIR"
    tables.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    lines = commands(row, {"data": str(data), "work": str(folder), "tables": str(tables)}, preset)
    fingerprint = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    kept = folder / _RESULT
    if kept.exists():
        result = json.loads(kept.read_text())
        if result["commands"] == fingerprint:
            return Made(**result["made"])
    if row.prepare is not None:
        row.prepare(tables)
    if lines[0][0] == "export":
        shutil.rmtree(folder / "run", ignore_errors=True)
    elif _is_another_press(folder / "run", preset):
        lines[0].append("--overwrite")
    for line in lines:
        _log.info("tasks: edgepress %s", shlex.join(line))
        done = subprocess.run(
            [sys.executable, "-c", _START, *line], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        (folder / f"{line[0]}.log").write_text(done.stderr)
        # Status 1: a file was withheld, and the others are there with their report.
        if done.returncode not in (0, 1) or "Traceback" in done.stderr:
            return f"failed: {done.stderr.strip().splitlines()[-1]}"
    try:
        made = made_of(folder / "run/bundle")
    except (EdgepressError, OSError) as error:
        return _why_withheld(folder) or f"failed: {error}"
    write_file(kept, json.dumps({"commands": fingerprint, "made": made._asdict()}, indent=2) + "\n")
    return made


def _is_another_press(run: Path, preset: str) -> bool:
    """Whether the folder holds a press that is not the one to go on with."""
    try:
        plan = json.loads((run / "run.json").read_text())
    except (OSError, ValueError):
        return run.exists()
    return bool(plan.get("finished")) or plan["preset"] != preset


def _why_withheld(folder: Path) -> str:
    """What the commands said of the int8 file."""
    said = [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    return next((line for line in said if "int8.tflite" in line and "withheld" in line), "")


def _linear_r2(row: Row, tables: Path) -> float:
    """R2 on the test rows of least squares on the training rows."""
    from edgepress.data import load_dataset

    file, label = row.arguments[1].format(tables=tables), row.arguments[3]
    dataset = load_dataset(file, label=label)
    ones = [np.ones((len(part), 1)) for part in (dataset.train, dataset.test)]
    fitted, asked = (np.hstack([x, one]) for x, one in zip((dataset.x_train, dataset.x_test), ones, strict=True))
    weights = np.linalg.lstsq(fitted, dataset.y_train, rcond=None)[0]
    errors, spread = dataset.y_test - asked @ weights, dataset.y_test - dataset.y_test.mean(axis=0)
    return float(1 - np.square(errors).sum() / np.square(spread).sum())


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        raise InputError(f"rows {', '.join(unknown)}: allowed are {', '.join(ROWS)}")
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="some of them, separated by commas")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--work", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `tasks`")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = Path(os.environ.get("EDGEPRESS_DATA_DIR", "."))
    made: dict[str, Made | str] = {}
    wrong = []
    for name in _names(options.rows):
        found: Any = _make(name, options.work, data, options.preset)
        made[name] = found
        linear = None
        if isinstance(found, Made):
            if ROWS[name].wanted.like_linear is not None:
                linear = _linear_r2(ROWS[name], options.work / "tables")
            wrong += [f"{name}: {what}" for what in missed(ROWS[name].wanted, found, linear)]
        elif not found.startswith("no "):
            wrong.append(f"{name}: {found}")
    text = "\n".join(table(made))
    command = f"python -m edgepress.benchmarks.studies.tasks --preset {options.preset}"
    print(text)
    for page in options.pages:
        insert_figures(page, "tasks", f"{text}\n\nWritten by `{command}`.")
    for line in wrong:
        print(f"tasks: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
