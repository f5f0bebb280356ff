"""OpenTelemetry: a span per request and one per stage, made after the reply from times noted on the way.

Its tracer and exporter are imported only where the setting ``tracing`` is on. Where spans go and how many are
kept is said by its own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER``,
``OTEL_SERVICE_NAME``, ``OTEL_BSP_*``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from govid import __version__
from govid.callers import ANYBODY
from govid.errors import InvalidSettings
from govid.timing import Span, recorded

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

R = TypeVar("R")


class Tracing:
    """Makes the spans of one server process."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._provider = provider
        self._tracer = provider.get_tracer("govid", __version__)
        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()

    def noted(self, state: dict[str, Any], call: Callable[[], R]) -> Callable[[], R]:
        """``call``, whose stages are noted in the state of its request."""
        submitted = time.perf_counter()

        def noting() -> R:
            begun = time.perf_counter()
            with recorded() as spans:
                try:
                    return call()
                finally:
                    state["spans"] = [Span("queue", submitted, begun), *spans]

        return noting

    def request(
        self,
        scope: Any,  # noqa: ANN401 - an ASGI scope with its server's own keys
        route: str,
        method: str,
        status: int,
        start: float,
        use_case: str,
    ) -> None:
        """Make the spans of a request that began at ``start`` (seconds of ``time.perf_counter``)."""
        epoch = time.time_ns() - time.perf_counter_ns()

        def at(seconds: float) -> int:
            return epoch + int(seconds * 1e9)

        state = scope["state"]
        # Nothing here is about a person: no subject, no caller, no address, no query, no score.
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "govid.request_id": state["request_id"],
            **({"govid.use_case": use_case} if use_case else {}),
            **({"error.type": state["problem"].slug} if status >= 500 and "problem" in state else {}),
        }
        span = self._tracer.start_span(
            f"{method} {route}",
            context=self._parent(scope),
            kind=self._trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=at(start),
        )
        if status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        within = self._trace.set_span_in_context(span)
        stages: Sequence[Span] = state.get("spans", ())
        for name, begun, ended in stages:
            child = self._tracer.start_span(name, context=within, start_time=at(begun))
            child.end(at(ended))
        span.end()

    def _parent(self, scope: Any) -> Any:  # noqa: ANN401 - a context of OpenTelemetry, None for a new trace
        # A caller that was let in may hang its own trace above; others must not decide what is sampled.
        caller = scope["state"].get("caller")
        if caller is None or caller is ANYBODY:
            return None
        wanted = {b"traceparent", b"tracestate"}
        carrier = {
            name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in wanted
        }
        return self._propagator.extract(carrier) if carrier else None

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def from_environment() -> Tracing:
    """Tracing with the exporter that OpenTelemetry's variables name.

    Raises:
        InvalidSettings: OpenTelemetry is not installed, or an unknown exporter is asked for.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    if exporter not in {"otlp", "console"}:
        raise InvalidSettings(f"OTEL_TRACES_EXPORTER: {exporter}, known are otlp and console")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415
    except ImportError:
        raise InvalidSettings(
            "tracing: OpenTelemetry is not installed: "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        ) from None
    # The variables come before what is said here.
    name = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "govid"}
    provider = TracerProvider(resource=Resource.create({**name, "service.version": __version__}))
    made = OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(made))
    return Tracing(provider)
