"""A process that holds one model and measures it when it is told to.

Started by its path, not as a module, so that nothing is imported before the clock of the cold start runs. Orders come
as JSON lines on standard input, answers go as JSON lines to the standard output that the process was started with;
whatever the backends print lands on standard error.
"""

import gc
import json
import os
import sys
import time
from typing import Any

STARTED_NS = time.monotonic_ns()


class _Artifact:
    """A bundle's artifact in the edgepress runtime."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    def import_packages(self) -> None:
        import importlib

        importlib.import_module(self._order["module"])

    def load(self) -> None:
        from edgepress.runtime import Manifest, load

        bundle, file = self._order["bundle"], self._order["file"]
        self._manifest = Manifest.read(bundle)
        self._spec = self._manifest.artifact(file).inputs[0]
        self._model = load(
            os.path.join(bundle, file),
            backend=self._order["backend"],
            threads=self._order["threads"],
            delegate=self._order["delegate"],
        )

    def tensor(self, images: Any) -> Any:
        """Pixels (n, ...) as the model's own input tensor."""
        real = self._manifest.preprocessing.normalize(images).reshape(-1, *self._spec.shape[1:])
        quantization = self._spec.quantization
        return real.astype(self._spec.dtype) if quantization is None else quantization.quantize(real)

    def run(self, tensor: Any) -> Any:
        return self._model.run(tensor)

    def predict(self, images: Any) -> Any:
        return self._model.predict(images).probabilities

    @property
    def largest_batch(self) -> int | None:
        """A fixed batch dimension; None where it is free."""
        return None if self._spec.shape[0] < 1 else self._spec.shape[0]


class _Keras:
    """The float Keras model: `model(x, training=False)` as one compiled tf.function, numpy in and numpy out."""

    largest_batch = None

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    def import_packages(self) -> None:
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(self._order["threads"])
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    def load(self) -> None:
        import tensorflow

        from edgepress.runtime import Manifest
        from edgepress.train import open_keras

        self._manifest = Manifest.read(self._order["bundle"])
        model = open_keras(self._order["path"]).model
        self._shape = model.input_shape[1:]
        self._call = tensorflow.function(lambda x: model(x, training=False))

    def tensor(self, images: Any) -> Any:
        return self._manifest.preprocessing.normalize(images).reshape(-1, *self._shape)

    def run(self, tensor: Any) -> Any:
        return self._call(tensor).numpy()

    def predict(self, images: Any) -> Any:
        import numpy

        if len(images) > _CHUNK:
            chunks = range(0, len(images), _CHUNK)
            return numpy.concatenate([self.predict(images[i : i + _CHUNK]) for i in chunks])
        out = self.run(self.tensor(images))
        if self._manifest.output == "logits":
            out = numpy.exp(out - out.max(axis=1, keepdims=True))
            out /= out.sum(axis=1, keepdims=True)
        return out


_CHUNK = 1_000


class _Server:
    """Carries out the orders, one method each."""

    def open(self, order: dict[str, Any]) -> dict[str, Any]:
        """Import, load and answer once; the three parts of a cold start after Python's own."""
        self._subject = (_Keras if order["kind"] == "keras" else _Artifact)(order)
        marks = [time.monotonic_ns()]
        self._subject.import_packages()
        marks.append(time.monotonic_ns())
        self._subject.load()
        marks.append(time.monotonic_ns())
        import numpy

        self._images = numpy.load(order["images"], mmap_mode="r")
        self._one = self._subject.tensor(numpy.array(self._images[:1]))
        before_first = time.monotonic_ns()
        self._subject.run(self._one)
        first = time.monotonic_ns() - before_first
        names = ("import", "load")
        cold = {name: (marks[i + 1] - marks[i]) / 1000 for i, name in enumerate(names)}
        return {
            "cold_start_us": {"python": (STARTED_NS - order["spawned_ns"]) / 1000, **cold, "first": first / 1000},
            "peak_bytes": _memory("VmHWM"),
        }

    def latency(self, order: dict[str, Any]) -> dict[str, Any]:
        """Time `count` single images one by one after `warmup` untimed ones; nanoseconds each."""
        call = self._subject.predict if order["what"] == "predict" else self._subject.run
        argument = self._images[:1].copy() if order["what"] == "predict" else self._one
        _time(call, argument, order["warmup"])
        return {"ns": _time(call, argument, order["count"])}

    def batch(self, order: dict[str, Any]) -> dict[str, Any]:
        """Time `count` batches of `size` images; nanoseconds each. A fixed-batch model runs them in its own steps."""
        import numpy

        size = order["size"]
        tensor = self._subject.tensor(numpy.resize(self._images, (size, *self._images.shape[1:])))
        step = self._subject.largest_batch
        parts = [tensor] if step is None else [tensor[i : i + step] for i in range(0, size, step)]

        def run_all(parts: Any) -> None:
            for part in parts:
                self._subject.run(part)

        _time(run_all, parts, 1)
        return {"ns": _time(run_all, parts, order["count"])}

    def work(self, order: dict[str, Any]) -> dict[str, Any]:
        """Answer single images for as long as asked; how many."""
        end, count = time.monotonic() + order["seconds"], 0
        while time.monotonic() < end:
            for _ in range(10):
                self._subject.run(self._one)
            count += 10
        return {"images": count}

    def predict(self, order: dict[str, Any]) -> dict[str, Any]:
        """Probabilities for a file of images, written beside it."""
        import numpy

        images = numpy.load(order["images"], mmap_mode="r")
        numpy.save(order["out"], self._subject.predict(numpy.asarray(images)))
        return {}

    def mlperf(self, order: dict[str, Any]) -> dict[str, Any]:
        """Let MLPerf's load generator drive `predict`; truth is an .npy file or None."""
        import numpy

        from .loadgen import drive

        truth = None if order["truth"] is None else numpy.load(order["truth"])
        images = numpy.array(self._images)
        answers = drive(lambda x: self._subject.predict(x).argmax(axis=1), images, truth, seconds=order["seconds"])
        return {"scenarios": answers}

    def layers(self, order: dict[str, Any]) -> dict[str, Any]:
        """Each layer's error against the float32 file of the same model, on the first images."""
        from dataclasses import asdict
        from pathlib import Path

        import numpy

        from edgepress.export import compare_layers
        from edgepress.runtime import Manifest

        manifest = Manifest.read(order["bundle"])
        spec = manifest.artifact(order["float32"]).inputs[0]
        images = numpy.array(self._images[: order["count"]])
        real = manifest.preprocessing.normalize(images).reshape(-1, *spec.shape[1:])
        quantized, floating = (Path(order["bundle"]) / order[key] for key in ("file", "float32"))
        return {"layers": [asdict(error) for error in compare_layers(quantized, floating, {spec.name: real})]}

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
