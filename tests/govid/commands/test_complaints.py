"""`govid complaints` as a person types them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from govid.audit import AuditRecord
from govid.commands.context import login
from govid.ledger.ledger import Ledger
from govid.store.audit import AuditFilter
from govid.store.sqlite import SqliteStore
from tests import support


def govid(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    own = [one if isinstance(one, bytes) else str(one) for one in arguments]
    command = [support.GOVID, "--data-dir", str(folder), "complaints", *own]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_complaint_is_listed_answered_and_corrected(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    ledger = Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=1)
    record = AuditRecord(time=1.0, request_id="r1", operation="verify", outcome="MATCH")
    receipt = ledger.receipt(record, store.append_audit(record))
    ledger.rate("r1", receipt, "bad", "不是我\x1b[2J", request_id="x")

    (complaint,) = json.loads(govid(tmp_path, "list", "--json").stdout)["complaints"]
    assert (complaint["request_id"], complaint["state"]) == ("r1", "open")
    listed = govid(tmp_path, "list").stdout
    assert listed.startswith("complaint 1 open, due 20")
    assert "不是我" in listed
    assert "\x1b" not in listed, "words of others steer no terminal"

    early = govid(tmp_path, "answer", 1, "x", "--correct", "--json")
    assert (early.returncode, json.loads(early.stdout)["slug"]) == (3, "unknown-complaint")
    assert "can read it" in govid(tmp_path, "answer", 1, "it was you").stdout
    again = govid(tmp_path, "answer", 1, "x", "--json")
    assert (again.returncode, json.loads(again.stdout)["slug"]) == (3, "unknown-complaint")
    assert json.loads(govid(tmp_path, "answer", 1, "it was not", "--correct", "--json").stdout)["request_id"]
    torn = govid(tmp_path, "answer", 1, b"\xff", "--correct", "--json")
    assert (torn.returncode, json.loads(torn.stdout)["slug"]) == (3, "invalid-parameter")

    assert govid(tmp_path, "list").stdout == "no complaints\n"
    everything = govid(tmp_path, "list", "--all").stdout.splitlines()
    assert [line.partition(": ")[2] for line in everything[1:]] == ["'it was you'", "'it was not'"]
    assert [one.answer for one in ledger.answers("r1", receipt).answers] == ["it was you", "it was not"]
    newest, _ = ledger.rows(AuditFilter(operation="close_complaint")).rows
    assert (newest.record.caller, newest.record.note) == ("local", f"by the login {login()}")
    store.close()
