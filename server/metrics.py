"""What an SRE sees at /metrics. Names and labels are an interface; no label holds a subject or a photo."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from govid import __version__
from server.gallery_metrics import GalleryCollector

# Seconds. From a quarter of a millisecond, a template comparison, to a search that waited in the queue.
BUCKETS = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015,
    0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5,
)  # fmt: skip


class Metrics:
    """The metrics of one server process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "govid_http_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.duration = Histogram(
            "govid_http_request_duration_seconds",
            "Time from the first byte of a request to its last.",
            ["route"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.stage = Histogram(
            "govid_stage_duration_seconds",
            "Time of one pipeline stage.",
            ["operation", "stage"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.decisions = Counter(
            "govid_decisions", "Decisions given.", ["operation", "use_case", "decision"], registry=registry
        )
        self.refusals = Counter(
            "govid_refusals",
            "Photos refused, by reason and slug.",
            ["operation", "reason", "slug"],
            registry=registry,
        )
        self.gallery = GalleryCollector()
        registry.register(self.gallery)
        self.left_out = Gauge(
            "govid_gallery_left_out_references",
            "References at start that no search covers, because another model made them.",
            registry=registry,
        )
        self.waiting = Gauge(
            "govid_requests_waiting", "Requests waiting for or held by a worker.", registry=registry
        )
        self.ready = Gauge(
            "govid_ready", "1 once models are warm and the gallery is loaded.", registry=registry
        )
        # prometheus-client looks a child up under a lock, at a cost that seven of them per request show.
        self.requests_of = cache(self.requests.labels)
        self.duration_of = cache(self.duration.labels)
        self.stage_of = cache(self.stage.labels)
        self.decisions_of = cache(self.decisions.labels)
        self.build = Info("govid_build", "Version of this server.", registry=registry)
        self.build.info({"version": __version__})
        self.model = Info("govid_model", "The embedder in use.", registry=registry)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
