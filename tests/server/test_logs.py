from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from govid.callers import ANYBODY, LOCAL
from server import logs, scarce
from server.errors import Overloaded
from tests import support
from tests.support import OBAMA, OBAMA_LATER


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "server.log").read_text().splitlines()]


def test_each_request_has_one_json_line_with_its_id(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_LOG_FORMAT="json") as (client, _):
        client.post("/v1/subjects", data={"subject_id": "citizen-17"}, files={"photo": OBAMA})
        asked = {"subject_id": "citizen-17", "use_case": "hotel_checkin"}
        verified = client.post("/v1/verify", data=asked, files={"photo": OBAMA_LATER}).json()
        client.get("/v1/subjects/citizen-17", params={"secret": "query-4711"})
        refused = client.post("/v1/verify", data={"subject_id": "citizen-17"}, files={"photo": b"x"}).json()
    found = {line["request_id"]: line for line in lines(folder) if line["logger"] == "govid.requests"}
    line = found[verified["request_id"]]
    assert line.pop("ms") > 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "govid.requests",
        "message": "request",
        "request_id": verified["request_id"],
        "route": "/v1/verify",
        "method": "POST",
        "status": 200,
        "use_case": "hotel_checkin",
        "caller": "local",
    }
    assert found[refused["request_id"]]["slug"] == "photo-not-an-image"
    assert "/v1/subjects/{subject_id}" in {line["route"] for line in found.values()}
    assert all(line["status"] == 503 for line in found.values() if line["route"] == "/readyz")
    log = (folder / "server.log").read_text()
    assert "citizen-17" not in log
    assert "query-4711" not in log


def test_an_error_is_one_json_line_with_its_traceback_and_without_variables(tmp_path: Path) -> None:
    program = """
import logging
from server import logs
logs.configure("info", "json")
def fail(photo):
    raise ValueError("broken")
try:
    fail("a-photo-of-somebody" * 2)
except ValueError as error:
    logging.getLogger("govid.server").error("request %s", "r1", exc_info=error, extra={"request_id": "r1"})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (line,) = [json.loads(text) for text in done.stderr.splitlines()]
    assert (line["level"], line["request_id"], line["message"]) == ("error", "r1", "request r1")
    assert "ValueError: broken" in line["exception"]
    assert "a-photo-of-somebodya-photo" not in done.stderr


@pytest.fixture
def kept() -> Iterator[list[str]]:
    """The lines of the log of requests."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    handler = Keep()
    before = logs.requests.level
    logs.requests.addHandler(handler)
    logs.requests.setLevel(logging.INFO)
    yield found
    logs.requests.removeHandler(handler)
    logs.requests.setLevel(before)


def test_a_flood_of_strangers_and_of_refused_ones_has_few_lines(
    kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(scarce.time, "monotonic", lambda: now)
    log = logs.RequestLog()
    nobody: list[dict[str, Any]] = [
        {"request_id": "r"},
        {"request_id": "r", "caller": ANYBODY},
        {"request_id": "r", "caller": LOCAL, "problem": Overloaded(1)},
    ]
    for n in range(300):
        log(nobody[n % 3], "/v1/verify", "POST", 503, 0.001, "")
    assert len(kept) == scarce.PER_SECOND
    log({"request_id": "known", "caller": LOCAL}, "/v1/verify", "POST", 200, 0.001, "general")
    assert kept[-1].endswith(f"unlogged={300 - scarce.PER_SECOND}")
    now += 1
    log(nobody[0], "/v1/verify", "POST", 401, 0.001, "")
    assert len(kept) == scarce.PER_SECOND + 2
    assert "unlogged" not in kept[-1]


def test_what_anybody_can_cause_is_said_now_and_then_with_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(scarce.time, "monotonic", lambda: now)
    log, said = logging.getLogger("govid.test"), list[str]()
    monkeypatch.setattr(log, "handle", lambda record: said.append(record.getMessage()))
    one, another = scarce.Scarce(), scarce.Scarce()
    for n in range(100):
        one.say(log, logging.WARNING, "line %d", n)
    assert said == [f"line {n}" for n in range(scarce.PER_SECOND)]
    another.say(log, logging.WARNING, "of another kind")
    now += 1
    one.say(log, logging.WARNING, "line %d", 100)
    assert said[-2:] == ["of another kind", "line 100; 90 such lines before it were left out"]


def test_words_of_others_begin_no_line_of_the_text_log() -> None:
    program = r"""
import logging
from server import logs
logs.configure("info", "text")
log = logging.getLogger("govid.server")
evil = "a\n2026-11-26 INFO forged\x1b[2J\r\u2028\u202e\x85"
log.warning("said %s", evil)
try:
    raise ValueError(evil)
except ValueError:
    log.exception("failed")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second, *traceback = done.stderr.splitlines()
    assert first.endswith(r"WARNING govid.server: said a\n2026-11-26 INFO forged\x1b[2J\r\u2028\u202e\x85")
    assert second.endswith("ERROR govid.server: failed")
    assert traceback[0] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") and line.isprintable() for line in traceback)


def test_requests_need_not_be_logged(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_LOG_FORMAT="json", GOVID_LOG_REQUESTS="false") as (client, _):
        client.get("/v1/models").raise_for_status()
    assert [line["logger"] for line in lines(folder)] == ["govid.server"]
