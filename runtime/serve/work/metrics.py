"""What Prometheus scrapes: base units, `_total` on counters (Prometheus naming conventions).

Plain numbers, which prometheus_client writes out when it is asked for them. Its own counters take a lock at every step:
some forty microseconds a request.
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import Any

from edgepress.base.extras import require

__all__ = ["Metrics"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class _Histogram:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = (*bounds, math.inf)
        self._counts = [0] * len(self._bounds)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, int]]:
        """Upper bound as text, and how many values were up to it."""
        bounds = ["+Inf" if math.isinf(bound) else str(float(bound)) for bound in self._bounds]
        return list(zip(bounds, accumulate(self._counts), strict=True))


class Metrics:
    """The counters of one server. One thread at a time may write."""

    def __init__(self) -> None:
        self._prometheus = require("prometheus_client", extra="serve")
        self._registry = self._prometheus.CollectorRegistry()
        self._prometheus.ProcessCollector(registry=self._registry)
        self._registry.register(self)
        self.in_progress = 0
        self.waiting: Callable[[], int] = int
        """Requests that wait for inference or are inferred."""
        self.reloads: Counter[str] = Counter()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._seconds: defaultdict[str, _Histogram] = defaultdict(partial(_Histogram, _SECONDS))
        self._batch_images = _Histogram(_IMAGES)
        self._queue_seconds = _Histogram(_SECONDS)
        self._inference_seconds = _Histogram(_SECONDS)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request is answered."""
        self._requests[method, route, str(status)] += 1
        self._seconds[route].observe(seconds)

    def observe_batch(self, images: int, queue_s: float, inference_s: float) -> None:
        """One inference is done."""
        self._batch_images.observe(images)
        self._queue_seconds.observe(queue_s)
        self._inference_seconds.observe(inference_s)

    def text(self) -> bytes:
        """The exposition, format 0.0.4."""
        text: bytes = self._prometheus.generate_latest(self._registry)
        return text

    def collect(self) -> Iterator[Any]:
        """What prometheus_client asks a collector for: its metric families."""
        core = require("prometheus_client.core", extra="serve")
        counter, gauge = core.CounterMetricFamily, core.GaugeMetricFamily
        requests = counter("http_requests", "Answered requests.", labels=["method", "route", "status"])
        for labels, count in self._requests.items():
            requests.add_metric(labels, count)
        yield requests
        seconds = core.HistogramMetricFamily(
            "http_request_duration_seconds", "From the headers to the answer.", labels=["route"]
        )
        for route, histogram in self._seconds.items():
            seconds.add_metric([route], histogram.buckets(), histogram.sum)
        yield seconds
        yield gauge("http_requests_in_progress", "Requests that are being answered.", self.in_progress)
        yield counter("edgepress_images", "Images inferred.", self._batch_images.sum)
        for name, text, histogram in (
            ("edgepress_batch_images", "Images in one inference.", self._batch_images),
            ("edgepress_queue_duration_seconds", "Longest wait in a batch.", self._queue_seconds),
            ("edgepress_inference_duration_seconds", "One inference.", self._inference_seconds),
        ):
            yield core.HistogramMetricFamily(name, text, histogram.buckets(), histogram.sum)
        yield gauge("edgepress_queue_requests", "Requests that wait or are inferred.", self.waiting())
        reloads = counter("edgepress_bundle_reloads", "New bundles seen.", labels=["result"])
        for result, count in self.reloads.items():
            reloads.add_metric([result], count)
        yield reloads
