"""Our int8 ONNX file against what ONNX Runtime's own quantizer makes of the same float model, in all its settings.

    python -m edgepress.benchmarks.studies.onnx_int8 --pages docs/export.md

Four networks with random weights and activations that live: MLPerf Tiny's ResNet8, MobileNetV1 0.25, MobileNetV2 0.5,
and a DS-CNN for keyword spotting. Each is made in a process of its own, once, below --work; then one example at a time
goes through all its files, with one thread, in turn round by round. Figures are medians of rounds; the ratio to
the best of the quantizer's settings, and to float32, is taken within each round. `--rows ds-cnn --rounds 3` is a small
version. A study that was killed goes on. Exit status 1: a file of ours takes more than 1.05 times the best setting's
time. Some minutes, on a machine that does nothing else.
"""

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.child import run_module
from edgepress.base.extras import require
from edgepress.base.files import write_file
from edgepress.base.tables import markdown_table

from .models.rows import CLASSES, ROWS, settle
from .page.study import chosen, conclude

__all__ = ["NETWORKS", "SETTINGS", "measure", "table"]

_BOUND = 1.05
_CALIBRATION, _TUNING = 64, 32
"""Examples of noise that ranges are measured on, and those that set BatchNormalization."""
_REPEATS = 100
"""Runs of a file in a round."""
_OURS, _FLOAT = "edgepress", "float32"


@dataclass(frozen=True)
class _Setting:
    """Arguments of `quantize_static`, by the names of its enumerations."""

    activations: str
    weights: str
    per_channel: bool = False
    format: str = "QDQ"


SETTINGS = {
    "U8S8": _Setting("QUInt8", "QInt8"),
    "U8S8 per channel": _Setting("QUInt8", "QInt8", per_channel=True),
    "S8S8": _Setting("QInt8", "QInt8"),
    "S8S8 per channel": _Setting("QInt8", "QInt8", per_channel=True),
    "U8U8": _Setting("QUInt8", "QUInt8"),
    "U8S8, QOperator": _Setting("QUInt8", "QInt8", format="QOperator"),
}
"""Of ONNX Runtime's static quantizer, by name. QOperator per channel is left out: it takes ten times as long."""


def _resnet8(keras: Any) -> Any:
    layers = keras.layers

    def normed(x: Any, filters: int, size: int, steps: int = 1) -> Any:
        return layers.BatchNormalization()(layers.Conv2D(filters, size, strides=steps, padding="same")(x))

    given = keras.Input((32, 32, 3))
    x = layers.ReLU()(normed(given, 16, 3))
    for filters, steps in ((16, 1), (32, 2), (64, 2)):
        inner = normed(layers.ReLU()(normed(x, filters, 3, steps)), filters, 3)
        x = layers.Conv2D(filters, 1, strides=steps, padding="same")(x) if steps > 1 else x
        x = layers.ReLU()(layers.Add()([x, inner]))
    return keras.Model(given, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def _ds_cnn(keras: Any) -> Any:
    layers = keras.layers
    given = keras.Input((49, 10, 1))
    x = layers.Conv2D(64, (10, 4), strides=2, padding="same")(given)
    for _ in range(4):
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.Conv2D(64, 1, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model(given, layers.Dense(12)(x))


def _mobile(name: str, alpha: float) -> Callable[[Any], Any]:
    def made(keras: Any) -> Any:
        build = getattr(keras.applications, ROWS[name].name)
        return build(
            weights=None, classes=CLASSES, classifier_activation=None, input_shape=(96, 96, 3), alpha=alpha
        )  # fmt: skip

    return made


@dataclass(frozen=True)
class _Network:
    title: str
    build: Callable[[Any], Any]


NETWORKS = {
    "ds-cnn": _Network("DS-CNN, 49 x 10", _ds_cnn),
    "resnet8": _Network("ResNet8, 32 px", _resnet8),
    "mobilenetv1": _Network("MobileNetV1 0.25, 96 px", _mobile("MobileNet", 0.25)),
    "mobilenetv2": _Network("MobileNetV2 0.5, 96 px", _mobile("MobileNetV2", 0.5)),
}
"""By name, the quickest first."""


def _noise(shape: Sequence[int], count: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((count, *shape), np.float32) * 2 - 1


def _make(name: str, folder: Path) -> None:
    """Write a network's files: `float32.onnx`, `edgepress.onnx` and one a setting."""
    from edgepress.export.convert import Converter
    from edgepress.export.samples import Samples
    from edgepress.export.source import open_source
    from edgepress.export.variants import VARIANTS
    from edgepress.runtime.bundle.embedded import Embedded
    from edgepress.runtime.contract import Contract, Tensor
    from edgepress.runtime.tasks import Task

    keras = require("keras", extra="toolkit")
    keras.utils.set_random_seed(0)
    model = NETWORKS[name].build(keras)
    shape = model.input_shape[1:]
    settle(model, _noise(shape, _TUNING, seed=1))
    model.save(folder / "model.keras")
    source = open_source("model", folder / "model.keras")
    (named,) = source.model.input_names
    calibration = Samples({named: _noise(shape, _CALIBRATION, seed=2)}, None)
    labels = tuple(map(str, range(model.output_shape[-1])))
    embedded = Embedded(Contract({named: Tensor(shape)}), Task("raw", "raw", labels))
    wanted = [VARIANTS["onnx:float32"], VARIANTS["onnx:int8"]]
    converter = Converter(source, calibration, calibration, embedded, wanted)
    for variant, file in zip(wanted, (_FLOAT, _OURS), strict=True):
        converter.write(variant, folder).rename(folder / f"{file}.onnx")
    for place, setting in enumerate(SETTINGS.values()):
        _quantize(folder / f"{_FLOAT}.onnx", folder / f"ort-{place}.onnx", setting, named, calibration.first)
    write_file(folder / "made", "")


def _quantize(source: Path, out: Path, setting: _Setting, name: str, examples: NDArray[np.float32]) -> None:
    quantization = require("onnxruntime.quantization", extra="toolkit")
    prepare = require("onnxruntime.quantization.shape_inference", extra="toolkit").quant_pre_process

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self._rest = iter(examples)

        def get_next(self) -> Any:
            example = next(self._rest, None)
            return None if example is None else {name: example[None]}

    ready = out.with_suffix(".ready")
    # Its symbolic shapes want a package that ONNX Runtime does not install.
    prepare(str(source), str(ready), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(ready), str(out), Reader(), per_channel=setting.per_channel,
        quant_format=quantization.QuantFormat[setting.format],
        activation_type=quantization.QuantType[setting.activations],
        weight_type=quantization.QuantType[setting.weights],
    )  # fmt: skip


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Microseconds of one example, the median of each round, by file: ours, float32, and each setting of the
    quantizer. Every round takes every file in turn, in the runtime's own session."""
    from edgepress.runtime.backends.onnx_runtime import OnnxSession
    from edgepress.runtime.formats.content import Content

    files = {_FLOAT: _FLOAT, _OURS: _OURS} | {name: f"ort-{place}" for place, name in enumerate(SETTINGS)}
    ways: dict[str, Callable[[], Any]] = {}
    for name, file in files.items():
        session = OnnxSession(file, Content((folder / f"{file}.onnx").read_bytes(), "onnx"), 1, delegate=True)
        (given,) = session.inputs
        ways[name] = functools.partial(session.run, [_noise(given.shape[1:], 1, seed=3)])
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times = []
            for _ in range(_REPEATS):
                start = time.perf_counter_ns()
                way()
                times.append(time.perf_counter_ns() - start)
            found[name].append(float(np.median(times)) / 1e3)
    return found


def _best(times: Mapping[str, Sequence[float]]) -> str:
    return min(SETTINGS, key=lambda name: float(np.median(times[name])))


def _ratio(times: Mapping[str, Sequence[float]], to: str) -> float:
    """Of our file, round by round: a machine that changes its speed changes both."""
    return float(np.median(np.divide(times[_OURS], times[to])))


def table(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """A line a network."""
    lines = []
    for name, times in measured.items():
        best = _best(times)
        figures = [f"{float(np.median(times[each])):,.0f}" for each in (_FLOAT, _OURS, best)]
        ratios = [f"{_ratio(times, to):.2f}" for to in (best, _FLOAT)]
        lines.append([NETWORKS[name].title, *figures[:2], best, figures[2], *ratios])
    head = ("network", "float32 us", "our int8 us", "best setting", "its us", "ours / best", "ours / float32")
    text = markdown_table(head, lines, columns="lrrlrrr")
    return [*text, "", f"One example, one thread, onnxruntime. Settings of its quantizer: {', '.join(SETTINGS)}."]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the files, measure them, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(NETWORKS), help="some of them, separated by commas")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("runs/onnx-int8"))
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="Markdown files with a block for `onnx-int8`")
    options = parser.parse_args(arguments)
    measured: dict[str, dict[str, list[float]]] = {}
    for name in chosen(parser, options.rows, NETWORKS, "rows"):
        folder = options.work / name
        folder.mkdir(parents=True, exist_ok=True)
        result = folder / f"measured-{options.rounds}.json"
        if not (folder / "made").exists():
            ended = run_module(__spec__.name if __spec__ else __name__, "--make", name, str(folder), seconds=600)
            if not ended.ok:
                print(f"onnx-int8: {name}: {ended.reason}", file=sys.stderr)
                return 1
        if not result.exists():
            write_file(result, json.dumps(measure(folder, options.rounds)) + "\n")
        measured[name] = json.loads(result.read_text())
    slow = {name: ratio for name, times in measured.items() if (ratio := _ratio(times, _best(times))) > _BOUND}
    wrong = [f"{name}: ours takes {ratio:.2f} times the best setting's time" for name, ratio in slow.items()]
    asked = "" if options.rows == ",".join(NETWORKS) else f" --rows {options.rows}"
    asked += "" if options.rounds == parser.get_default("rounds") else f" --rounds {options.rounds}"
    command = f"python -m edgepress.benchmarks.studies.onnx_int8{asked}"
    return conclude("onnx-int8", "\n".join(table(measured)), command, options.pages, wrong)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        _make(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
