"""Ten minutes at 80 % of capacity with requests of every kind: no error, no wrong answer, no growth of memory.

    python -m edgepress.benchmarks.studies.server.soak BUNDLE --minutes 10 --out docs/serve-soak.json

Capacity is measured first, with the same mix, by clients that ask again as soon as they are answered. Memory is that of
the server process, from the end of the first tenth (caches are warm by then) to the end. What long bodies take while
they wait (`--many-bytes`) is there in both halves of that time, and a leak grows from the first to the second. Exit
status 1 when it fails.
"""

import argparse
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .mix import MANY_BYTES, Mix
from .serving import Server, closed_loop, open_loop, publish, start_server

__all__ = ["failures", "soak"]

_GROWTH_BYTES = 2_500_000
"""From the most in the first half to the most in the second."""
_CURVE = 24
_CAPACITY_S = 5.0


def soak(bundle: str, *, seconds: float, share: float, clients: int, many_bytes: int = MANY_BYTES) -> dict[str, Any]:
    """Drive a server of its own at `share` of its capacity for `seconds`."""
    mix = Mix.of(bundle, many_bytes)
    samples: list[tuple[float, int]] = []
    with start_server(bundle) as server:
        closed = closed_loop(server.port, mix.requests, clients, min(_CAPACITY_S, seconds / 3))
        capacity = closed.statuses[200] / closed.seconds
        done = threading.Event()
        watch = threading.Thread(target=_watch_memory, args=(server, samples, done, seconds / 200))
        watch.start()
        answers = open_loop(
            server.port,
            mix.requests,
            clients * 4,
            seconds,
            share * capacity,
            mix.right,
        )
        done.set()
        watch.join()
    warm = [rss for at, rss in samples if at >= seconds / 10]
    half = len(warm) // 2
    return {
        "longest_request_bytes": max(map(len, mix.requests)),
        "seconds": round(answers.seconds, 1),
        "capacity_per_s": round(capacity, 1),
        "offered_per_s": round(share * capacity, 1),
        "requests": answers.statuses.total(),
        "statuses": {str(status): count for status, count in sorted(answers.statuses.items())},
        "wrong_answers": answers.wrong,
        "sent_per_s": round(answers.statuses.total() / answers.seconds, 1),
        "answered_ms": {
            "p50": round(statistics.median(answers.answered_s) * 1e3, 3),
            "p99": round(statistics.quantiles(answers.answered_s, n=100)[98] * 1e3, 3),
        },
        "rss_start_bytes": warm[0],
        "rss_end_bytes": warm[-1],
        "rss_growth_bytes": max(warm) - warm[0],
        "rss_late_growth_bytes": max(warm[half:]) - max(warm[:half]),
        "rss_curve_mb": [round(rss / 1e6, 1) for _, rss in samples[:: max(1, len(samples) // _CURVE)]],
    }


def failures(result: dict[str, Any]) -> list[str]:
    """What the soak shows that it must not, one line each."""
    found = []
    if set(result["statuses"]) != {"200"}:
        found.append(f"statuses {result['statuses']}: 200 alone is allowed")
    if result["wrong_answers"]:
        found.append(f"{result['wrong_answers']} wrong answers: none is allowed")
    if result["rss_late_growth_bytes"] > _GROWTH_BYTES:
        found.append(f"memory grew by {result['rss_late_growth_bytes']} bytes: {_GROWTH_BYTES} are allowed")
    return found


def _watch_memory(server: Server, samples: list[tuple[float, int]], done: threading.Event, every_s: float) -> None:
    start = time.perf_counter()
    while not done.wait(every_s):
        samples.append((time.perf_counter() - start, server.rss_bytes()))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--many-bytes", type=int, default=MANY_BYTES, help="of the longest raw batch")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = soak(
        arguments.bundle,
        seconds=60 * arguments.minutes,
        share=arguments.share,
        clients=arguments.clients,
        many_bytes=arguments.many_bytes,
    )
    result |= {"failures": failures(result)}
    publish(result, arguments.out)
    sys.exit(bool(result["failures"]))


if __name__ == "__main__":
    _main()
