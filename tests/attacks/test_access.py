"""Ways in without a right to it, at a server that asks for authentication."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from govid.callers import Scope, Sight
from govid.store.keys import KeyStore
from govid.store.sqlite import SqliteStore
from tests import support
from tests.attacks.wire import connected, raw
from tests.server.access import (
    AUDIENCE,
    ISSUER,
    Authority,
    bearer,
    caller,
    make_keys,
    standard_keys,
    token,
)
from tests.support import OBAMA, b64


@dataclass(frozen=True)
class Guarded:
    """A running server, and the keys of its relying parties by name."""

    client: httpx.Client
    folder: Path
    keys: dict[str, str]

    def key_store(self) -> KeyStore:
        """The keys, as the command line opens them beside the server."""
        return KeyStore(SqliteStore(self.folder / "govid.sqlite3").database)

    def status(self, key: str) -> int:
        """What a question that any relying party may ask is answered."""
        return self.client.get("/v1/models", headers=bearer(key)).status_code


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = support.data_dir(tmp_path_factory.mktemp("guarded") / "var")
    keys = make_keys(
        folder,
        caller("hotel", Scope.VERIFY, use_cases=("hotel_checkin",)),
        caller("registry", Scope.ENROL),
        caller("police", Scope.IDENTIFY, sees=Sight.COARSE),
        caller("operator", Scope.ADMIN),
        caller("adjudicator", Scope.ADJUDICATE),
        caller("auditor", Scope.AUDIT),
    )
    (folder / "keys.json").write_bytes(standard_keys())
    (folder / "parties.toml").write_text('[bank]\nsan = "bank.example"\nscopes = ["verify"]\n')
    with support.server(
        folder,
        GOVID_JWKS=str(folder / "keys.json"),
        GOVID_JWT_ISSUER=ISSUER,
        GOVID_JWT_AUDIENCE=AUDIENCE,
        GOVID_CLIENT_PARTIES=str(folder / "parties.toml"),
        GOVID_TRUSTED_PROXIES="192.0.2.1,2001:db8::/32",
        GOVID_LOG_LEVEL="debug",
    ) as (client, _):
        yield Guarded(client, folder, keys)


def wrong_credentials(key: str) -> dict[str, list[tuple[str, str]]]:
    """Names and header lines that let nobody in."""
    good, changed = f"Bearer {key}", key[:-1] + ("0" if key[-1] != "0" else "1")
    return {
        "missing": [],
        "empty": [("Authorization", "")],
        "scheme alone": [("Authorization", "Bearer")],
        "key alone": [("Authorization", key)],
        "another scheme": [("Authorization", "Basic " + base64.b64encode(key.encode()).decode())],
        "twice": [("Authorization", good), ("Authorization", good)],
        "twice, one wrong": [("Authorization", "Bearer govid_x"), ("Authorization", good)],
        "joined": [("Authorization", f"{good}, {good}")],
        "upper case": [("Authorization", f"Bearer {key.upper()}")],
        "one character changed": [("Authorization", f"Bearer {changed}")],
        "one character more": [("Authorization", f"{good}0")],
        "two spaces": [("Authorization", f"Bearer  {key}")],
        "id alone": [("Authorization", f"Bearer {key[:18]}")],
        "the digest": [("Authorization", f"Bearer {key[:19]}{'0' * 64}")],
        "SQL": [("Authorization", "Bearer govid_' OR 1=1 --")],
        "another header": [("X-Api-Key", key), ("Proxy-Authorization", good)],
        "cookie": [("Cookie", f"authorization={key}")],
        "forwarded as local": [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")],
    }


@pytest.mark.parametrize("name", wrong_credentials("x" * 83))
def test_a_wrong_credential_lets_nobody_in(guarded: Guarded, name: str) -> None:
    head = httpx.Headers(wrong_credentials(guarded.keys["hotel"])[name])
    reply = guarded.client.get("/v1/models", headers=head)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith('Bearer realm="govid"')
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["slug"] in {"unauthenticated", "invalid-credential"}
    assert guarded.keys["hotel"] not in reply.text


@pytest.mark.parametrize("name", ["access_token", "key", "authorization"])
def test_a_key_in_the_query_lets_nobody_in(guarded: Guarded, name: str) -> None:
    reply = guarded.client.get("/v1/models", params={name: guarded.keys["hotel"]})
    assert reply.status_code == 401


def test_the_right_credentials_let_in(guarded: Guarded) -> None:
    assert guarded.status(guarded.keys["hotel"]) == 200
    assert guarded.client.get(
        "/v1/models", headers={"authorization": f"bearer {guarded.keys['hotel']}"}
    ).is_success
    assert guarded.status(token()) == 200


def test_only_health_and_what_is_published_is_open(guarded: Guarded) -> None:
    for path in ("/healthz", "/readyz", "/v1/audit/checkpoints", "/v1/receipts/keys"):
        assert guarded.client.get(path).status_code == 200
    for path in ("/metrics", "/schema", "/schema/openapi.json", "/v1/models", "/v1/subjects", "/v1/audit"):
        assert guarded.client.get(path).status_code == 401
    assert guarded.client.get("/metrics", headers=bearer(guarded.keys["hotel"])).status_code == 403
    assert guarded.client.get("/metrics", headers=bearer(guarded.keys["operator"])).status_code == 200


ESCALATIONS = [
    ("hotel", "POST", "/v1/identify"),
    ("hotel", "POST", "/v1/embed"),
    ("hotel", "POST", "/v1/subjects"),
    ("hotel", "GET", "/v1/subjects"),
    ("hotel", "GET", "/v1/subjects/alice"),
    ("hotel", "DELETE", "/v1/subjects/alice"),
    ("hotel", "POST", "/v1/subjects/alice/references"),
    *((name, "PUT", "/v1/subjects/alice/groups") for name in ("hotel", "police", "operator", "auditor")),
    *((name, "DELETE", "/v1/subjects/alice/references/1") for name in ("hotel", "operator", "adjudicator")),
    ("police", "POST", "/v1/verify"),
    ("police", "POST", "/v1/embed"),
    ("registry", "POST", "/v1/verify"),
    ("registry", "POST", "/v1/compare"),
    ("operator", "POST", "/v1/identify"),
    ("operator", "GET", "/v1/audit"),
    ("operator", "GET", "/v1/complaints"),
    ("operator", "GET", "/v1/cases"),
    ("operator", "GET", "/v1/dedup/jobs/1/export"),
    ("hotel", "GET", "/v1/subjects/alice/uses"),
    ("hotel", "GET", "/v1/gallery"),
    ("registry", "GET", "/v1/complaints"),
    ("registry", "POST", "/v1/complaints/1/answer"),
    ("adjudicator", "POST", "/v1/dedup/jobs"),
    ("adjudicator", "POST", "/v1/dedup/jobs/1/cancel"),
    ("adjudicator", "POST", "/v1/dedup/jobs/1/resume"),
    ("adjudicator", "GET", "/v1/audit"),
    ("auditor", "GET", "/v1/cases"),
    ("auditor", "POST", "/v1/cases/1/verdicts"),
]


@pytest.mark.parametrize(("name", "method", "path"), ESCALATIONS)
def test_a_scope_opens_its_own_routes_only(guarded: Guarded, name: str, method: str, path: str) -> None:
    reply = guarded.client.request(method, path, headers=bearer(guarded.keys[name]))
    assert (reply.status_code, reply.json()["slug"]) == (403, "scope-missing")


def test_an_adjudicator_cannot_speak_for_another(guarded: Guarded) -> None:
    """Two people must agree: one with two names would do."""
    address, head = "/v1/cases/1/verdicts", bearer(guarded.keys["adjudicator"])
    said = {"verdict": "different", "adjudicator": "somebody else"}
    refused = guarded.client.post(address, json=said, headers=head)
    assert (refused.status_code, refused.json()["slug"]) == (400, "invalid-parameter")
    for own in ({}, {"adjudicator": "adjudicator"}):
        reply = guarded.client.post(address, json={"verdict": "different", **own}, headers=head)
        assert reply.json()["slug"] == "unknown-case"


def test_a_token_cannot_name_a_scope_twice_over(guarded: Guarded) -> None:
    """Words that look like scopes are none."""
    for scope in (
        "verify",
        "govid:VERIFY",
        "govid:verify2",
        "govid:",
        "govid:verify,govid:admin",
        "xgovid:verify",
    ):
        reply = guarded.client.post("/v1/verify", headers=bearer(token(scope=scope)))
        assert reply.json()["slug"] == "scope-missing", scope


def test_a_use_case_that_was_not_granted_is_refused(guarded: Guarded) -> None:
    for use_case in ("general", "remote_certification"):
        reply = guarded.client.post(
            "/v1/verify",
            json={"subject_id": "alice", "photo": b64(OBAMA), "use_case": use_case},
            headers=bearer(guarded.keys["hotel"]),
        )
        # Whether it could be used here is told to nobody who may not.
        assert reply.json()["slug"] == "use-case-not-allowed"
    unnamed = guarded.client.post(
        "/v1/compare",
        files={"reference_photo": OBAMA, "probe_photo": OBAMA},
        headers=bearer(guarded.keys["hotel"]),
    )
    assert (unnamed.status_code, unnamed.json()["slug"]) == (403, "use-case-not-allowed")


def test_nobody_is_refused_after_sending_a_photo_instead_of_before(guarded: Guarded) -> None:
    answer = raw(
        guarded.client,
        b"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9000000\r\n\r\n{",
    )
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_certificate_in_a_header_is_refused_from_anybody_but_the_proxy(
    guarded: Guarded, tmp_path: Path
) -> None:
    _, _, der = Authority(tmp_path).issue("bank.example")
    claimed = {"Client-Cert": f":{base64.b64encode(der).decode()}:"}
    for more in (
        {},
        bearer(guarded.keys["hotel"]),
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1"},
    ):
        reply = guarded.client.get("/v1/models", headers={**claimed, **more})
        assert (reply.status_code, reply.json()["slug"]) == (400, "untrusted-proxy")


def test_a_revoked_key_ends_within_a_second(guarded: Guarded) -> None:
    key, kept = guarded.key_store().create(caller("short", Scope.VERIFY))
    time.sleep(1)
    assert guarded.status(key) == 200
    guarded.key_store().revoke(kept.key_id)
    time.sleep(1)
    assert guarded.status(key) == 401


@pytest.mark.parametrize("revoked", [True, False])
def test_a_body_that_takes_its_time_does_not_outlive_its_key(guarded: Guarded, revoked: bool) -> None:
    key, kept = guarded.key_store().create(caller(f"slow{revoked}", Scope.VERIFY))
    body = json.dumps({"reference_photo": b64(OBAMA), "probe_photo": b64(OBAMA)}).encode()
    head = (
        f"POST /v1/compare HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    time.sleep(1)
    with connected(guarded.client) as connection:
        connection.sendall(head.encode() + body[:1000])
        time.sleep(0.5)
        if revoked:
            guarded.key_store().revoke(kept.key_id)
        time.sleep(1)
        connection.sendall(body[1000:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 401" if revoked else b"HTTP/1.1 200")


def test_a_rotated_key_ends_after_its_grace(guarded: Guarded) -> None:
    old, _ = guarded.key_store().create(caller("rotated", Scope.VERIFY))
    new, _ = guarded.key_store().rotate("rotated", grace_seconds=600)
    time.sleep(1)
    assert (guarded.status(old), guarded.status(new)) == (200, 200)
    with closing(sqlite3.connect(guarded.folder / "govid.sqlite3")) as records, records:
        records.execute("UPDATE api_key SET expires_at = expires_at - 600 WHERE name = 'rotated'")
    time.sleep(1)
    assert (guarded.status(old), guarded.status(new)) == (401, 200)


def test_a_page_of_another_site_is_told_nothing(guarded: Guarded) -> None:
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for reply in (
        guarded.client.options("/v1/verify", headers=origin),
        guarded.client.get("/v1/models", headers={**origin, **bearer(guarded.keys["hotel"])}),
    ):
        assert not [name for name in reply.headers if name.startswith("access-control-")]
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "head",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8000"},
        {"Host": "localhost@evil.example"},
        {"Host": "["},
    ],
    ids=str,
)
def test_a_page_cannot_use_a_server_that_asks_nobody_who_they_are(
    api: httpx.Client, head: dict[str, str]
) -> None:
    if "authorization" in api.headers:
        pytest.skip("this server asks everybody who they are")
    reply = api.get("/v1/subjects", headers=head)
    assert (reply.status_code, reply.json()["slug"]) == (403, "foreign-page")


def test_a_foreign_host_changes_nothing(guarded: Guarded) -> None:
    """Where callers authenticate no address is made from it: neither a link nor a place to go."""
    names = ("Host", "X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "Forwarded")
    plain = guarded.client.get("/v1/models", headers=bearer(guarded.keys["hotel"]))
    for name in names:
        head = {name: "evil.example", **bearer(guarded.keys["hotel"])}
        for path, status in (
            ("/v1/models", 200),
            ("/v1/models/", 200),
            ("/nowhere", 404),
            ("/v1/audit", 403),
        ):
            reply = guarded.client.get(path, headers=head)
            assert reply.status_code == status, (name, path)
            assert "evil.example" not in reply.text + str(reply.headers)
        assert guarded.client.get("/v1/models", headers=head).content == plain.content


def test_two_lengths_of_a_body_hide_no_second_request(guarded: Guarded) -> None:
    hidden = (
        "GET /v1/subjects HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {guarded.keys['registry']}\r\n\r\n"
    )
    for smuggling in (
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        f"Content-Length: {len(hidden)}\r\n\r\n",
    ):
        head = f"POST /v1/verify HTTP/1.1\r\nHost: localhost\r\n{smuggling}{hidden}"
        answer = raw(guarded.client, head.encode())
        assert b'"subjects"' not in answer, smuggling


def test_no_credential_and_no_digest_of_one_is_in_the_log_or_in_a_reply(guarded: Guarded) -> None:
    presented = token(client_id="logged")
    guarded.status(presented)
    guarded.status(presented + "x")
    log = (guarded.folder / "server.log").read_text()
    for secret in (*guarded.keys.values(), presented):
        assert secret not in log
        assert secret[20:60] not in log
    records = b"".join(file.read_bytes() for file in guarded.folder.glob("govid.sqlite3*"))
    for secret in guarded.keys.values():
        assert secret[19:].encode() not in records
    shown = json.dumps(guarded.client.get("/schema", headers=bearer(guarded.keys["hotel"])).json())
    assert "govid_" in shown
    assert not [secret for secret in guarded.keys.values() if secret in shown]
