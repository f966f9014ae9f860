"""A loaded model: one object, whatever runs underneath."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from edgepress.base.errors import InputError, ModelClosedError

from .backends import Session
from .bundle.embedded import Embedded
from .bundle.manifest import Artifact
from .contract.picture import Preprocessing
from .encoding import InputEncoder, OutputDecoder
from .prediction import UNKNOWN, Prediction

try:
    # What `queue` gives, without its 2 milliseconds.
    from _queue import SimpleQueue
except ImportError:
    from queue import SimpleQueue

__all__ = ["Model", "output_classes"]

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .preprocess.pictures import PictureFile

_Array = np.ndarray


class Model:
    """A model file in a backend. Made by `load`; safe to share between threads, which take turns."""

    def __init__(
        self,
        session: Session,
        *,
        backend: str,
        artifact: Artifact,
        embedded: Embedded | None,
        labels: tuple[str, ...] | None,
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
        self.preprocessing: Preprocessing | None = embedded.preprocessing if embedded else None
        """How pictures become inputs; None where neither bundle nor file says it."""
        self.unknown_threshold = embedded.unknown_threshold if embedded else None
        self._session: Session | None = session
        self._call_raw = session.call if len(session.inputs) == len(session.outputs) == 1 else _no_call
        # Whoever holds the one token may use the session. In a queue it is taken and put back in half a lock's time.
        self._turns: SimpleQueue[None] = SimpleQueue()
        self._turns.put(None)
        self._failures = session.failures
        self.labels = labels
        """Class names in the order of the outputs; None where neither bundle nor file says them."""
        self._names = _class_names(labels, output_classes(session))
        fixed = session.inputs[0].shape[0] if session.inputs and session.inputs[0].shape else 1
        self._fixed_batch = fixed if fixed > 0 else None
        self._encoder: InputEncoder | None = None
        self._decode: Callable[[NDArray[Any]], NDArray[np.float32]] = _no_call
        self._predict_one: Callable[[NDArray[Any]], Prediction | None] = _no_shortcut
        if len(session.inputs) == 1 and session.outputs and (embedded is None or embedded.output != "raw"):
            self._decode = OutputDecoder(session.outputs[0], embedded.output if embedded else None).probabilities
            self._encoder = InputEncoder(session.inputs[0], self.preprocessing)
            if fixed in (-1, 1):
                self._predict_one = self._shortcut(session, self._encoder)

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

    def _shortcut(self, session: Session, encoder: InputEncoder) -> Callable[[NDArray[Any]], Prediction | None]:
        """`predict` for one image of pixels: None for anything else, and where the last call was of another size.

        A closure, as `_integer_softmax` is: at 2 microseconds a model, every attribute that is looked up is seen.
        """
        take_turn, end_turn = self._turns.get, self._turns.put
        encode, call, decode, failures = encoder.one, session.call, self._decode, session.failures
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
            label, index = answers[probabilities.argmax()]
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
        """A classifier's large batch in chunks that the backend is fastest at; anything else as it is."""
        count = len(arrays[0]) if arrays[0].ndim else 0
        if self._encoder is None or self._fixed_batch or self.preprocessing is None or count <= session.chunk:
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

    def predict(self, images: Any, *, unknown: bool = False) -> Prediction:
        """Classify images that are in the contract's shape already.

        Args:
            images: uint8 pixels or normalized floats: (height, width), (n, height, width), (n, height * width), with
                channels likewise.
            unknown: Label what is below the bundle's threshold as "unknown" (index -1).

        Raises:
            InputError: Images of another shape, type or range; no classifier; no threshold.
            ModelClosedError: After `close`.
        """
        if type(images) is _Array and not unknown and (one := self._predict_one(images)) is not None:
            return one
        probabilities = self._decode(self.raw_outputs(images))
        if probabilities.shape[1] > len(self._names):
            # A file that left open how many classes it has.
            self._names = _class_names(self.labels, probabilities.shape[1])
        indices = probabilities.argmax(1)
        labels = self._names[indices]
        if unknown:
            if self.unknown_threshold is None:
                raise InputError("unknown=True, and the model has no threshold: export it with edgepress to get one")
            below = probabilities.max(axis=1) < self.unknown_threshold
            labels = np.where(below, UNKNOWN, labels)
            indices = np.where(below, -1, indices)
        return Prediction(labels, indices, probabilities)

    def predict_files(self, files: PictureFile | Iterable[PictureFile], *, unknown: bool = False) -> Prediction:
        """Classify PNG and JPEG files of one object each: located, centred and scaled by the contract first.

        Args:
            files: Paths, streams or bytes; or a single one of them.
            unknown: As for `predict`.

        Raises:
            InputError: A file that cannot be read, or a model without a contract.
            MissingExtraError: Pillow is not installed.
        """
        if self.preprocessing is None:
            raise InputError(f"{self.artifact.file} does not say how pictures become its input: load it from a bundle")
        from .preprocess.fit import fit_picture
        from .preprocess.pictures import picture_files, read_picture

        pictures = [fit_picture(read_picture(file), self.preprocessing) for file in picture_files(files)]
        return self.predict(np.stack(pictures) if pictures else self._no_pictures(), unknown=unknown)

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

    def _no_pictures(self) -> NDArray[np.uint8]:
        assert self.preprocessing is not None
        return np.empty((0, *self.preprocessing.shape), np.uint8)

    def raw_outputs(self, images: Any) -> NDArray[Any]:
        """The first output as the model gives it (integers stay integers), for images as `predict` takes them."""
        turn = self._turns.get()
        try:
            if self._session is None:
                raise _closed(self.artifact)
            if self._encoder is None:
                raise InputError(f"{self.artifact.file} is no classifier of images: use run")
            encoder = self._encoder
            rows = encoder.rows(images)
            session, step = self._session, self._fixed_batch or self._session.chunk
            outputs = []
            for start in range(0, len(rows), step):
                x = encoder.encode(rows[start : start + step])
                count = len(x)
                if self._fixed_batch:
                    x = np.concatenate([x, np.zeros((step - count, *x.shape[1:]), x.dtype)]) if count < step else x
                outputs.append(self._run(session, [x])[0][:count])
            if not outputs:
                spec = session.outputs[0]
                return np.empty((0, *spec.shape[1:]), spec.dtype)
            return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
        finally:
            self._turns.put(turn)

    def predict_iter(self, stream: Iterable[Any], *, unknown: bool = False) -> Iterator[Prediction]:
        """Classify a stream of images or of batches, one prediction each, in constant memory."""
        for images in stream:
            yield self.predict(images, unknown=unknown)

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

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def output_classes(session: Session) -> int | None:
    """How many numbers the first output holds for each row; None where the file leaves that open."""
    shape = session.outputs[0].shape[1:] if session.outputs else (0,)
    return math.prod(shape) if min(shape, default=1) >= 0 else None


def _class_names(labels: tuple[str, ...] | None, classes: int | None) -> NDArray[np.str_]:
    """The labels, or numbers in their place. Shape (classes,)."""
    if labels is not None and classes is not None and len(labels) != classes:
        raise InputError(f"the model gives {classes} numbers and has {len(labels)} labels: use run")
    names = np.array(labels or range(classes or 0), str)
    names.flags.writeable = False
    return names


def _closed(artifact: Artifact) -> ModelClosedError:
    return ModelClosedError(f"{artifact.file} is closed: load it again")


def _no_shortcut(image: NDArray[Any]) -> None:
    return None


def _no_call(array: Any) -> NDArray[Any]:
    raise ValueError("closed")
