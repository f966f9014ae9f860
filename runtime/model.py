"""A loaded model: one object, whatever runs underneath."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError, ModelClosedError

from .backends import Session
from .batches import run_batches
from .bundle.manifest import Artifact
from .class_names import class_names, output_classes
from .contract import Contract, Picture
from .encoding import ClassDecoder, NumberEncoder, PixelEncoder, encoder_of, named_reals
from .prediction import UNKNOWN, Prediction
from .tasks import Anomalies, LabelSets, Outputs, Task, Values
from .tasks.decode import DECODERS

try:
    # What `queue` gives, without its 2 milliseconds.
    from _queue import SimpleQueue
except ImportError:
    from queue import SimpleQueue

__all__ = ["Model"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .preprocess.files import AnyFile
    from .preprocess.pictures import PictureFile
    from .stream import Stream

_Array = np.ndarray


class Model:
    """A model file in a backend. Made by `load`; safe to share between threads, which take turns."""

    def __init__(
        self,
        session: Session,
        *,
        backend: str,
        artifact: Artifact,
        contract: Contract | None,
        task: Task | None,
        threads: int,
        delegate: bool,
        fallback_reason: str | None = None,
    ) -> None:
        self.backend = backend
        """Which runtime executes it, by its name in `BACKENDS`."""
        self.fallback_reason = fallback_reason
        """Why it is not the best one that is here: what the better ones said of the file. None where it is."""
        self.artifact = artifact
        """What is known about the file; from the manifest where it is part of a bundle."""
        self.threads = threads
        self.delegate = delegate
        self.contract = contract
        """How what people have becomes the inputs; None where neither bundle nor file says it."""
        self.task = task
        """What the outputs mean; None where that cannot be told: then `run` gives them as they are."""
        self.preprocessing: Picture | None = contract.picture if contract else None
        """How pictures become the one input; None where it takes none, or nothing says it."""
        self.unknown_threshold = task.unknown_threshold if task else None
        self._session: Session | None = session
        self._call_raw = session.call if len(session.inputs) == len(session.outputs) == 1 else _no_call
        # Whoever holds the one token may use the session. In a queue it is taken and put back in half a lock's time.
        self._turns: SimpleQueue[None] = SimpleQueue()
        self._turns.put(None)
        self._failures = session.failures
        self.labels = (task.labels or None) if task else None
        """Names of classes, labels or numbers in the order of the outputs; None where nothing says them."""
        fixed = session.inputs[0].shape[0] if session.inputs and session.inputs[0].shape else 1
        self._fixed_batch = fixed if fixed > 0 else None
        self._encoder: PixelEncoder | NumberEncoder | None = None
        self._decoder: ClassDecoder | None = None
        self._names = np.array([], str)
        self._predict_one: Callable[[NDArray[Any]], Prediction | None] = _no_shortcut
        if len(session.inputs) == 1 and session.outputs:
            only = contract.only if contract else None
            if only is not None or contract is None:
                self._encoder = encoder_of(session.inputs[0], only)
        if task is not None and task.classifies and session.outputs:
            self._names = class_names(task, output_classes(session))
            self._decoder = ClassDecoder(session.outputs[0], task)
            if fixed in (-1, 1) and self._encoder is not None:
                self._predict_one = self._shortcut(session, self._encoder, self._decoder)

    def run(self, x: Any) -> Any:
        """Raw tensors in, raw tensors out. A model with a state of its own (an LSTM's) keeps it from call to call.

        Args:
            x: The input's array, of the exact type and shape (the free dimension may be any size); for a model with
                several inputs a dictionary by name, or a list in their order.

        Returns:
            The output's array; for a model with several outputs a dictionary by name.

        Raises:
            InputError: A type, shape or name that the model does not have.
            ModelClosedError: After `close`.
        """
        turn = self._turns.get()
        try:
            if type(x) is _Array:
                try:
                    return self._call_raw(x)
                except InputError:
                    raise
                except self._failures:
                    # Closed, another shape than the last one, or a wrong one: the longer way tells them apart.
                    pass
            if self._session is None:
                raise _closed(self.artifact)
            session = self._session
            outputs = self._run_chunks(session, self._arrays(session, x))
        finally:
            self._turns.put(turn)
        if len(outputs) == 1:
            return outputs[0]
        return {spec.name: output for spec, output in zip(session.outputs, outputs, strict=True)}

    def _shortcut(
        self, session: Session, encoder: PixelEncoder | NumberEncoder, decoder: ClassDecoder
    ) -> Callable[[NDArray[Any]], Prediction | None]:
        """`predict` for one image of pixels: None for anything else, and where the last call was of another size.

        A closure, as `_integer_softmax` is: at 2 microseconds a model, every attribute that is looked up is seen.
        """
        take_turn, end_turn = self._turns.get, self._turns.put
        encode, call, decode, failures = encoder.one, session.call, decoder.probabilities, session.failures
        answers = [(self._names[i : i + 1], np.array([i])) for i in range(len(self._names))]
        for _, index in answers:
            index.flags.writeable = False

        def predict_one(image: NDArray[Any]) -> Prediction | None:
            turn = take_turn()
            try:
                if (x := encode(image)) is None:
                    return None
                output = call(x)
            except InputError:
                raise
            except failures:
                return None
            finally:
                end_turn(turn)
            probabilities = decode(output)
            best = probabilities.argmax()
            # The largest of numbers with NaN among them is NaN, which is not equal to itself.
            if probabilities[0, best] != probabilities[0, best]:
                raise _nonsense(self.artifact)
            label, index = answers[best]
            return Prediction(label, index, probabilities)

        return predict_one

    def _arrays(self, session: Session, x: Any) -> list[NDArray[Any]]:
        specs = session.inputs
        names = [spec.name for spec in specs]
        if isinstance(x, Mapping):
            if set(x) != set(names):
                raise InputError(f"inputs {sorted(map(str, x))}: the model takes {', '.join(names)}")
            x = [x[name] for name in names]
        elif not (isinstance(x, list | tuple) and len(specs) > 1):
            x = [x]
        if len(x) != len(specs):
            raise InputError(f"{len(x)} inputs: the model takes {len(specs)} ({', '.join(names)})")
        arrays = [np.asarray(value) for value in x]
        for array, spec in zip(arrays, specs, strict=True):
            fits = len(array.shape) == len(spec.shape) and all(
                size == wanted or wanted < 0 for size, wanted in zip(array.shape, spec.shape, strict=True)
            )
            if not fits or array.dtype != spec.dtype:
                raise InputError(
                    f"input {spec.name} is {array.dtype} {array.shape}: {spec.dtype} {spec.shape} is allowed "
                    "(-1: any size)"
                )
        return arrays

    def _run_chunks(self, session: Session, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """A large batch of what a contract states in chunks that the backend is fastest at; anything else as it is: a
        model with a state of its own is no sum of its rows."""
        count = len(arrays[0]) if arrays[0].ndim else 0
        one = len(arrays) == 1 and self.contract is not None
        if not one or self._fixed_batch or count <= session.chunk:
            return self._run(session, arrays)
        starts = range(0, count, session.chunk)
        parts = [self._run(session, [arrays[0][start : start + session.chunk]]) for start in starts]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _run(self, session: Session, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        try:
            return session.run(arrays)
        except InputError:
            raise
        except self._failures as error:
            raise InputError(f"{self.backend} cannot run this input: {' '.join(str(error).split())}") from None

    def predict(self, x: Any, *, unknown: bool = False) -> Any:
        """Answer the task's question about examples that have the contract's shape already.

        Args:
            x: Of pictures uint8 pixels or normalized floats, (height, width), (n, height, width) or (n, size), with
                channels likewise. Of features rows of numbers (n, columns), or mappings by column name. Of signals
                (n, steps, channels), of audio (n, samples), of tensors (n, ...). For several inputs a mapping by name.
            unknown: Label what is below the bundle's threshold as "unknown" (index -1). Of classifiers alone.

        Returns:
            By the task: `Prediction` (multiclass, binary), `LabelSets` (multilabel), `Values` (regression), `Anomalies`
            (anomaly), or `Outputs` (raw).

        Raises:
            InputError: Examples of another shape, type or range, a task that is not known, NaN, or no threshold.
            ModelClosedError: After `close`.
        """
        if type(x) is _Array and not unknown and (one := self._predict_one(x)) is not None:
            return one
        if self.task is None:
            raise InputError(
                f"{self.artifact.file} does not say what its outputs mean: use run, or load it from a bundle"
            )
        if self._decoder is None:
            if unknown:
                raise InputError(f"unknown=True is for classifiers, and {self.artifact.file} is {self.task.kind}")
            return self._decoded(x, self.task)
        found = self._decoder.probabilities(self.raw_outputs(x))
        if not (self._decoder.certain or np.isfinite(found).all()):
            raise _nonsense(self.artifact)
        if found.shape[1] > len(self._names):
            # A file that left open how many classes it has.
            self._names = class_names(self.task, found.shape[1])
        indices = found.argmax(1)
        labels = self._names[indices]
        if unknown:
            if self.unknown_threshold is None:
                raise InputError("unknown=True, and the model has no threshold: export it with edgepress to get one")
            below = found.max(axis=1) < self.unknown_threshold
            labels = np.where(below, UNKNOWN, labels)
            indices = np.where(below, -1, indices)
        return Prediction(labels, indices, found)

    def _decoded(self, x: Any, task: Task) -> LabelSets | Values | Anomalies | Outputs:
        """What a model that is no classifier says."""
        specs = self.artifact.outputs
        if self._encoder is not None and not self._is_named(x):
            inputs = self._encoder.rows(x)
            raw = self._run_rows(inputs)
            inputs = self._encoder.reals(inputs)
        else:
            named = named_reals(self.artifact, self.contract, x)
            inputs = next(iter(named.values()))
            given = run_batches(self, named)
            raw = [given[spec.name] for spec in specs]
        outputs = {
            spec.name: values if spec.quantization is None else spec.quantization.dequantize(values)
            for spec, values in zip(specs, raw, strict=True)
        }
        if not all(np.isfinite(values).all() for values in outputs.values() if values.dtype.kind == "f"):
            raise _nonsense(self.artifact)
        decode = DECODERS.get(task.kind)
        return Outputs(outputs) if decode is None else decode(task, inputs, next(iter(outputs.values())))

    def predict_files(self, files: AnyFile | Iterable[AnyFile], *, unknown: bool = False) -> Any:
        """Answer the task's question about files: pictures of one object each, located and scaled by the contract;
        recordings; tables; arrays; for a model with several inputs one `.npz`, an array each. All rows of all tables
        and arrays follow one another.

        Args:
            files: Paths, streams or bytes; or a single one of them.
            unknown: As for `predict`.

        Raises:
            InputError: A file that cannot be read, or a model without a contract.
            MissingExtraError: Pillow, or what reads sound, is not installed.
        """
        if self.contract is None:
            raise InputError(f"{self.artifact.file} does not say how files become its input: load it from a bundle")
        from .preprocess.files import read_examples

        return self.predict(read_examples(files, self.contract), unknown=unknown)

    def predict_page(self, file: PictureFile, *, unknown: bool = False) -> tuple[Prediction, NDArray[np.int64]]:
        """Classify every object on a photograph or a scanned page, in reading order.

        Args:
            file: A PNG or JPEG: path, stream or bytes.
            unknown: As for `predict`.

        Returns:
            The prediction for the n objects found, and their boxes (n, 4): left, top, right, bottom in the
            picture's own pixels.

        Raises:
            InputError: A file that cannot be read, or a model without a contract that locates objects.
            MissingExtraError: Pillow or OpenCV is not installed.
        """
        if self.preprocessing is None:
            raise InputError(f"{self.artifact.file} does not say how pictures become its input: load it from a bundle")
        from .preprocess.scan import read_page

        page = read_page(file, self.preprocessing)
        return self.predict(page.images, unknown=unknown), page.boxes

    def raw_outputs(self, x: Any) -> NDArray[Any]:
        """The first output as the model gives it (integers stay integers), for examples as `predict` takes them."""
        if self._encoder is None or self._is_named(x):
            return run_batches(self, named_reals(self.artifact, self.contract, x))[self.artifact.outputs[0].name]
        return self._run_rows(self._encoder.rows(x))[0]

    def _is_named(self, x: Any) -> bool:
        """Whether the one input is given by its name, as several are."""
        return isinstance(x, Mapping) and set(x) == {self.artifact.inputs[0].name}

    def _run_rows(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """All outputs for checked examples, in steps that the backend is fastest at."""
        turn = self._turns.get()
        try:
            if self._session is None:
                raise _closed(self.artifact)
            assert self._encoder is not None
            session, step = self._session, self._fixed_batch or self._session.chunk
            parts = []
            for start in range(0, len(rows), step):
                x = self._encoder.encode(rows[start : start + step])
                count = len(x)
                if self._fixed_batch:
                    x = np.concatenate([x, np.zeros((step - count, *x.shape[1:]), x.dtype)]) if count < step else x
                parts.append([output[:count] for output in self._run(session, [x])])
            if not parts:
                return [np.empty((0, *spec.shape[1:]), spec.dtype) for spec in session.outputs]
            return parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]
        finally:
            self._turns.put(turn)

    def predict_iter(self, stream: Iterable[Any], *, unknown: bool = False) -> Iterator[Any]:
        """Answer about a stream of examples or of batches, one prediction each, in constant memory."""
        for x in stream:
            yield self.predict(x, unknown=unknown)

    def stream(self, rate: float | None = None, **settings: Any) -> Stream:
        """A stream of samples that does not end: push chunks of any size, get events.

        Args:
            rate: Samples a second of what is pushed; the contract's when None. Sound of another rate is resampled.
            settings: As `stream.Settings.usual`: hop, smooth, refractory, threshold, gate_db, gain_db, ignore.

        Raises:
            InputError: No model of signals or audio, another rate of signals, settings that no stream can have.
            MissingExtraError: What resamples is not installed.
        """
        from .stream import Stream

        return Stream(self, rate, **settings)

    def close(self) -> None:
        """Give the memory back. Closing twice is fine; everything else on a closed model says that it is closed."""
        turn = self._turns.get()
        try:
            if self._session is not None:
                self._session.close()
                self._session = None
                self._call_raw, self._predict_one = _no_call, _no_shortcut
        finally:
            self._turns.put(turn)

    def __repr__(self) -> str:
        from .summary import summary

        return summary(self, closed=self._session is None)

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nonsense(artifact: Artifact) -> InputError:
    return InputError(f"{artifact.file} gives NaN or infinity for this input: that is no answer")


def _closed(artifact: Artifact) -> ModelClosedError:
    return ModelClosedError(f"{artifact.file} is closed: load it again")


def _no_shortcut(image: NDArray[Any]) -> None:
    return None


def _no_call(array: Any) -> NDArray[Any]:
    raise ValueError("closed")
