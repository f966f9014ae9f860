"""From a fresh process to the first prediction: edgepress, the bare backend, TensorFlow's own interpreter.

    python -m edgepress.benchmarks.studies.cold_start bundle --processes 30

Fresh processes, interleaved, after one of each that is thrown away (it fills the caches). Every process loads the
bundle's int8 `.tflite` and classifies one image; its wall time and peak memory are taken from outside. Bounds:
edgepress at most 1.15 x the bare backend, at least 20 x faster than TensorFlow, at most a tenth of its memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edgepress.runtime import load

__all__ = ["measure_cold_start"]

_EDGEPRESS = """
import sys
import numpy as np
from edgepress.runtime import load
prediction = load(sys.argv[1], backend="litert").predict(np.zeros((28, 28), np.uint8))
prediction.labels, prediction.probabilities
"""
_BARE = """
import sys
import numpy as np
{import_line}
interpreter = Interpreter(sys.argv[2], num_threads=1)
interpreter.allocate_tensors()
source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
interpreter.set_tensor(source["index"], np.zeros(source["shape"], source["dtype"]))
interpreter.invoke()
interpreter.get_tensor(target["index"])
"""
_PROGRAMS = {
    "edgepress": _EDGEPRESS,
    "bare litert": _BARE.format(import_line="from ai_edge_litert.interpreter import Interpreter"),
    "tensorflow": _BARE.format(import_line="import tensorflow as tf; Interpreter = tf.lite.Interpreter"),
}


def _one(program: str, bundle: Path, file: Path) -> tuple[float, float]:
    """Seconds and peak MB of one process."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program, str(bundle), str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"a process ended with status {process.returncode}: {program.splitlines()[3]}")
    return seconds, usage.ru_maxrss / 1000


def measure_cold_start(bundle: Path, processes: int = 30, tensorflow: int = 5) -> dict[str, Any]:
    """Median seconds and peak MB of each way, and their ratios."""
    with load(bundle, backend="litert") as model:
        file = bundle / model.artifact.file
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in _PROGRAMS}
    for number in range(processes + 1):
        for name, program in _PROGRAMS.items():
            if name == "tensorflow" and number > tensorflow:
                continue
            taken = _one(program, bundle, file)
            if number:
                found[name].append(taken)
    medians = {
        name: {
            "seconds": statistics.median(seconds for seconds, _ in values),
            "peak_mb": statistics.median(peak for _, peak in values),
            "processes": len(values),
        }
        for name, values in found.items()
    }
    own = medians["edgepress"]
    return {
        "ways": medians,
        "to_bare": own["seconds"] / medians["bare litert"]["seconds"],
        "faster_than_tensorflow": medians["tensorflow"]["seconds"] / own["seconds"],
        "memory_of_tensorflow": own["peak_mb"] / medians["tensorflow"]["peak_mb"],
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--processes", type=int, default=30)
    parser.add_argument("--tensorflow", type=int, default=5, help="processes with TensorFlow, which take seconds each")
    options = parser.parse_args()
    print(json.dumps(measure_cold_start(options.bundle, options.processes, options.tensorflow), indent=2))


if __name__ == "__main__":
    _main()
