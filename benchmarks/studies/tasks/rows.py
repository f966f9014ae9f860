"""The rows of the study: what is pressed or exported, with what, and what it must show."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.runtime import InputError

__all__ = ["ROWS", "Row", "Wanted", "commands", "measuring"]


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
    frequency, between -60 and 10 dB. Every second one of the test part hums: half of its bands are 20 dB louder. The
    machine sounds that the model was fitted to are not at hand: what such frames can show is whether int8 tells them
    apart as float does."""
    count, fitted, loud = 2000, 1600, 64
    rng = np.random.default_rng(0)
    spectra = np.cumsum(rng.normal(0, 2, (count, 5, 128)), axis=2) + rng.normal(0, 2, (count, 1, 128)) - 25
    hums = np.zeros(count, np.int64)
    hums[fitted::2] = 1
    for row in np.flatnonzero(hums):
        first = rng.integers(0, 128 - loud)
        spectra[row, :, first : first + loud] += 20
    frames = np.clip(spectra, -60, 10).reshape(count, 640).astype(np.float32)
    known, asked = slice(fitted), slice(fitted, None)
    file = folder / "frames.npz"
    np.savez(file, x_train=frames[known], y_train=hums[known], x_test=frames[asked], y_test=hums[asked])


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
        "log-mel frames, drawn", "anomaly, features", "MLPerf Tiny's autoencoder",
        (
            "export", "{data}/models/toycar-autoencoder.h5", "--data", "{tables}/frames.npz", "--task", "anomaly",
            "--normal", "0",
        ),
        Wanted(int8_within=0.01), ("models/toycar-autoencoder.h5",), _frames,
    ),
}  # fmt: skip
"""By name, in the order of the table."""


def commands(row: Row, places: Mapping[str, str], preset: str) -> list[list[str]]:
    """The row's command lines."""
    arguments, run = _filled(row, places)
    if arguments[0] != "export":
        return [["press", *arguments, "--preset", preset, "--out", run, "--json"]]
    model, options = arguments[1], arguments[2:]
    export = ["export", f"float={model}", *options, "--out", f"{run}/bundle", "--overwrite"]
    return [export, measuring(row, places, preset)]


def measuring(row: Row, places: Mapping[str, str], preset: str) -> list[str]:
    """The command line that measures what the row has made."""
    arguments, run = _filled(row, places)
    exported = arguments[0] == "export"
    model, options = (arguments[1], arguments[2:]) if exported else (f"{run}/float.keras", arguments)
    report = ["--preset", preset, "--out", f"{run}/bundle/report", "--json"]
    return ["benchmark", f"{run}/bundle", *options, "--float-model", model, *report]


def _filled(row: Row, places: Mapping[str, str]) -> tuple[list[str], str]:
    """The row's arguments, and its run folder."""
    return [argument.format(**places) for argument in row.arguments], f"{places['work']}/run"
