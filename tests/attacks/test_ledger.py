"""Forged receipts, and an insider who may write to the records."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govid.ledger.chain import GENESIS, link
from govid.ledger.checkpoints import Finding, examine, examine_log, make
from govid.ledger.signing import load_signer
from govid.store.audit import AuditLog
from govid.store.sqlite import SqliteStore
from tests import support
from tests.support import OBAMA, OBAMA_LATER, b64

FOREIGN = Ed25519PrivateKey.from_private_bytes(bytes(32))


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def read(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@pytest.fixture(scope="module")
def receipt(api: httpx.Client) -> tuple[str, str]:
    """A good receipt, and the id of its request."""
    api.post("/v1/subjects", json={"subject_id": "receipt", "photo": b64(OBAMA)})
    reply = api.post("/v1/verify", json={"subject_id": "receipt", "photo": b64(OBAMA_LATER)}).json()
    return reply["receipt"], reply["request_id"]


def signed(head: dict[str, Any], claims: dict[str, Any]) -> str:
    head = {name: value for name, value in head.items() if name != "alg"}
    return jwt.encode(claims, FOREIGN, algorithm="EdDSA", headers=head)


Parts = tuple[dict[str, Any], dict[str, Any], str]
FORGED: dict[str, Callable[[dict[str, Any], dict[str, Any], str], str]] = {
    "no signature": lambda h, c, _: f"{segment({**h, 'alg': 'none'})}.{segment(c)}.",
    "claims exchanged": lambda h, c, s: f"{segment(h)}.{segment({**c, 'decision': 'NON_MATCH'})}.{s}",
    "head exchanged": lambda h, c, s: f"{segment({**h, 'x': 1})}.{segment(c)}.{s}",
    "signed by somebody else": lambda h, c, _: signed(h, c),
    "own key in the head": lambda h, c, _: signed(
        {**h, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}, c
    ),
    "own key at an address": lambda h, c, _: signed({**h, "jku": "http://127.0.0.1:9/keys"}, c),
    "unknown key": lambda h, c, _: signed({**h, "kid": "mine"}, c),
    "key that is a path": lambda h, c, _: signed({**h, "kid": "../../dev/null"}, c),
    "key that is a list": lambda h, c, s: f"{segment({**h, 'kid': ['a']})}.{segment(c)}.{s}",
    "deep head": lambda *_: f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.e30.AA",
    "deep claims": lambda h, _, s: f"{segment(h)}.{base64.urlsafe_b64encode(b'[' * 5000).decode()}.{s}",
    "cut off": lambda h, c, s: f"{segment(h)}.{segment(c)}",
    "no base64": lambda *_: "\u00e9.\u00e9.\u00e9",
    "empty": lambda *_: "",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_receipt_rates_nothing(api: httpx.Client, receipt: tuple[str, str], name: str) -> None:
    head, claims, signature = receipt[0].split(".")
    forged = FORGED[name](read(head), read(claims), signature)
    reply = api.post(f"/v1/receipts/{receipt[1]}/feedback", json={"receipt": forged, "rating": "bad"})
    assert (reply.status_code, reply.json()["slug"]) == (422, "invalid-receipt")


def test_a_statement_of_another_kind_is_no_receipt(api: httpx.Client, receipt: tuple[str, str]) -> None:
    """Checkpoints are signed by the same key, and public."""
    checkpoints = api.get("/v1/audit/checkpoints").json()["checkpoints"]
    for statement in checkpoints or ["a.b.c"]:
        said = {"receipt": statement, "rating": "bad"}
        reply = api.post(f"/v1/receipts/{receipt[1]}/feedback", json=said)
        assert (reply.status_code, reply.json()["slug"]) == (422, "invalid-receipt")


def test_a_receipt_serves_its_own_decision_once(api: httpx.Client, receipt: tuple[str, str]) -> None:
    good, request_id = receipt
    for other in ("00000000-0000-4000-8000-000000000000", request_id.upper(), f"{request_id} ", "%2e%2e"):
        reply = api.post(f"/v1/receipts/{other}/feedback", json={"receipt": good, "rating": "bad"})
        assert reply.status_code in {400, 404, 422}, other
    said = {"receipt": good, "rating": "bad"}
    statuses = [api.post(f"/v1/receipts/{request_id}/feedback", json=said).status_code for _ in range(2)]
    assert statuses == [201, 409]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a server that answered, with a checkpoint over most of what it did."""
    folder = support.data_dir(tmp_path_factory.mktemp("used") / "var")
    with support.server(folder) as (client, _):
        client.post("/v1/subjects", json={"subject_id": "alice", "photo": b64(OBAMA)}).raise_for_status()
        for _ in range(6):
            client.post("/v1/verify", json={"subject_id": "alice", "photo": b64(OBAMA_LATER)})
    store = SqliteStore(folder / "govid.sqlite3")
    assert make(AuditLog(store.database), load_signer(folder / "keys" / "signing.pem"))
    store.close()
    with support.server(folder) as (client, _):
        client.post("/v1/verify", json={"subject_id": "alice", "photo": b64(OBAMA_LATER)})
    return folder


def chained_anew(records: sqlite3.Connection) -> None:
    """What an insider does who knows how the chain is made, and has not the key."""
    previous = GENESIS
    for audit_id, record in records.execute(
        "SELECT audit_id, record FROM audit ORDER BY audit_id"
    ).fetchall():
        previous = link(previous, record.encode())
        records.execute("UPDATE audit SET digest = ? WHERE audit_id = ?", (previous, audit_id))


def flipped(records: sqlite3.Connection) -> None:
    records.execute("UPDATE audit SET record = replace(record, 'MATCH', 'NON_MATCH') WHERE audit_id = 3")


def anew(tamper: Callable[[sqlite3.Connection], Any]) -> Callable[[sqlite3.Connection], None]:
    def tampered(records: sqlite3.Connection) -> None:
        tamper(records)
        chained_anew(records)

    return tampered


TAMPERING: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "altered": flipped,
    "altered, and the chain computed anew": anew(flipped),
    "reordered": lambda r: r.executescript(
        "UPDATE audit SET audit_id = -1 WHERE audit_id = 3; UPDATE audit SET audit_id = 3 WHERE audit_id = 4;"
        "UPDATE audit SET audit_id = 4 WHERE audit_id = -1"
    ),
    "removed in the middle": lambda r: r.execute("DELETE FROM audit WHERE audit_id = 3"),
    "removed, and the chain computed anew": anew(lambda r: r.execute("DELETE FROM audit WHERE audit_id = 3")),
    "cut off within what was signed": lambda r: r.execute("DELETE FROM audit WHERE audit_id > 4"),
    "cut off at the beginning": lambda r: r.execute("DELETE FROM audit WHERE audit_id < 3"),
    "doubled": anew(
        lambda r: r.execute(
            "INSERT INTO audit (audit_id, record, digest)"
            " SELECT 1000, record, digest FROM audit WHERE audit_id = 4"
        )
    ),
    "hidden from its subject": lambda r: r.execute("DELETE FROM audit_subject WHERE audit_id = 3"),
    "checkpoint altered": lambda r: r.execute(
        "UPDATE audit_checkpoint SET statement = replace(statement, '.', '.A')"
    ),
    "everything cut off": lambda r: r.execute("DELETE FROM audit"),
}


def copied(used: Path, folder: Path) -> Path:
    """The records with the keys of their templates."""
    shutil.copytree(used / "keys", folder / "keys")
    return Path(shutil.copy(used / "govid.sqlite3", folder))


def examined(folder: Path, database: Path) -> Finding:
    store = SqliteStore(database)
    try:
        return examine_log(AuditLog(store.database), load_signer(folder / "keys" / "signing.pem").verifier)
    finally:
        store.close()


@pytest.mark.parametrize("name", TAMPERING)
def test_an_audit_that_was_tampered_with_is_found_broken(used: Path, tmp_path: Path, name: str) -> None:
    database = copied(used, tmp_path)
    assert examined(used, database).intact
    with closing(sqlite3.connect(database)) as records, records:
        TAMPERING[name](records)
    assert not examined(used, database).intact


def test_what_was_published_convicts_even_the_holder_of_the_key(used: Path, tmp_path: Path) -> None:
    """Who has the records and the signing key can make a story that fits itself, and no other."""
    signer = load_signer(used / "keys" / "signing.pem")
    database = copied(used, tmp_path)
    store = SqliteStore(database)
    published = [statement for _, statement in AuditLog(store.database).checkpoints()]
    with closing(sqlite3.connect(database)) as records, records:
        anew(flipped)(records)
        records.execute("DELETE FROM audit_checkpoint")
    log = AuditLog(store.database)
    assert make(log, signer)
    own = [statement for _, statement in log.checkpoints()]
    assert examine(log.links(), own, signer.verifier).intact
    assert not examine(log.links(), published, signer.verifier).intact
    store.close()
