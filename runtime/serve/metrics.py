"""What Prometheus scrapes: base units, `_total` on counters (Prometheus naming conventions)."""

from ..extras import require

__all__ = ["Metrics"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        prometheus = require("prometheus_client", extra="serve")
        self._prometheus = prometheus
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        counter, gauge, histogram = prometheus.Counter, prometheus.Gauge, prometheus.Histogram
        own = {"registry": self.registry}
        self.requests = counter("http_requests_total", "Answered requests.", ["method", "route", "status"], **own)
        self.seconds = histogram(
            "http_request_duration_seconds", "From the headers to the answer.", ["route"], buckets=_SECONDS, **own
        )
        self.in_progress = gauge("http_requests_in_progress", "Requests that are being answered.", **own)
        self.images = counter("edgepress_images_total", "Images inferred.", **own)
        self.batch_images = histogram("edgepress_batch_images", "Images in one inference.", buckets=_IMAGES, **own)
        self.queue_seconds = histogram(
            "edgepress_queue_duration_seconds", "Longest wait in a batch.", buckets=_SECONDS, **own
        )
        self.inference_seconds = histogram(
            "edgepress_inference_duration_seconds", "One inference.", buckets=_SECONDS, **own
        )
        self.waiting = gauge("edgepress_queue_requests", "Requests that wait or are inferred.", **own)
        self.reloads = counter("edgepress_bundle_reloads_total", "New bundles seen.", ["result"], **own)

    def observe_batch(self, images: int, queue_s: float, inference_s: float) -> None:
        """One inference is done."""
        self.images.inc(images)
        self.batch_images.observe(images)
        self.queue_seconds.observe(queue_s)
        self.inference_seconds.observe(inference_s)

    def text(self) -> bytes:
        """The exposition, format 0.0.4."""
        text: bytes = self._prometheus.generate_latest(self.registry)
        return text
