from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from govid.config import Settings
from govid.errors import InvalidSettings
from server.access.settings import AccessSettings
from server.app import create_app
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from server.tracing import Tracing, from_environment
from tests.support import OBAMA, OBAMA_LATER, ROOT


@pytest.fixture
def traced(settings: Settings) -> Iterator[tuple[TestClient, InMemorySpanExporter]]:  # type: ignore[type-arg]
    """A server in this process whose spans are kept in memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    metrics, access = Metrics(), AccessSettings()
    service = Service(settings, ServerSettings(), metrics, access)
    service.tracing = Tracing(provider)
    app = create_app(settings, service=service, metrics=metrics, access=access)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        service._loader.join()
        yield client, exporter


def test_a_request_is_a_span_with_its_stages_below(traced: tuple[TestClient, InMemorySpanExporter]) -> None:  # type: ignore[type-arg]
    client, exporter = traced
    client.post("/v1/subjects", data={"subject_id": "citizen-17"}, files={"photo": OBAMA})
    exporter.clear()
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    reply = client.post(
        "/v1/verify?subject_id=citizen-17",
        headers={"traceparent": parent, "content-type": "application/octet-stream"},
        content=OBAMA_LATER,
    )
    assert reply.status_code == 200, reply.text
    spans = exporter.get_finished_spans()
    (root,) = [span for span in spans if span.name == "POST /v1/verify"]
    assert dict(root.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/verify",
        "http.response.status_code": 200,
        "govid.request_id": reply.json()["request_id"],
        "govid.use_case": "general",
    }
    assert f"{root.context.trace_id:032x}" == "a" * 32
    assert root.parent is not None
    below = [span for span in spans if span.parent and span.parent.span_id == root.context.span_id]
    assert [span.name for span in below] == ["queue", *reply.json()["stages"]]
    for span in below:
        assert begin(root) <= begin(span) <= end(span) <= end(root)
    said = json.dumps([json.loads(span.to_json()) for span in spans])
    for secret in ("citizen-17", "local", str(reply.json()["score"])):
        assert secret not in said


def test_who_was_not_let_in_hangs_no_trace_above(traced: tuple[TestClient, InMemorySpanExporter]) -> None:  # type: ignore[type-arg]
    client, exporter = traced
    client.get("/healthz", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    client.get("/v1/nowhere", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    client.get("/v1/models", headers={"traceparent": "no trace at all"})
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans if span.parent is None] == [
        "GET /healthz",
        "- unmatched",
        "GET /v1/models",
    ]


def begin(span: ReadableSpan) -> int:
    assert span.start_time is not None
    return span.start_time


def end(span: ReadableSpan) -> int:
    assert span.end_time is not None
    return span.end_time


def test_neither_tracer_nor_exporter_is_imported_when_it_is_off() -> None:
    program = (
        "import sys, server.app; server.app.create_app();"
        # Litestar's own look at the names of attributes apart, where they are installed.
        "sys.exit(any(name.startswith(('opentelemetry.sdk', 'opentelemetry.trace', 'opentelemetry.exporter'))"
        " for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_the_exporter_is_named_by_its_own_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(InvalidSettings, match="known are otlp and console"):
        from_environment()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracing = from_environment()
    tracing.close()


def test_where_it_is_not_installed_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InvalidSettings, match="pip install opentelemetry-sdk"):
        from_environment()
