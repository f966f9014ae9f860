"""Throughput, lone latency and overload of `edgepress serve`, against the bare model in the same run.

    python -m edgepress.benchmarks.studies.server.load BUNDLE --out docs/serve-load.json

Rounds are interleaved: bare model, server, bare model, ... The bare model is `Model.predict` on batches of 256 uint8
images in one thread; the server gets the same batches as raw bodies and answers float32 probabilities.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from edgepress.runtime import Model, load

from .serving import closed_loop, open_loop, post, publish, random_images, start_server

__all__ = ["measure"]

_RAW = "application/octet-stream"
_BATCH = 256
# The reference backend, so that inference is what the overload round waits for, not the client's own work.
_OVERLOAD_BACKEND = "numpy"
_OVERLOAD_CLIENTS = 128
# An inference long enough to wait for in the queue on a quick processor too; shorter ones are answered at once.
_OVERLOAD_BATCH = 2048


def measure(bundle: str, *, rounds: int, seconds: float, clients: int, timeout_s: float) -> dict[str, Any]:
    """All figures; throughputs are images a second, medians over the rounds."""
    images = random_images(_BATCH)
    batch = [post("/v1/predict", images.tobytes(), accept=_RAW)]
    lone = [post("/v1/predict", images[0].tobytes())]
    bare, served, ratios, lone_p50, lone_p99 = [], [], [], [], []
    with load(bundle) as model, start_server(bundle, answer_s=timeout_s) as server:
        closed_loop(server.port, batch, clients, 1.0)
        for _ in range(rounds):
            bare.append(_bare_throughput(model, images, seconds))
            answers = closed_loop(server.port, batch, clients, seconds)
            assert set(answers.statuses) == {200}, answers.statuses
            served.append(answers.statuses[200] * _BATCH / answers.seconds)
            ratios.append(served[-1] / bare[-1])
            answers = closed_loop(server.port, lone, 1, seconds)
            lone_p50.append(answers.quantile_ms(0.5))
            lone_p99.append(answers.quantile_ms(0.99))
        artifact, backend = model.artifact.file, model.backend
    overload = _overload(bundle, clients, seconds * rounds, timeout_s)
    return {
        "artifact": artifact,
        "backend": backend,
        "clients": clients,
        "rounds": rounds,
        "bare_images_per_s": round(statistics.median(bare)),
        "served_images_per_s": round(statistics.median(served)),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "lone_p50_ms": round(statistics.median(lone_p50), 3),
        "lone_p99_ms": round(statistics.median(lone_p99), 3),
        "overload": overload,
    }


def _bare_throughput(model: Model, images: Any, seconds: float) -> float:
    start, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        model.predict(images)
        done += len(images)
    return done / passed


def _overload(bundle: str, clients: int, seconds: float, timeout_s: float) -> dict[str, Any]:
    """Three times what the server can do: answers stay under the time limit, the rest are 503."""
    batch = [post("/v1/predict", random_images(_OVERLOAD_BATCH).tobytes(), accept=_RAW)]
    with start_server(bundle, backend=_OVERLOAD_BACKEND, answer_s=timeout_s) as server:
        closed = closed_loop(server.port, batch, clients, seconds / 3)
        capacity = closed.statuses[200] / closed.seconds
        answers = open_loop(server.port, batch, _OVERLOAD_CLIENTS, seconds, 3 * capacity)
    return {
        "backend": _OVERLOAD_BACKEND,
        "images_a_request": _OVERLOAD_BATCH,
        "capacity_per_s": round(capacity, 1),
        "offered_per_s": round(3 * capacity, 1),
        "sent_per_s": round(answers.statuses.total() / answers.seconds, 1),
        "statuses": {str(status): count for status, count in sorted(answers.statuses.items())},
        "time_limit_s": timeout_s,
        "answered_max_s": round(max(answers.answered_s, default=0.0), 3),
        "answered_from_due_max_s": round(max(answers.latencies_s, default=0.0), 3),
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=2.0, help="the server's time limit, seconds")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = measure(
        arguments.bundle,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        clients=arguments.clients,
        timeout_s=arguments.timeout,
    )
    publish(result, arguments.out)


if __name__ == "__main__":
    _main()
