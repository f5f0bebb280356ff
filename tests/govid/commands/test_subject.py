"""`govid subject` as an operator types it, beside a server whose searches follow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx

from govid.commands.context import login
from govid.ledger import erasures
from govid.ledger.signing import load_signer
from govid.store.sqlite import SqliteStore
from govid.vault import journal
from tests import support
from tests.govid.store.support import AUDIT, new, reply
from tests.support import OBAMA, OBAMA_LATER, b64


def govid(folder: Path, *arguments: object, said: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [support.GOVID, "--data-dir", str(folder), "subject", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=said)


def answer(folder: Path, *arguments: object) -> dict[str, Any]:
    done = govid(folder, *arguments, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def refusal(folder: Path, *arguments: object) -> str:
    done = govid(folder, *arguments, "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    return str(json.loads(done.stdout)["slug"])


def found(client: httpx.Client, **search: object) -> list[str]:
    body = {"photo": b64(OBAMA_LATER), **search}
    return [one["subject_id"] for one in client.post("/v1/identify", json=body).json()["candidates"]]


def rows(client: httpx.Client, operation: str) -> list[dict[str, Any]]:
    """What the audit says of an operation, without what no two calls share."""
    page = client.get("/v1/audit", params={"operation": operation}).json()["rows"]
    own = {"time", "request_id", "salt", "reference_id", "data_key"}
    return [{name: said for name, said in row["record"].items() if name not in own} for row in page]


def test_commands_do_as_the_routes_do_and_a_server_follows(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        for subject in ("obama", "other"):
            for address, body in (("", {"subject_id": subject}), (f"/{subject}/references", {})):
                client.post(f"/v1/subjects{address}", json={**body, "photo": b64(OBAMA)}).raise_for_status()
        assert answer(folder, "list") == client.get("/v1/subjects").json()
        shown = answer(folder, "show", "obama")
        assert shown == client.get("/v1/subjects/obama").json()
        first = shown["references"][0]["reference_id"]

        assert found(client, groups=["staff"]) == []
        assert answer(folder, "groups", "obama", "staff", "desk")["groups"] == ["desk", "staff"]
        assert found(client, groups=["staff"]) == ["obama"]
        client.put("/v1/subjects/obama/groups", json={"groups": ["staff", "desk"]}).raise_for_status()
        by_route, by_command = rows(client, "set_groups")
        assert {**by_route, "note": by_command["note"]} == by_command
        assert by_command["note"] == f'[] -> ["desk","staff"]; by the login {login()}'
        assert (by_command["caller"], by_command["outcome"]) == ("local", "GROUPED")
        assert answer(folder, "groups", "obama", "--none")["groups"] == []

        gone = answer(folder, "delete-reference", "obama", first, "--yes")
        assert gone["reference_id"] == first
        searched = client.post("/v1/identify", json={"photo": b64(OBAMA)}).json()
        assert searched["gallery_size"] == 3
        other = client.get("/v1/subjects/other").json()["references"][0]["reference_id"]
        client.delete(f"/v1/subjects/other/references/{other}").raise_for_status()
        by_route, by_command = rows(client, "delete_reference")
        assert {**by_route, "subject_id": "obama", "note": f"by the login {login()}"} == by_command
        assert refusal(folder, "delete-reference", "obama", first, "--yes") == "unknown-reference"
        assert rows(client, "delete_reference")[0]["note"] == f"by the login {login()}"
        (left,) = answer(folder, "show", "obama")["references"]
        assert refusal(folder, "delete-reference", "obama", left["reference_id"], "--yes") == "last-reference"

        assert found(client) == ["obama", "other"]
        assert answer(folder, "delete", "obama", "--yes")["subject_id"] == "obama"
        assert found(client) == ["other"]
        client.delete("/v1/subjects/other").raise_for_status()
        by_route, by_command = rows(client, "delete")
        assert {**by_route, "subject_id": "obama", "note": f"by the login {login()}"} == by_command
        assert (
            refusal(folder, "show", "obama")
            == refusal(folder, "delete", "obama", "--yes")
            == "unknown-subject"
        )
    # Each of them once, whoever wrote it down.
    assert len(set((folder / "keys" / "erasures.jws").read_text().splitlines())) == 4


def test_a_deletion_is_asked_about_and_no_models_are_needed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    for subject in ("alice", "bob"):
        store.add_subject(new(subject), AUDIT, None, reply, groups=["staff"])
    store.close()
    assert govid(tmp_path, "list").stdout == "alice\nbob\n"
    assert govid(tmp_path, "list", "--after", "alice").stdout == "bob\n"
    assert govid(tmp_path, "show", "alice").stdout.startswith("'alice' active, enrolled ")
    assert not (tmp_path / "keys" / "signing.pem").exists(), "a look makes no key"
    for said, code in (("", 130), ("n\n", 130)):
        asked = govid(tmp_path, "delete", "alice", "--json", said=said)
        assert (asked.returncode, asked.stdout) == (code, "")
        assert "Erase 'alice' for ever?" in asked.stderr
        asked = govid(tmp_path, "delete-reference", "alice", 1, "--json", said=said)
        assert (asked.returncode, asked.stdout) == (code, "")
        assert "Erase reference 1 of 'alice' for ever?" in asked.stderr
    assert json.loads(govid(tmp_path, "delete", "alice", "--json", said="y\n").stdout)["receipt"]
    assert govid(tmp_path, "list").stdout == "bob\n"
    for arguments in (("groups", "bob"), ("groups", "bob", "staff", "--none")):
        assert govid(tmp_path, *arguments).returncode == 2
    assert refusal(tmp_path, "groups", "bob", "a/b") == "invalid-group"
    assert refusal(tmp_path, "groups", "nobody", "staff") == "unknown-subject"
    assert govid(tmp_path, "groups", "bob", "desk").stdout == "'bob' is in desk\n"


def test_an_erasure_that_is_not_written_down_is_an_error_with_its_receipt(tmp_path: Path) -> None:
    """And the next command makes up for it."""
    store = SqliteStore(tmp_path / "govid.sqlite3")
    for subject in ("alice", "bob"):
        store.add_subject(new(subject), AUDIT, None, reply)
    store.close()
    file = tmp_path / "keys" / "erasures.jws"
    file.mkdir(parents=True)
    failed = govid(tmp_path, "delete", "alice", "--yes", "--json")
    said = json.loads(failed.stdout)
    assert (failed.returncode, said["slug"]) == (1, "erasure-not-written"), failed.stderr
    assert str(file) in said["detail"]
    verifier = load_signer(tmp_path / "keys" / "signing.pem", create=False).verifier
    first = erasures.read(verifier, said["detail"].rpartition(" ")[2])
    assert refusal(tmp_path, "show", "alice") == "unknown-subject"
    file.rmdir()
    second = erasures.read(verifier, answer(tmp_path, "delete", "bob", "--yes")["receipt"])
    assert journal.read(file, verifier) == [first, second]
