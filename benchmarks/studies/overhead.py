"""What the runtime costs beside the backend's own time.

    python -m edgepress.benchmarks.studies.overhead bundle

On the bundle's int8 `.tflite`, interleaved in one process: the bare LiteRT loop (set, invoke, get), `run`, and
`predict` with labels and probabilities; then batches, `run` and `predict` against the bare loop at its best chunk size.
Ratios round by round; bounds: run 1.10, predict 2.0, batches at least 0.95 of the bare backend's rate.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgepress.base.extras import require
from edgepress.runtime import load

__all__ = ["measure_overhead"]

_CHUNKS = (16, 32, 64, 128, 256, 512)


def _bare(path: Path, chunk: int) -> tuple[Any, int, int]:
    interpreter = require("ai_edge_litert.interpreter", extra="litert").Interpreter(str(path), num_threads=1)
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], [chunk, *source["shape"][1:]])
    interpreter.allocate_tensors()
    return interpreter, source["index"], target["index"]


def _interleaved(ways: dict[str, Callable[[], Any]], rounds: int, repeats: int) -> dict[str, NDArray[np.float64]]:
    """Nanoseconds of each way, the median of each round; every round takes every way in turn."""
    medians = {name: np.empty(rounds) for name in ways}
    times = np.empty(repeats)
    for number in range(rounds):
        for name, way in ways.items():
            for repeat in range(repeats):
                start = time.perf_counter_ns()
                way()
                times[repeat] = time.perf_counter_ns() - start
            medians[name][number] = np.median(times)
    return medians


def _ratio(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, float]:
    """Of two ways, round by round: a machine that changes its speed changes both."""
    low, middle, high = np.percentile(ours / theirs, (25, 50, 75))
    return {"median": round(middle, 3), "quarter_below": round(low, 3), "quarter_above": round(high, 3)}


def measure_overhead(bundle: Path, *, rounds: int = 300, batch: int = 4_096) -> dict[str, Any]:
    """Ratios to the bare backend, with the medians that they come from.

    Args:
        bundle: A bundle with an int8 `.tflite`.
        rounds: How often every way takes its turn.
        batch: Images of the batch that is compared.

    Returns:
        `one_us` and `batch_us` (an image, the median) by way, and of the rounds' ratios the median and the quartiles:
        `run_ratio`, `predict_ratio` (times), `batch_run_rate` and `batch_predict_rate` (rates, 1 is the bare
        backend's).
    """
    with load(bundle, backend="litert") as model:
        contract = model.preprocessing
        assert contract is not None
        images = np.random.default_rng(0).integers(0, 256, (batch, *contract.shape), np.uint8)
        quantization = model.artifact.inputs[0].quantization
        assert quantization is not None
        x = quantization.quantize(contract.normalize(images)).reshape(batch, *model.artifact.inputs[0].shape[1:])
        path = bundle / model.artifact.file
        interpreter, source, target = _bare(path, 1)
        one, row = images[0], x[:1]

        def bare() -> Any:
            interpreter.set_tensor(source, row)
            interpreter.invoke()
            return interpreter.get_tensor(target)

        def predict() -> Any:
            prediction = model.predict(one)
            return prediction.labels, prediction.probabilities

        assert np.array_equal(bare(), model.run(row))
        single = _interleaved({"bare": bare, "run": lambda: model.run(row), "predict": predict}, rounds, 200)
        ways: dict[str, Callable[[], Any]] = {}
        for chunk in _CHUNKS:
            ways[f"bare {chunk}"] = _bare_batches(*_bare(path, chunk), x, chunk)
        ways |= {"run": lambda: model.run(x), "predict": lambda: model.predict(images)}
        many = _interleaved(ways, max(3, rounds // 5), 1)
    best = min((name for name in many if name.startswith("bare")), key=lambda name: float(np.median(many[name])))
    return {
        "artifact": path.name,
        "one_us": {name: round(float(np.median(values)) / 1e3, 3) for name, values in single.items()},
        "batch_us": {name: round(float(np.median(values)) / 1e3 / batch, 3) for name, values in many.items()},
        "run_ratio": _ratio(single["run"], single["bare"]),
        "predict_ratio": _ratio(single["predict"], single["bare"]),
        "batch_run_rate": _ratio(many[best], many["run"]),
        "batch_predict_rate": _ratio(many[best], many["predict"]),
    }


def _bare_batches(interpreter: Any, source: int, target: int, x: NDArray[np.int8], chunk: int) -> Callable[[], None]:
    def way() -> None:
        for start in range(0, len(x), chunk):
            interpreter.set_tensor(source, x[start : start + chunk])
            interpreter.invoke()
            interpreter.get_tensor(target)

    return way


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    print(json.dumps(measure_overhead(options.bundle, rounds=options.rounds), indent=2))


if __name__ == "__main__":
    _main()
