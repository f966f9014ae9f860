import asyncio
import threading
import time

import numpy as np
import pytest

from edgepress.runtime.serve.work import batching
from edgepress.runtime.serve.work.batching import InferenceQueue
from edgepress.runtime.serve.work.options import Limits
from edgepress.runtime.serve.work.problems import Problem


class Predictor:
    """Answers with each image's first pixel; waits for `gate` before it answers."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.batches = []

    def __call__(self, images):
        self.started.set()
        assert self.gate.wait(10)
        self.batches.append(len(images))
        first = images.reshape(len(images), -1)[:, 0]
        return first.astype(str), np.repeat(first[:, None], 10, axis=1).astype(np.float32)


def images(*firsts):
    return np.repeat(np.array(firsts, np.uint8)[:, None], 784, axis=1).reshape(-1, 28, 28)


def run(test, **limits):
    """Run `test(queue)` in an event loop, and close the queue."""

    async def main():
        queue = InferenceQueue(Limits(**limits))
        try:
            return await asyncio.wait_for(test(queue), 20)
        finally:
            await queue.close()

    return asyncio.run(main())


async def behind_a_closed_gate(queue, predict, *requests):
    """Start one request that holds the thread, then the others behind it; returns their tasks."""
    predict.gate.clear()
    tasks = [asyncio.create_task(queue.predict(predict, images(0)))]
    await asyncio.to_thread(predict.started.wait, 10)
    tasks += [asyncio.create_task(queue.predict(predict, request)) for request in requests]
    await asyncio.sleep(0.01)
    return tasks


def test_requests_that_wait_together_are_inferred_together_and_each_gets_its_own_rows():
    predict = Predictor()

    async def test(queue):
        tasks = await behind_a_closed_gate(queue, predict, images(1, 2), images(3), images(4, 5, 6))
        predict.gate.set()
        return [(await task).value for task in tasks]

    answers = run(test)
    assert predict.batches == [1, 6]
    assert [labels.tolist() for labels, _ in answers] == [["0"], ["1", "2"], ["3"], ["4", "5", "6"]]
    assert answers[3][1][:, 0].tolist() == [4, 5, 6]


def test_a_batch_takes_no_more_images_than_allowed():
    predict = Predictor()

    async def test(queue):
        tasks = await behind_a_closed_gate(queue, predict, *(images(i, i) for i in range(1, 6)))
        predict.gate.set()
        return [(await task).value[0].tolist() for task in tasks[1:]]

    assert run(test, batch=4) == [[str(i)] * 2 for i in range(1, 6)]
    assert predict.batches == [1, 4, 4, 2]


def test_requests_for_different_models_are_never_put_together():
    first, second = Predictor(), Predictor()

    async def test(queue):
        tasks = await behind_a_closed_gate(queue, first, images(1))
        tasks.append(asyncio.create_task(queue.predict(second, images(2))))
        await asyncio.sleep(0.01)
        first.gate.set()
        return [(await task).value[0].tolist() for task in tasks]

    assert run(test) == [["0"], ["1"], ["2"]]
    assert (first.batches, second.batches) == ([1, 1], [1])


def test_a_full_queue_refuses_with_503_and_says_when_to_come_back():
    predict = Predictor()

    async def test(queue):
        tasks = await behind_a_closed_gate(queue, predict, images(1))
        with pytest.raises(Problem) as refused:
            await queue.predict(predict, images(2))
        predict.gate.set()
        await asyncio.gather(*tasks)
        return refused.value

    refused = run(test, queue=2)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert "2 requests wait" in refused.detail


def test_a_request_that_waited_too_long_is_refused_instead_of_inferred():
    predict = Predictor()

    async def test(queue):
        tasks = await behind_a_closed_gate(queue, predict, images(1))
        await asyncio.sleep(1.2)
        predict.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answered, late = run(test, answer_s=1.0)
    assert answered.value[0].tolist() == ["0"]
    assert late.status == 503
    assert predict.batches == [1]


def test_an_error_of_the_model_reaches_its_requests_and_the_thread_goes_on():
    def broken(images):
        raise RuntimeError("no such kernel")

    async def test(queue):
        with pytest.raises(RuntimeError, match="no such kernel"):
            await queue.predict(broken, images(1))
        return (await queue.predict(Predictor(), images(7))).value[0].tolist()

    assert run(test) == ["7"]


def test_lingering_waits_for_company_up_to_the_set_time_and_not_at_all_by_default():
    predict = Predictor()

    async def test(queue):
        start = time.perf_counter()
        first = asyncio.create_task(queue.predict(predict, images(1)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(queue.predict(predict, images(2)))
        await asyncio.gather(first, second)
        return time.perf_counter() - start

    assert run(test, linger_s=0.4) >= 0.4
    assert predict.batches == [2]
    predict.batches.clear()
    run(test)
    assert predict.batches == [1, 1]


def test_closing_finishes_what_waits():
    predict = Predictor()

    async def main():
        queue = InferenceQueue(Limits())
        tasks = await behind_a_closed_gate(queue, predict, images(1), images(2))
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0.02)
        predict.gate.set()
        await closing
        return [(await task).value[0].tolist() for task in tasks]

    assert asyncio.run(main()) == [["0"], ["1"], ["2"]]


def test_a_request_whose_client_left_does_not_disturb_the_others():
    predict = Predictor()

    async def test(queue):
        tasks = await behind_a_closed_gate(queue, predict, images(1), images(2))
        tasks[1].cancel()
        predict.gate.set()
        return (await tasks[2]).value[0].tolist(), queue.waiting

    assert run(test) == (["2"], 0)


@pytest.mark.parametrize(("limit_s", "threads"), [(60, ["inference", "MainThread"]), (0, ["inference"] * 2)])
def test_short_inference_runs_in_the_event_loop_once_it_is_known_to_be_short(monkeypatch, limit_s, threads):
    monkeypatch.setattr(batching, "_SHORT_S", limit_s)
    ran = []

    def predict(images):
        ran.append(threading.current_thread().name)
        return Predictor()(images)

    async def test(queue):
        for _ in range(2):
            assert (await queue.predict(predict, images(7))).value[0].tolist() == ["7"]

    run(test)
    assert ran == threads


def test_short_inference_waits_its_turn_where_others_wait(monkeypatch):
    monkeypatch.setattr(batching, "_SHORT_S", 60)
    predict = Predictor()

    async def test(queue):
        await queue.predict(predict, images(0))
        gate = threading.Event()
        tasks = [asyncio.create_task(queue.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0.01)
        first = asyncio.create_task(queue.predict(predict, images(1)))
        second = asyncio.create_task(queue.predict(predict, images(2)))
        await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(*tasks, first, second)

    run(test)
    assert predict.batches == [1, 2]
