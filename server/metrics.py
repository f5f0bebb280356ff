"""What an SRE sees at /metrics. Names and labels are an interface (docs/sre.md); no label holds a subject."""

from __future__ import annotations

from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from govid import __version__
from server.gallery_metrics import GalleryCollector

# Seconds. From a quarter of a millisecond, a template comparison, to a search that waited in the queue.
BUCKETS = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015,
    0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5,
)  # fmt: skip
# Cosines. Strangers lie around 0.1 to 0.3, mates around 0.7; thresholds of use cases between 0.4 and 0.6.
SCORE_BUCKETS = (-0.2, 0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1)


# When each series began: twice the series, and nothing here asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one server process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        # --- requests: rate, errors, duration ---------------------------------------------------------
        self.requests = Counter(
            "govid_http_requests",
            "Requests answered; use_case is empty where the route has none.",
            ["route", "method", "status", "use_case"],
            registry=registry,
        )
        self.duration = Histogram(
            "govid_http_request_duration_seconds",
            "Time from the first byte of a request to its last.",
            ["route", "use_case"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.problems = Counter(
            "govid_problems", "Requests answered with a problem, by its slug.", ["slug"], registry=registry
        )
        # From zero, so that the first one is an increase.
        for slug in (
            "internal-error",
            "overloaded",
            "store-unavailable",
            "storage-full",
            "gallery-unavailable",
        ):
            self.problems.labels(slug)
        self.stage = Histogram(
            "govid_stage_duration_seconds",
            "Time of one pipeline stage.",
            ["operation", "stage"],
            buckets=BUCKETS,
            registry=registry,
        )
        # --- what was decided -------------------------------------------------------------------------
        self.decisions = Counter(
            "govid_decisions", "Decisions given.", ["operation", "use_case", "decision"], registry=registry
        )
        self.refusals = Counter(
            "govid_refusals",
            "Photos refused, by reason and slug.",
            ["operation", "reason", "slug"],
            registry=registry,
        )
        self.scores = Histogram(
            "govid_comparison_score",
            "Highest comparison score (cosine) of each MATCH and INCONCLUSIVE, whoever may see it.",
            ["operation", "use_case"],
            buckets=SCORE_BUCKETS,
            registry=registry,
        )
        self.non_mated = Counter(
            "govid_nonmated_comparisons",
            "Probes of verifications compared with random references of other subjects.",
            ["use_case"],
            registry=registry,
        )
        self.non_mated_above = Counter(
            "govid_nonmated_above",
            "Those of them whose score reached the threshold that the calibration gives for this FMR.",
            ["use_case", "fmr"],
            registry=registry,
        )
        self.non_mated_matches = Counter(
            "govid_nonmated_matches",
            "Those of them that the use case would have called a MATCH.",
            ["use_case"],
            registry=registry,
        )
        self.allowed_fmr = Gauge(
            "govid_use_case_fmr",
            "False match rate that the use case allows.",
            ["use_case"],
            registry=registry,
        )
        # --- saturation -------------------------------------------------------------------------------
        self.waiting = Gauge(
            "govid_requests_waiting", "Requests waiting for or held by a worker.", registry=registry
        )
        self.capacity = Gauge(
            "govid_requests_capacity", "Requests that may wait for or be held by a worker.", registry=registry
        )
        self.workers = Gauge("govid_workers", "Requests computed at once.", registry=registry)
        self.queued = Histogram(
            "govid_queue_wait_seconds",
            "Time between a request's body and its worker.",
            ["queue"],
            buckets=BUCKETS,
            registry=registry,
        )
        # --- dependencies and chores, looked at every few seconds -------------------------------------
        self.ready = Gauge(
            "govid_ready", "1 where the last look found all that an answer needs.", registry=registry
        )
        self.dependency = Gauge(
            "govid_dependency_up",
            "1 where /readyz says ok, as of the last look.",
            ["dependency"],
            registry=registry,
        )
        self.looked = Gauge(
            "govid_last_look_timestamp_seconds",
            "When the server last looked at its dependencies (Unix time).",
            registry=registry,
        )
        self.store_ping = Gauge(
            "govid_store_ping_seconds", "Time of a query that reads one row.", registry=registry
        )
        self.unsigned_rows = Gauge(
            "govid_audit_unsigned_rows", "Audit rows behind the last signed checkpoint.", registry=registry
        )
        self.unsigned_seconds = Gauge(
            "govid_audit_unsigned_seconds", "Age of the oldest of them; 0 without any.", registry=registry
        )
        self.checkpoint_seconds = Gauge(
            "govid_audit_checkpoint_interval_seconds",
            "Seconds between signed checkpoints.",
            registry=registry,
        )
        self.webhook_waiting = Gauge(
            "govid_webhook_waiting", "Announcements that nobody has received yet.", registry=registry
        )
        self.webhook_seconds = Gauge(
            "govid_webhook_oldest_seconds", "Age of the oldest of them; 0 without any.", registry=registry
        )
        self.chore_failures = Counter(
            "govid_chore_failures",
            "Background work that failed, by slug.",
            ["chore", "slug"],
            registry=registry,
        )
        self.chore_failures.labels("checkpoints", "audit-broken")
        self.disk_free = Gauge(
            "govid_disk_free_bytes", "Free space under the data folder.", registry=registry
        )
        self.disk_size = Gauge("govid_disk_size_bytes", "Size of that file system.", registry=registry)
        self.expiry = Gauge(
            "govid_expiry_timestamp_seconds",
            "When the server's certificate, or the first API key still valid, ends (Unix time).",
            ["what"],
            registry=registry,
        )
        # --- gallery and what runs here ---------------------------------------------------------------
        self.gallery = GalleryCollector()
        registry.register(self.gallery)
        self.gallery_lag = Gauge(
            "govid_gallery_lag_changes",
            "Changes of the records that no search covers yet.",
            registry=registry,
        )
        self.left_out = Gauge(
            "govid_gallery_left_out_references",
            "References at start that no search covers, because another model made them.",
            registry=registry,
        )
        self.build = Info("govid_build", "Version of this server.", registry=registry)
        self.build.info({"version": __version__})
        self.model = Info("govid_model", "The embedder in use.", registry=registry)
        ProcessCollector(registry=registry)
        # prometheus-client looks a child up under a lock, at a cost that seven of them per request show.
        self.requests_of = cache(self.requests.labels)
        self.duration_of = cache(self.duration.labels)
        self.stage_of = cache(self.stage.labels)
        self.decisions_of = cache(self.decisions.labels)
        self.scores_of = cache(self.scores.labels)
        self.queued_of = cache(self.queued.labels)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
