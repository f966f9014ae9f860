"""What a measuring process holds: a model file in the edgepress runtime, or a Keras model; and the examples.

`worker` reads this file by its path: it imports nothing but the standard library, so that a cold start counts what the
model's own packages take.
"""

import importlib
import json
import math
from typing import Any

__all__ = ["Artifact", "Examples", "Keras", "answers_of"]


class Stored:
    """An array in an .npy file, of which those examples are read that are asked for.

    It is not mapped: pages of examples would count as the model's memory, and an address space may be smaller.
    """

    def __init__(self, path: str) -> None:
        import numpy

        self._path = path
        with open(path, "rb") as file:
            numpy.lib.format.read_magic(file)
            self.shape, _, self.dtype = numpy.lib.format.read_array_header_1_0(file)
            self._offset = file.tell()
        self._row = math.prod(self.shape[1:]) * self.dtype.itemsize

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: Any) -> Any:
        import numpy

        places = numpy.arange(len(self))[index]
        out = numpy.empty((len(places), *self.shape[1:]), self.dtype)
        view = out.reshape(-1).view(numpy.uint8).data
        # Neighbours are read at once.
        starts = [0, *(numpy.flatnonzero(numpy.diff(places) != 1) + 1).tolist()]
        with open(self._path, "rb", buffering=0) as file:
            for start, stop in zip(starts, [*starts[1:], len(places)], strict=True):
                wanted = view[start * self._row : stop * self._row]
                if start < stop:
                    file.seek(self._offset + int(places[start]) * self._row)
                while len(wanted):
                    count = file.readinto(wanted)
                    if not count:
                        raise ValueError(f"{self._path} ends in the middle of its examples")
                    wanted = wanted[count:]
        return out


class Examples:
    """Arrays by input name, as `measure.examples` wrote them; people's own numbers, or the models' real ones."""

    def __init__(self, inputs: dict[str, Any], reals: bool) -> None:
        self.inputs = inputs
        self.reals = reals

    @classmethod
    def read(cls, path: str) -> "Examples":
        """From what `measure.examples` wrote; arrays are read on demand."""
        if path.endswith(".npy"):
            return cls({"": Stored(path)}, False)
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        return cls({name: Stored(each) for name, each in told["files"].items()}, told["reals"])

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def part(self, index: Any) -> "Examples":
        """Some of them, in memory."""
        return Examples({name: values[index] for name, values in self.inputs.items()}, self.reals)

    @property
    def own(self) -> Any:
        """As `predict` takes them: the array of a single input, else a mapping."""
        return next(iter(self.inputs.values())) if len(self.inputs) == 1 else self.inputs


class Asked:
    """How a model is fed and what its outputs mean, as `models.orders.asked_of` writes it."""

    def __init__(self, data: dict[str, Any]) -> None:
        from edgepress.runtime.contract import Contract
        from edgepress.runtime.contract.arrange import Arrangement
        from edgepress.runtime.tasks import Task

        self.contract = Contract.from_dict(data["contract"])
        self.task = Task.from_dict(data["task"])
        self.golden = Contract.from_dict(data["golden"]) if data.get("golden") else self.contract
        self.output = data.get("output")
        self._arranged = {
            name: Arrangement(tuple(shape), first) for name, (shape, first) in data.get("arranged", {}).items()
        }

    def reals(self, examples: Examples, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        """The real numbers of each input, by its name in the model."""
        found = {}
        for name, shape in shapes.items():
            values = _named(examples.inputs, name)
            values = values if examples.reals else _named(self.contract.inputs, name).normalize(values)
            if name in self._arranged:
                found[name] = self._arranged[name].arrange(values)
            else:
                found[name] = values if min(shape, default=1) < 0 else values.reshape(len(values), *shape)
        return found


def _named(mapping: Any, name: str) -> Any:
    """The entry of that name; of a single one any name will do."""
    return next(iter(mapping.values())) if len(mapping) == 1 else mapping[name]


class Artifact:
    """A `.tflite` or `.onnx` file in the edgepress runtime."""

    asked: Asked

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    def import_packages(self) -> None:
        """What the model needs before it is loaded."""
        importlib.import_module(self._order["module"])

    def load(self) -> None:
        """Open the file."""
        from edgepress.runtime.loading import load_alone

        order = self._order
        self._model = load_alone(
            order["path"], backend=order["backend"], threads=order["threads"], delegate=order["delegate"]
        )
        self._inputs, self._outputs = self._model.artifact.inputs, self._model.artifact.outputs

    def describe(self) -> dict[str, Any]:
        """What the file says about itself, as `models.described` reads it."""
        from edgepress.runtime.bundle.source import find_sources, read_source
        from edgepress.runtime.formats.last_operator import last_operator
        from edgepress.runtime.formats.self_description import describe_itself

        model = self._model
        content = read_source(find_sources(self._order["path"], "")[0])
        return {
            "inputs": [spec.to_dict() for spec in self._inputs],
            "outputs": [spec.to_dict() for spec in self._outputs],
            "last": last_operator(content),
            "contract": model.contract.to_dict() if model.contract and model.task else None,
            "task": model.task.to_dict() if model.contract and model.task else None,
            "raw": [spec.name for spec in self._inputs if spec.quantization is None and "int" in spec.dtype],
            "says": describe_itself(content)._asdict(),
        }

    def reals(self, examples: Examples) -> dict[str, Any]:
        """Real numbers by input name."""
        return self.asked.reals(examples, {spec.name: spec.shape[1:] for spec in self._inputs})

    def tensor(self, examples: Examples) -> Any:
        """Examples as the model's own input tensor; of several inputs a dictionary by name."""
        reals = self.reals(examples)
        tensors = {}
        for spec in self._inputs:
            quantization = spec.quantization
            values = reals[spec.name]
            tensors[spec.name] = values.astype(spec.dtype) if quantization is None else quantization.quantize(values)
        return tensors if len(tensors) > 1 else next(iter(tensors.values()))

    def run(self, tensor: Any) -> Any:
        """One call, which is what is timed."""
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

    def argument(self, examples: Examples) -> Any:
        """Examples as `predict` takes them."""
        return examples.own if self._order["predicts"] else examples

    def predict(self, examples: Any) -> Any:
        """What the runtime's own `predict` does; a lone file, which may not say how it is fed, is fed from here."""
        if self._order["predicts"]:
            return self._model.predict(examples)
        return next(iter(answers_of(self, examples).values()))

    @property
    def largest_batch(self) -> int | None:
        """A fixed batch dimension; None where it is free."""
        shape = self._inputs[0].shape
        return None if not shape or shape[0] < 1 else shape[0]


class Keras:
    """The float Keras model: `model(x, training=False)` as one compiled tf.function, numpy in and numpy out."""

    largest_batch = None
    asked: Asked

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order

    def import_packages(self) -> None:
        """What the model needs before it is loaded."""
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(self._order["threads"])
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)

    def load(self) -> None:
        """Open the file."""
        import tensorflow

        from edgepress.train import custom_layers, open_keras

        with custom_layers(self._order.get("custom")):
            model = open_keras(self._order["path"]).model
        self._model = model
        self._inputs = dict(zip(model.input_names, model.inputs, strict=True))
        self._names = model.output_names
        self._call = tensorflow.function(lambda x: model(x, training=False))

    def describe(self) -> dict[str, Any]:
        """As `Artifact.describe`; contract and task are what training recorded."""
        from pathlib import Path

        from edgepress.train import History, last_activations, takes_raw_numbers

        history = History.of(Path(self._order["path"]))
        known = history is not None and history.contract is not None and history.task is not None

        def spec(name: str, tensor: Any) -> dict[str, Any]:
            shape = [-1 if size is None else size for size in tensor.shape]
            return {"name": name, "shape": shape, "dtype": tensor.dtype.name}

        return {
            "inputs": [spec(name, tensor) for name, tensor in self._inputs.items()],
            "outputs": [spec(*each) for each in zip(self._names, self._model.outputs, strict=True)],
            "last": last_activations(self._model)[0],
            "contract": history.contract if history is not None and known else None,
            "task": history.task if history is not None and known else None,
            "raw": sorted(takes_raw_numbers(self._model)),
            "says": {},
            "fitted": None if history is None else history.dataset.get("sha256"),
        }

    def reals(self, examples: Examples) -> dict[str, Any]:
        """Real numbers by input name, as the Keras file takes them."""
        import numpy

        shapes = {
            name: tuple(-1 if size is None else size for size in tensor.shape[1:])
            for name, tensor in self._inputs.items()
        }
        reals, golden = self.asked.reals(examples, shapes), self.asked.golden
        if examples.reals and golden != self.asked.contract:
            # Golden vectors of inputs that export centred and scaled: the Keras file takes the numbers themselves.
            reals = {
                name: values * numpy.float64(way.std) + way.mean
                if (way := _named(golden.inputs, name)).mean
                else values
                for name, values in reals.items()
            }
        return reals

    def _tensors(self, reals: dict[str, Any]) -> Any:
        found = [reals[name].astype(tensor.dtype.as_numpy_dtype) for name, tensor in self._inputs.items()]
        return found if len(found) > 1 else found[0]

    def tensor(self, examples: Examples) -> Any:
        """As `Artifact.tensor`."""
        return self._tensors(self.reals(examples))

    def run(self, tensor: Any) -> Any:
        """One call, which is what is timed."""
        given = self._call(tensor)
        return [each.numpy() for each in given] if isinstance(given, list | tuple) else given.numpy()

    def outputs(self, reals: dict[str, Any]) -> dict[str, Any]:
        """Real numbers by output name, for real numbers by input name."""
        given = self.run(self._tensors(reals))
        return dict(zip(self._names, given if isinstance(given, list) else [given], strict=True))

    def argument(self, examples: Examples) -> Any:
        """Examples as `predict` takes them."""
        return examples

    def predict(self, examples: Examples) -> Any:
        """From examples to answers."""
        return next(iter(answers_of(self, examples).values()))


def answers_of(subject: Any, examples: Examples) -> dict[str, Any]:
    """What a model says: in the form of its task's answers, or of a raw model its outputs by name."""
    from edgepress.quality import quality_of

    reals = subject.reals(examples)
    outputs = subject.outputs(reals)
    task, output = subject.asked.task, subject.asked.output
    quality = quality_of(task)
    if quality is None:
        return dict(outputs)
    values = next(iter(outputs.values())) if output is None else outputs[output]
    return {"": quality.answers(task, next(iter(reals.values())), values)}
