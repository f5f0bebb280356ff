"""What the OpenAPI document says is what the server does: the short form, the same requests each time."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.contract import check, running


def test_the_server_does_what_its_document_says(tmp_path: Path) -> None:
    with running(tmp_path) as (address, key):
        ended = check(address, key, "--max-examples", "10", "--generation-deterministic", "--seed", "1")
        log = (tmp_path / "var" / "server.log").read_text()
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr
    # It got behind the gate, and found no fault that was answered as something else.
    assert "Failures" not in ended.stdout
    assert "internal error" not in log
