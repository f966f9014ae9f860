"""A process that holds one model and measures it when it is told to.

Started by its path, not as a module, so that nothing is imported before the clock of the cold start runs. Orders come
as JSON lines on standard input, answers go as JSON lines to the standard output that the process was started with;
whatever the backends print lands on standard error.
"""

import gc
import importlib.util
import json
import os
import sys
import time
from typing import Any

STARTED_NS = time.monotonic_ns()


def _beside(name: str) -> Any:
    """A module of this folder, without the packages around it."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"edgepress_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


opened = _beside("opened")


_CHUNK, _CHUNK_BYTES = 1_000, 1 << 26
"""Examples that are answered at once, and how much memory their real numbers may take."""


class _Server:
    """Carries out the orders, one method each."""

    def open(self, order: dict[str, Any]) -> dict[str, Any]:
        """Import, load and answer once; the three parts of a cold start after Python's own. Without examples: load, and
        tell what the file says about itself."""
        self._subject = (opened.Keras if order["kind"] == "keras" else opened.Artifact)(order)
        marks = [time.monotonic_ns()]
        self._subject.import_packages()
        marks.append(time.monotonic_ns())
        self._subject.load()
        if order["examples"] is None:
            return {"described": self._subject.describe()}
        self._subject.asked = opened.Asked(order["asked"])
        marks.append(time.monotonic_ns())
        self._examples = opened.Examples.read(order["examples"])
        self._one = self._subject.tensor(self._first())
        before_first = time.monotonic_ns()
        self._subject.run(self._one)
        first = time.monotonic_ns() - before_first
        names = ("import", "load")
        cold = {name: (marks[i + 1] - marks[i]) / 1000 for i, name in enumerate(names)}
        return {
            "cold_start_us": {"python": (STARTED_NS - order["spawned_ns"]) / 1000, **cold, "first": first / 1000},
            "peak_bytes": _memory("VmHWM"),
        }

    def _first(self) -> Any:
        """One example; of a model with a fixed batch as many as it takes."""
        import numpy

        return self._examples.part(numpy.arange(self._subject.largest_batch or 1) % len(self._examples))

    def latency(self, order: dict[str, Any]) -> dict[str, Any]:
        """Time `count` single examples one by one after `warmup` untimed ones; nanoseconds each."""
        call: Any = self._subject.run
        argument = self._one
        if order["what"] == "predict":
            call, argument = self._subject.predict, self._subject.argument(self._examples.part(slice(1)))
        _time(call, argument, order["warmup"])
        return {"ns": _time(call, argument, order["count"])}

    def batch(self, order: dict[str, Any]) -> dict[str, Any]:
        """Time `count` batches of `size` examples; nanoseconds each. A fixed-batch model runs them in its own steps."""
        import numpy

        size = order["size"]
        step = self._subject.largest_batch or size
        places = numpy.arange(-(-size // step) * step) % len(self._examples)
        parts = [self._subject.tensor(self._examples.part(places[i : i + step])) for i in range(0, size, step)]

        def run_all(parts: Any) -> None:
            for part in parts:
                self._subject.run(part)

        _time(run_all, parts, 1)
        return {"ns": _time(run_all, parts, order["count"])}

    def work(self, order: dict[str, Any]) -> dict[str, Any]:
        """Answer single examples for as long as asked; how many."""
        end, count = time.monotonic() + order["seconds"], 0
        while time.monotonic() < end:
            for _ in range(10):
                self._subject.run(self._one)
            count += 10
        return {"images": count}

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Answers to a file of examples: a file each output, by its name. `asked` feeds the model otherwise."""
        import numpy

        if "asked" in order:
            self._subject.asked = opened.Asked(order["asked"])
        examples = opened.Examples.read(order["examples"])
        each = sum(values[:1].size for values in examples.inputs.values()) * 4
        step = max(1, min(_CHUNK, _CHUNK_BYTES // max(each, 1)))
        written: dict[str, Any] = {}
        for start in range(0, len(examples), step):
            part = opened.answers_of(self._subject, examples.part(slice(start, start + step)))
            for name, values in part.items():
                if name not in written:
                    # Answers about many classes are larger than the memory of a device.
                    shape, path = (len(examples), *values.shape[1:]), f"{order['out']}-{len(written)}.npy"
                    written[name] = numpy.lib.format.open_memmap(path, mode="w+", dtype=values.dtype, shape=shape)
                written[name][start : start + len(values)] = values
        files = {name: values.filename for name, values in written.items()}
        for values in written.values():
            values.flush()
        return {"files": files}

    def mlperf(self, order: dict[str, Any]) -> dict[str, Any]:
        """Let MLPerf's load generator drive `predict`; truth is an .npy file or None."""
        import numpy

        from edgepress.benchmarks.measure.loadgen import drive

        truth = None if order["truth"] is None else numpy.load(order["truth"])
        (name,) = self._examples.inputs
        reals, images = self._examples.reals, self._examples.own

        def classes(x: Any) -> Any:
            said = self._subject.predict(self._subject.argument(opened.Examples({name: x}, reals)))
            said = getattr(said, "indices", said)
            if isinstance(said, numpy.ndarray):
                return said if said.ndim == 1 else said.argmax(axis=1)
            # What names no class has no accuracy either: it was answered, that is all.
            return numpy.zeros(len(x), numpy.int64)

        return {"scenarios": drive(classes, images, truth, seconds=order["seconds"])}

    def layers(self, order: dict[str, Any]) -> dict[str, Any]:
        """Each layer's error against the float32 file of the same model, on the first images."""
        from dataclasses import asdict
        from pathlib import Path

        from edgepress.export import compare_layers

        reals = self._subject.reals(self._examples.part(slice(order["count"])))
        quantized, floating = (Path(order["bundle"]) / order[key] for key in ("file", "float32"))
        return {"layers": [asdict(error) for error in compare_layers(quantized, floating, reals)]}

    def cost(self, order: dict[str, Any]) -> dict[str, Any]:
        """What the timing loop itself costs around a function that does nothing; nanoseconds each."""
        return {"ns": _time(lambda _: None, self._one, order["count"])}

    def memory(self, order: dict[str, Any]) -> dict[str, Any]:
        """Peak and present resident memory of this process."""
        # The present one is read first: a page more between the readings must not put it above the peak.
        return {"steady_bytes": _memory("VmRSS"), "peak_bytes": _memory("VmHWM")}


def _time(call: Any, argument: Any, count: int) -> list[int]:
    """Call `count` times; nanoseconds of each call."""
    clock = time.perf_counter_ns
    times = [0] * count
    for i in range(count):
        start = clock()
        call(argument)
        times[i] = clock() - start
    return times


def _memory(field: str) -> int | None:
    """A line of /proc/self/status in bytes; None where the system has no such file."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = _Server()
    # A collection amid TensorFlow's objects takes half a second; nothing here makes cycles that would matter.
    gc.disable()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = getattr(server, order["do"])(order)
        except Exception as error:
            answer = {"error": str(error), "type": type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    # Nothing is left to save, and TensorFlow takes seconds to take itself apart.
    os._exit(0)


if __name__ == "__main__":
    main()
