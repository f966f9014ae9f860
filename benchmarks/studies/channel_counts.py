"""What an int8 convolution's time depends on: channels in the steps in which processors compute, not single ones.

    python -m edgepress.benchmarks.studies.channel_counts --pages docs/compress-engine.md

ResNet8s of other widths, with random weights, are quantized and measured in LiteRT in alternating rounds, one thread.
Two laws are fitted to their times, each a constant and a rate: multiply-adds as they are, and as if every convolution
read a multiple of 8 channels and made a multiple of 16. About two minutes, on a machine that does nothing else.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.base.tables import markdown_table
from edgepress.export.samples import Samples
from edgepress.export.source import Source
from edgepress.export.tflite.convert import to_integers

from .page.study import conclude

_WHOLE = (16, 16, 32, 32, 64, 64)
_WIDTHS = (
    _WHOLE, (12, 12, 24, 24, 48, 48), (12, 12, 20, 20, 44, 44), (11, 11, 22, 22, 44, 44), (12, 8, 24, 20, 48, 32),
    (8, 8, 24, 24, 48, 48), (8, 8, 32, 32, 64, 48), (8, 8, 32, 16, 64, 48), (16, 8, 24, 16, 48, 32),
    (16, 8, 32, 16, 64, 32), (16, 8, 32, 16, 48, 16), (16, 8, 16, 16, 48, 48), (16, 16, 16, 16, 32, 32),
)  # fmt: skip
"""Channels of each of three blocks, and those inside it."""
_ROUNDS, _CALLS = 150, 20


class _Convolution(NamedTuple):
    places: int
    kernel: int
    reads: int
    makes: int

    def cost(self, read: int = 1, made: int = 1) -> float:
        """Millions of multiply-adds, in whole multiples of so many channels."""
        return self.places * self.kernel * -(-self.reads // read) * read * -(-self.makes // made) * made / 1e6


def _convolutions(widths: Sequence[int]) -> list[_Convolution]:
    a, b, c, d, e, f = widths
    return [_Convolution(*sizes) for sizes in (
        (1024, 9, 3, a), (1024, 9, a, b), (1024, 9, b, a), (256, 9, a, d), (256, 9, d, c), (256, 1, a, c),
        (64, 9, c, f), (64, 9, f, e), (64, 1, c, e),
    )]  # fmt: skip


def _model(widths: Sequence[int]) -> Any:
    keras = require("tf_keras", extra="toolkit")
    layers = keras.layers

    def line(x: Any, count: int, size: int, stride: int = 1, activation: str = "relu") -> Any:
        return layers.Conv2D(count, size, strides=stride, padding="same", activation=activation)(x)

    image = keras.Input((32, 32, 3), name="image")
    x = line(image, widths[0], 3)
    for block, (outer, inner) in enumerate(zip(widths[::2], widths[1::2], strict=True)):
        stride = 2 if block else 1
        y = line(line(x, inner, 3, stride), outer, 3, activation="linear")
        x = layers.ReLU()(layers.Add()([y, line(x, outer, 1, stride, "linear") if block else x]))
    return keras.Model(image, layers.Dense(10)(layers.Flatten()(layers.AveragePooling2D(8)(x))))


def _times(files: Sequence[bytes]) -> NDArray[np.float64]:
    """Shortest round of each file, in microseconds a call."""
    lite = require("tensorflow", extra="toolkit").lite
    interpreters = [lite.Interpreter(model_content=content, num_threads=1) for content in files]
    for interpreter in interpreters:
        interpreter.allocate_tensors()
    rounds = np.zeros((_ROUNDS, len(files)))
    for turn in rounds:
        for place, interpreter in enumerate(interpreters):
            start = time.perf_counter()
            for _ in range(_CALLS):
                interpreter.invoke()
            turn[place] = (time.perf_counter() - start) / _CALLS * 1e6
    shortest: NDArray[np.float64] = rounds.min(axis=0)
    return shortest


def _fitted(costs: Sequence[float], times: NDArray[np.float64]) -> NDArray[np.float64]:
    terms = np.stack([np.ones(len(costs)), costs], axis=1)
    found: NDArray[np.float64] = terms @ np.linalg.lstsq(terms, times, rcond=None)[0]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, fit, write the pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="with a block for `channel-counts`")
    options = parser.parse_args(arguments)
    samples = Samples({"image": np.random.default_rng(0).random((20, 32, 32, 3)).astype(np.float32)}, None)
    files = [to_integers(Source("model", Path(), "", _model(widths), None), samples) for widths in _WIDTHS]
    times = _times(files)
    plain = [sum(each.cost() for each in _convolutions(widths)) for widths in _WIDTHS]
    filled = [sum(each.cost(8, 16) for each in _convolutions(widths)) for widths in _WIDTHS]
    laws = [_fitted(costs, times) for costs in (plain, filled)]
    rows = [
        (", ".join(map(str, widths)), f"{cost / plain[0]:.2f}", f"{taken / times[0]:.2f}",
         *(f"{law[place] / times[0]:.2f}" for law in laws))
        for place, (widths, cost, taken) in enumerate(zip(_WIDTHS, plain, times, strict=True))
    ]  # fmt: skip
    heads = ["channels of ResNet8's blocks", "multiply-adds, x", "time, x", "by multiply-adds", "by filled registers"]
    off = [100 * float(np.sqrt(np.mean(np.square(law / times - 1)))) for law in laws]
    told = f"The first law is off by {off[0]:.0f} % (root mean square), the second by {off[1]:.0f} %."
    text = "\n".join([*markdown_table(heads, rows, columns="lrrrr"), "", told])
    return conclude("channel-counts", text, "python -m edgepress.benchmarks.studies.channel_counts", options.pages, [])


if __name__ == "__main__":
    sys.exit(main())
