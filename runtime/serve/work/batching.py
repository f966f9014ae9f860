"""One thread infers; requests wait for it in a bounded queue, and those that wait together are inferred together.

Dynamic batching as in NVIDIA Triton and Clipper (Crankshaw et al., NSDI 2017), with a default that adds no delay: a
batch is what waits already when the thread becomes free, so a lone request never waits for company.

Handing work to a thread and back costs some 200 microseconds, ten times what a small model takes for an image. So where
nothing waits and inference is known to be short, it runs at once, in the event loop.
"""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from .options import Limits
from .problems import overloaded

__all__ = ["Answer", "InferenceQueue", "Predict"]

# Inference that is expected to take less runs in the event loop: with batches of 256 of a small model that takes 40 %
# off the processor time of a request. Other inference would wait for it in any case; all else waits for so long.
_SHORT_S = 0.002
# Of the time that an answer may take; the rest is left for inference and for the way back.
_WAITING_SHARE = 0.75
T = TypeVar("T")
Predict = Callable[[NDArray[Any]], tuple[Any, ...]]
"""Examples (n, ...) to columns with a row an example each: labels (n,) and probabilities (n, classes), for instance."""


class Answer(NamedTuple, Generic[T]):
    """What inference gave for one request, and the time that took."""

    value: T
    queued_s: float
    """From submission to the start of its batch."""
    inference_s: float
    """Of the whole batch."""
    batch: int
    """Images in the batch."""


@dataclass(slots=True)
class _Job:
    """A request that waits. With `predict`, `images` (of any kind) may join a batch; else `call` runs by itself."""

    future: asyncio.Future[Any]
    submitted: float
    predict: Predict | None = None
    images: NDArray[Any] | None = None
    call: Callable[[], Any] | None = None


class InferenceQueue:
    """Runs inference off the event loop. Use from one event loop; `close` from the same."""

    def __init__(self, limits: Limits, observe: Callable[[int, float, float], None] = lambda *_: None) -> None:
        """`observe` is told of each batch: images, longest wait in seconds, inference in seconds."""
        self._limits = limits
        self._observe = observe
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._job_s = 0.0
        # Processor seconds of the last inference (a busy machine does not change them), by model and by the number of
        # images to a power of two.
        self._took_s: WeakKeyDictionary[Predict, dict[int, float]] = WeakKeyDictionary()
        self._held: _Job | None = None
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that are queued or being inferred."""
        return self._waiting

    def refuse_when_full(self) -> None:
        """Raise the 503 that a request gets when the queue is full."""
        if self._waiting >= self._limits.queue:
            raise overloaded(f"{self._waiting} requests wait already", math.ceil(self._job_s * self._waiting))

    async def predict(self, predict: Predict, images: NDArray[Any]) -> Answer[Any]:
        """What `predict` gives for `images`, inferred together with what else waits for the same `predict`.

        Raises:
            Problem: 503, the queue is full or the request waited longer than `Limits.answer_s`.
        """
        if self._waiting == 0 and not self._limits.linger_s:
            took_s = self._took_s.setdefault(predict, {})
            if took_s.get(len(images).bit_length(), math.inf) < _SHORT_S:
                return self._predict_now(predict, images, took_s)
        return await self._submit(predict=predict, images=images)

    async def run(self, call: Callable[[], T]) -> Answer[T]:
        """The result of `call`, run by itself in the inference thread, in its turn. Raises like `predict`."""
        return await self._submit(call=call)

    async def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._jobs.put(None)
        while self._thread.is_alive():
            await asyncio.sleep(0.005)

    def _predict_now(self, predict: Predict, images: NDArray[Any], took_s: dict[int, float]) -> Answer[Any]:
        start, worked_s = time.perf_counter(), time.thread_time()
        value = predict(images)
        inference_s = time.perf_counter() - start
        took_s[len(images).bit_length()] = time.thread_time() - worked_s
        self._observe(len(images), 0.0, inference_s)
        return Answer(value, 0.0, inference_s, len(images))

    async def _submit(self, **work: Any) -> Answer[Any]:
        self.refuse_when_full()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        self._jobs.put(_Job(future, time.perf_counter(), **work))
        answer: Answer[Any] = await future
        return answer

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            start = time.perf_counter()
            latest = start - _WAITING_SHARE * self._limits.answer_s
            live = [job for job in batch if job.submitted >= latest]
            results: list[tuple[_Job, Any]] = [
                (job, overloaded(f"no answer within {self._limits.answer_s:g} s"))
                for job in batch
                if job.submitted < latest
            ]
            if live:
                images = sum(1 if job.images is None else len(job.images) for job in live)
                worked_s = time.thread_time()
                try:
                    values: Sequence[Any] = _infer(live)
                except Exception as error:  # Whatever a backend raises belongs to the requests, never to the thread.
                    values = [error] * len(live)
                inference_s = time.perf_counter() - start
                waited = [max(0.0, start - job.submitted) for job in live]
                if live[0].predict is not None:
                    took_s = self._took_s.setdefault(live[0].predict, {})
                    took_s[images.bit_length()] = time.thread_time() - worked_s
                self._observe(images, max(waited), inference_s)
                self._job_s = 0.9 * self._job_s + 0.1 * inference_s / len(live)
                for job, value, queued_s in zip(live, values, waited, strict=True):
                    failed = isinstance(value, Exception)
                    results.append((job, value if failed else Answer(value, queued_s, inference_s, images)))
            batch[0].future.get_loop().call_soon_threadsafe(self._deliver, results)

    def _next_batch(self) -> list[_Job] | None:
        """Wait for a job, and take along what may share its inference. None ends the thread."""
        first = self._held or self._jobs.get()
        self._held = None
        if first is None or first.images is None:
            return None if first is None else [first]
        batch, images = [first], len(first.images)
        until = first.submitted + self._limits.linger_s
        while images < self._limits.batch:
            wait = until - time.perf_counter()
            try:
                job = self._jobs.get(timeout=wait) if wait > 0 else self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            if job.images is None or job.predict is not first.predict or images + len(job.images) > self._limits.batch:
                self._held = job
                break
            batch.append(job)
            images += len(job.images)
        return batch

    def _deliver(self, results: list[tuple[_Job, Any]]) -> None:
        for job, result in results:
            self._waiting -= 1
            # A client that went away has cancelled its future.
            if not job.future.done():
                if isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)


def _infer(jobs: list[_Job]) -> list[Any]:
    """The value of each job; jobs that share a batch share one call."""
    first = jobs[0]
    if first.call is not None:
        return [first.call()]
    assert first.predict is not None
    arrays = [job.images for job in jobs if job.images is not None]
    columns = first.predict(arrays[0] if len(arrays) == 1 else np.concatenate(arrays))
    ends = np.cumsum([len(array) for array in arrays]).tolist()
    return [
        tuple(column[end - len(array) : end] for column in columns) for array, end in zip(arrays, ends, strict=True)
    ]
