"""The audit, receipts and complaints over HTTP, and what a server tells the operator's own system."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import jwt
import pytest

from govid.client import ForgedAnnouncement, checked_announcement
from govid.errors import InvalidSettings
from server.settings import ServerSettings
from server.webhook import from_settings
from tests import support
from tests.scripted import Answer, scripted, wait_for
from tests.support import GOVID, OBAMA, OBAMA_LATER, b64, wait_until


def decide(client: httpx.Client, subject: str) -> dict[str, object]:
    client.post("/v1/subjects", json={"subject_id": subject, "photo": b64(OBAMA)})
    reply = client.post("/v1/verify", json={"subject_id": subject, "photo": b64(OBAMA_LATER)})
    assert reply.status_code == 200
    return dict(reply.json())


def test_a_receipt_is_checked_with_the_published_key(api: httpx.Client) -> None:
    decided = decide(api, "audit-receipt")
    (key,) = api.get("/v1/receipts/keys").json()["keys"]
    claims = jwt.decode(
        decided["receipt"], jwt.PyJWK(key), algorithms=["EdDSA"], options={"verify_iat": False}
    )
    assert (claims["jti"], claims["decision"]) == (decided["request_id"], "MATCH")
    row = api.get("/v1/audit", params={"request_id": claims["jti"]}).json()["rows"][0]
    assert row["digest"] == claims["audit"]
    assert row["record"]["outcome"] == "MATCH"


def test_a_use_case_that_cannot_be_used_here_leaves_a_row(api: httpx.Client) -> None:
    asked = {"subject_id": "audit-refused", "photo": b64(OBAMA), "use_case": "portal_login"}
    refused = api.post("/v1/verify", json=asked)
    assert refused.status_code == 501
    (row,) = api.get("/v1/audit", params={"request_id": refused.json()["request_id"]}).json()["rows"]
    assert (row["record"]["outcome"], row["record"]["use_case"]) == ("liveness-unavailable", "portal_login")


def test_every_use_of_a_face_is_shown_to_its_owner(api: httpx.Client) -> None:
    decided = decide(api, "audit-uses")
    page = api.get("/v1/subjects/audit-uses/uses", params={"limit": 1}).json()
    assert page["uses"][0]["request_id"] == decided["request_id"]
    older = api.get("/v1/subjects/audit-uses/uses", params={"limit": 1, "before": page["next_before"]}).json()
    assert older["uses"][0]["operation"] == "enrol"


def test_a_bad_rating_is_answered(api: httpx.Client) -> None:
    decided = decide(api, "audit-complaint")
    address = f"/v1/receipts/{decided['request_id']}/feedback"
    said = {"receipt": decided["receipt"], "rating": "bad", "text": "我没有去过那里"}
    rated = api.post(address, json=said)
    assert rated.status_code == 201
    assert rated.json()["due_at"] > time.time()
    assert api.post(address, json=said).json()["slug"] == "feedback-exists"
    number = rated.json()["complaint_id"]
    asked = f"/v1/receipts/{decided['request_id']}/answers"
    assert api.post(asked, json={"receipt": decided["receipt"]}).json()["state"] == "open"
    assert api.post(f"/v1/complaints/{number}/answer", json={"answer": "checked"}).status_code == 204
    again = api.post(f"/v1/complaints/{number}/answer", json={"answer": "checked"})
    assert (again.status_code, again.json()["slug"]) == (404, "unknown-complaint")
    page = api.get("/v1/complaints", params={"after": number - 1, "limit": 1, "open_only": False}).json()
    (complaint,) = page["complaints"]
    assert (complaint["comment"], complaint["answer"]) == ("我没有去过那里", "checked")
    correction = {"answer": "再次核实，确非本人", "correction": True}
    assert api.post(f"/v1/complaints/{number}/answer", json=correction).status_code == 204
    found = api.post(asked, json={"receipt": decided["receipt"]})
    assert found.status_code == 200
    assert (found.json()["complaint_id"], found.json()["state"]) == (number, "answered")
    assert [one["answer"] for one in found.json()["answers"]] == ["checked", "再次核实，确非本人"]


@pytest.mark.parametrize(
    "said", [{}, {"receipt": "x", "rating": "bad"}, {"receipt": "a.b.c", "rating": "so-so"}]
)
def test_a_rating_without_a_receipt_is_refused(api: httpx.Client, said: dict[str, str]) -> None:
    reply = api.post("/v1/receipts/r/feedback", json=said)
    assert reply.status_code in {400, 422}
    assert reply.json()["slug"] in {"invalid-body", "invalid-receipt"}


def test_a_complaint_is_announced_until_it_arrives_and_the_audit_is_signed(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef\n")
    with scripted(Answer(500), Answer(200)) as (url, came):
        settings = {
            "GOVID_WEBHOOK_URL": url,
            "GOVID_WEBHOOK_SECRET_FILE": str(secret),
            "GOVID_AUDIT_CHECKPOINT_SECONDS": "1",
        }
        with support.server(folder, **settings) as (client, _):
            decided = decide(client, "alice")
            rated = client.post(
                f"/v1/receipts/{decided['request_id']}/feedback",
                json={"receipt": decided["receipt"], "rating": "bad", "text": "secret words"},
            ).json()
            wait_for(came, 2)
            answer = f"/v1/complaints/{rated['complaint_id']}/answer"
            client.post(answer, json={"answer": "secret answer"}).raise_for_status()
            wait_for(came, 3)
            wait_until(lambda: client.get("/v1/audit/checkpoints").json()["checkpoints"], pause=0.1)
            signed = client.get("/v1/audit/checkpoints").json()["checkpoints"]
            behind = client.get("/v1/audit/checkpoints", params={"after": 10**30}).json()
            assert behind == {"checkpoints": [], "next_after": None}
            one = client.get("/v1/audit/checkpoints", params={"limit": 1}).json()
            assert one["checkpoints"] == signed[:1]
            assert client.get("/v1/audit/checkpoints", params={"limit": 101}).status_code == 400
            keys = client.get("/v1/receipts/keys").json()
    (_, first, body), (_, again, same), (_, *answered) = came
    assert body == same
    assert b"secret words" not in body
    assert first["Govid-Delivery"] == again["Govid-Delivery"]
    assert json.loads(body)["request_id"] == decided["request_id"]
    told = checked_announcement(again, body, b"0123456789abcdef")
    assert (told.event, told.content["request_id"]) == ("complaint.opened", decided["request_id"])
    with pytest.raises(ForgedAnnouncement):
        checked_announcement(again, body, b"0123456789abcdeF")
    told = checked_announcement(*answered, b"0123456789abcdef")
    ids = {name: rated[name] for name in ("complaint_id", "request_id")}
    assert (told.event, told.content) == ("complaint.answered", ids)
    assert jwt.decode(signed[0], jwt.PyJWK(keys["keys"][0]), algorithms=["EdDSA"])["rows"] >= 1

    # The same, without any server: from the records, and from an export with the published keys.
    govid = [GOVID, "--data-dir", str(folder), "audit"]
    assert "intact" in subprocess.run([*govid, "verify"], capture_output=True, text=True, check=True).stdout
    export, published = tmp_path / "audit.ndjson", tmp_path / "keys.json"
    subprocess.run([*govid, "export", str(export)], check=True, capture_output=True)
    published.write_text(json.dumps(keys))
    offline = [GOVID, "audit", "verify", "--file", str(export), "--keys", str(published), "--json"]
    found = subprocess.run(offline, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(found.stdout)["broken_at"] is None
    lines = export.read_text().splitlines()
    export.write_text("\n".join([lines[0].replace("alice", "mallory"), *lines[1:]]) + "\n")
    broken = subprocess.run(offline, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (broken.returncode, json.loads(broken.stdout)["broken_at"]) == (1, 1)


@pytest.mark.parametrize("secret", [None, "short", ""])
def test_a_webhook_without_a_secret_is_refused(tmp_path: Path, secret: str | None) -> None:
    path = tmp_path / "secret"
    if secret is not None:
        path.write_text(secret)
    with pytest.raises(InvalidSettings):
        from_settings(ServerSettings(webhook_url="https://example.org/", webhook_secret_file=str(path)))
    with pytest.raises(InvalidSettings):
        ServerSettings(webhook_url="https://example.org/").check()


def test_a_receipt_holds_no_name_and_no_score(api: httpx.Client) -> None:
    decided = decide(api, "audit-pseudonym")
    payload = base64.urlsafe_b64decode(str(decided["receipt"]).split(".")[1] + "==")
    assert b"audit-pseudonym" not in payload
    assert "score" not in json.loads(payload)


def test_a_running_server_takes_up_a_new_signing_key(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")

    def govid(*arguments: str) -> dict[str, object]:
        command = [GOVID, "--data-dir", str(folder), *arguments, "--json"]
        return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))

    with support.server(folder) as (client, _):
        old = decide(client, "obama")
        (before,) = client.get("/v1/receipts/keys").json()["keys"]
        rotated = govid("audit", "keys", "rotate")
        assert rotated["retired"] == before["kid"]
        wait_until(
            lambda: jwt.get_unverified_header(decide(client, "obama")["receipt"])["kid"] != before["kid"]
        )
        new = decide(client, "obama")["receipt"]
        keys = client.get("/v1/receipts/keys").json()
        assert [key["kid"] for key in keys["keys"]] == [rotated["key_id"], before["kid"]]
        assert jwt.decode(
            new, jwt.PyJWK(keys["keys"][0]), algorithms=["EdDSA"], options={"verify_iat": False}
        )
        rated = client.post(
            f"/v1/receipts/{old['request_id']}/feedback", json={"receipt": old["receipt"], "rating": "bad"}
        )
        assert rated.status_code == 201, "a receipt outlives its key"
    govid("audit", "checkpoint")
    assert govid("audit", "verify")["uncovered"] == 0
    (tmp_path / "keys.json").write_text(json.dumps(govid("audit", "keys", "list")))
    govid("audit", "export", str(tmp_path / "audit.ndjson"))
    offline = ("--file", str(tmp_path / "audit.ndjson"), "--keys", str(tmp_path / "keys.json"))
    assert govid("audit", "verify", *offline)["reason"] == ""


def test_a_server_without_the_new_signing_key_lets_no_decision_out(tmp_path: Path) -> None:
    """The key was rotated on another machine."""
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        decide(client, "obama")
        elsewhere = tmp_path / "elsewhere.pem"
        shutil.copy(folder / "keys" / "signing.pem", elsewhere)
        subprocess.run(
            [GOVID, "--data-dir", str(folder), "audit", "keys", "rotate"],
            env={**os.environ, "GOVID_SIGNING_KEY_FILE": str(elsewhere)},
            check=True,
            capture_output=True,
        )
        wait_until(lambda: client.get("/readyz").status_code == 503)
        said = client.post("/v1/verify", json={"subject_id": "obama", "photo": b64(OBAMA_LATER)})
        assert (said.status_code, said.json()["slug"]) == (503, "signing-key-retired")
        assert "decision" not in said.json()
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["signing_key"]) == (503, "signing-key-retired")
        shutil.copy(elsewhere, folder / "keys" / "signing.pem")
        assert client.get("/readyz").status_code == 200
        decide(client, "obama")
