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


class _Examples:
    """Arrays by input name, as `measure.examples` wrote them; people's own numbers, or the models' real ones."""

    def __init__(self, inputs: dict[str, Any], reals: bool) -> None:
        self.inputs = inputs
        self.reals = reals

    @classmethod
    def read(cls, path: str) -> "_Examples":
        import numpy

        found = numpy.load(path, mmap_mode="r")
        if path.endswith(".npy"):
            return cls({"": found}, False)
        with found:
            arrays = {key: found[key] for key in found.files}
        names = {key: key.partition("/")[2] for key in arrays}
        return cls({names[key]: values for key, values in arrays.items()}, next(iter(arrays)).startswith("reals/"))

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, index: Any) -> "_Examples":
        import numpy

        return _Examples({name: numpy.array(values[index]) for name, values in self.inputs.items()}, self.reals)

    @property
    def own(self) -> Any:
        """As `predict` takes them: the array of a single input, else a mapping."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else self.inputs

    def to_reals(self, contract: Any, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        """The real numbers of each input, by its name in the model."""
        found = {}
        for name, shape in shapes.items():
            values = _named(self.inputs, name)
            values = values if self.reals else _named(contract.inputs, name).normalize(values)
            found[name] = values if min(shape, default=1) < 0 else values.reshape(len(values), *shape)
        return found


def _named(mapping: Any, name: str) -> Any:
    """The entry of that name; of a single one any name will do."""
    return next(iter(mapping.values())) if len(mapping) == 1 else mapping[name]


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
        self.manifest = Manifest.read(bundle)
        artifact = self.manifest.artifact(file)
        self._inputs, self._outputs = artifact.inputs, artifact.outputs
        self._model = load(
            os.path.join(bundle, file),
            backend=self._order["backend"],
            threads=self._order["threads"],
            delegate=self._order["delegate"],
        )

    def reals(self, examples: _Examples) -> dict[str, Any]:
        """Real numbers by input name."""
        return examples.to_reals(self.manifest.contract, {spec.name: spec.shape[1:] for spec in self._inputs})

    def tensor(self, examples: _Examples) -> Any:
        """Examples as the model's own input tensor; of several inputs a dictionary by name."""
        reals = self.reals(examples)
        tensors = {}
        for spec in self._inputs:
            quantization = spec.quantization
            values = reals[spec.name]
            tensors[spec.name] = values.astype(spec.dtype) if quantization is None else quantization.quantize(values)
        return tensors if len(tensors) > 1 else next(iter(tensors.values()))

    def run(self, tensor: Any) -> Any:
        return self._model.run(tensor)

    def outputs(self, reals: dict[str, Any]) -> dict[str, Any]:
        """Real numbers by output name, for real numbers by input name."""
        from edgepress.runtime.batches import run_batches

        given = run_batches(self._model, reals)
        quantizations = {spec.name: spec.quantization for spec in self._outputs}
        return {
            name: values if (how := quantizations.get(name)) is None else how.dequantize(values)
            for name, values in given.items()
        }

    def argument(self, examples: _Examples) -> Any:
        """Examples as `predict` takes them."""
        return examples.own

    def predict(self, own: Any) -> Any:
        return self._model.predict(own)

    @property
    def largest_batch(self) -> int | None:
        """A fixed batch dimension; None where it is free."""
        shape = self._inputs[0].shape
        return None if not shape or shape[0] < 1 else shape[0]


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
        from edgepress.train import custom_layers, open_keras

        self.manifest = Manifest.read(self._order["bundle"])
        with custom_layers(self._order.get("custom")):
            model = open_keras(self._order["path"]).model
        self._inputs = dict(zip(model.input_names, model.inputs, strict=True))
        self._names = model.output_names
        self._call = tensorflow.function(lambda x: model(x, training=False))

    def reals(self, examples: _Examples) -> dict[str, Any]:
        """Real numbers by input name, as the Keras file takes them."""
        import numpy

        shapes = {
            name: tuple(-1 if size is None else size for size in tensor.shape[1:])
            for name, tensor in self._inputs.items()
        }
        reals, contract = examples.to_reals(self.manifest.keras_contract, shapes), self.manifest.contract
        if examples.reals and contract != self.manifest.keras_contract:
            # Golden vectors of inputs that export centred and scaled: the Keras file takes the numbers themselves.
            reals = {
                name: values * numpy.float64(way.std) + way.mean
                if (way := _named(contract.inputs, name)).mean
                else values
                for name, values in reals.items()
            }
        return reals

    def _tensors(self, reals: dict[str, Any]) -> Any:
        found = [reals[name].astype(tensor.dtype.as_numpy_dtype) for name, tensor in self._inputs.items()]
        return found if len(found) > 1 else found[0]

    def tensor(self, examples: _Examples) -> Any:
        return self._tensors(self.reals(examples))

    def run(self, tensor: Any) -> Any:
        given = self._call(tensor)
        return [each.numpy() for each in given] if isinstance(given, list | tuple) else given.numpy()

    def outputs(self, reals: dict[str, Any]) -> dict[str, Any]:
        """Real numbers by output name, for real numbers by input name."""
        given = self.run(self._tensors(reals))
        return dict(zip(self._names, given if isinstance(given, list) else [given], strict=True))

    def argument(self, examples: _Examples) -> Any:
        """Examples as `predict` takes them."""
        return examples

    def predict(self, examples: _Examples) -> Any:
        return next(iter(_answers(self, examples).values()))


def _answers(subject: Any, examples: _Examples) -> dict[str, Any]:
    """What a model says: in the form of its task's answers, or of a raw model its outputs by name."""
    from edgepress.quality import quality_of

    reals = subject.reals(examples)
    outputs = subject.outputs(reals)
    task = subject.manifest.task
    quality = quality_of(task)
    if quality is None:
        return dict(outputs)
    return {"": quality.answers(task, next(iter(reals.values())), next(iter(outputs.values())))}


_CHUNK, _CHUNK_BYTES = 1_000, 1 << 26
"""Examples that are answered at once, and how much memory their real numbers may take."""


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
        self._examples = _Examples.read(order["examples"])
        self._one = self._subject.tensor(self._examples.part(slice(1)))
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
        places = numpy.arange(size) % len(self._examples)
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
        """Answers to a file of examples, written beside it; where they are."""
        import numpy

        examples = _Examples.read(order["examples"])
        each = sum(values[:1].size for values in examples.inputs.values()) * 4
        step = max(1, min(_CHUNK, _CHUNK_BYTES // max(each, 1)))
        starts = range(0, len(examples), step)
        parts = [_answers(self._subject, examples.part(slice(start, start + step))) for start in starts]
        found = {name: numpy.concatenate([part[name] for part in parts]) for name in parts[0]}
        file = order["out"] + (".npy" if "" in found else ".npz")
        if "" in found:
            numpy.save(file, found[""])
        else:
            numpy.savez(file, **found)  # type: ignore[arg-type]
        return {"file": file}

    def mlperf(self, order: dict[str, Any]) -> dict[str, Any]:
        """Let MLPerf's load generator drive `predict`; truth is an .npy file or None."""
        import numpy

        from edgepress.benchmarks.measure.loadgen import drive

        truth = None if order["truth"] is None else numpy.load(order["truth"])
        (name,) = self._examples.inputs
        reals, images = self._examples.reals, numpy.array(self._examples.own)

        def classes(x: Any) -> Any:
            said = self._subject.predict(self._subject.argument(_Examples({name: x}, reals)))
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
        from edgepress.runtime import Manifest

        manifest = Manifest.read(order["bundle"])
        shapes = {spec.name: spec.shape[1:] for spec in manifest.artifact(order["float32"]).inputs}
        reals = self._examples.part(slice(order["count"])).to_reals(manifest.contract, shapes)
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
