"""What a refused request must not leave behind: no record, no trace of a face, no secret of the host."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest

from govid.ledger import erasures
from govid.ledger.signing import read_verifier
from tests import support
from tests.attacks.test_bodies import HOSTILE as BODIES
from tests.attacks.test_photos import HOSTILE as PHOTOS
from tests.support import OBAMA, b64


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_refused_requests_store_nothing_and_say_nothing(tmp_path: Path, log_format: str) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_LOG_LEVEL="debug", GOVID_LOG_FORMAT=log_format) as (client, _):
        replies = [
            client.post("/v1/subjects", data={"subject_id": f"s{n}"}, files={"photo": photo})
            for n, (photo, _, _) in enumerate(PHOTOS.values())
        ]
        replies += [
            client.post("/v1/subjects", content=body, headers=head) for head, body, _, _ in BODIES.values()
        ]
        bare = {"Content-Type": "application/octet-stream"}
        replies += [
            client.post("/v1/subjects", params={"subject_id": f"b{n}"}, content=photo, headers=bare)
            for n, (photo, _, _) in enumerate(PHOTOS.values())
        ]
        assert all(400 <= reply.status_code < 500 for reply in replies)
        assert client.get("/v1/subjects").json()["subjects"] == []
        made = client.post("/v1/embed", json={"photo": b64(OBAMA)}).json()
        client.post("/v1/subjects", json={"subject_id": "kept", "photo": b64(OBAMA)})
        template = base64.b64decode(made["embedding"])
        asked = {"subject_id": "kept", "model_id": made["model_id"]}
        client.get("/v1/subjects/kept", params={"subject_id": "kept"})
        assert client.post("/v1/verify", params=asked, content=template, headers=bare).status_code == 200
    for reply in replies:
        assert "Traceback" not in reply.text
        assert str(folder) not in reply.text
        assert "site-packages" not in reply.text
    log = (folder / "server.log").read_text()
    assert "Traceback" not in log
    assert b64(OBAMA)[:60] not in log
    assert made["embedding"][:40] not in log
    assert repr(template[:16])[2:-1] not in log
    assert "kept" not in log, "no subject, in no address and no query"
    with sqlite3.connect(folder / "govid.sqlite3") as records:
        assert records.execute("SELECT count(*) FROM reference").fetchone() == (1,)
        audit = "".join(row[0] for row in records.execute("SELECT record FROM audit"))
    assert made["embedding"][:40] not in audit
    assert "REFUSED_INPUT" in audit
    # No photo lies in any file of the data folder.
    start = OBAMA[2000:2064]
    assert not [file for file in folder.rglob("*") if file.is_file() and start in file.read_bytes()]


def test_records_and_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    from govid.store.sqlite import SqliteStore

    store = SqliteStore(folder / "govid.sqlite3")
    store.close()
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "govid.sqlite3").stat().st_mode & 0o077 == 0


def test_an_erased_template_is_in_no_file(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        made = client.post("/v1/embed", json={"photo": b64(OBAMA)}).json()
        client.post("/v1/subjects", json={"subject_id": "gone", "photo": b64(OBAMA)}).raise_for_status()
        template = base64.b64decode(made["embedding"])[:64]
        with sqlite3.connect(folder / "govid.sqlite3") as records:
            (sealed,) = records.execute("SELECT embedding FROM reference").fetchone()
            (key,) = records.execute("SELECT wrapped FROM subject_key").fetchone()

        def holding(*wanted: bytes) -> list[str]:
            files = [(file.name, file.read_bytes()) for file in folder.rglob("*") if file.is_file()]
            return [name for name, content in files if any(one in content for one in wanted)]

        assert holding(sealed, key)
        assert holding(template) == []

        def erased(*wanted: bytes) -> bool:
            if holding(template, *wanted):
                # The server was reading just then: a later write empties the log.
                client.post("/v1/verify", json={"subject_id": "gone", "photo": b64(OBAMA)})
            return holding(template, *wanted) == []

        address = "/v1/subjects/gone/references"
        client.post(address, json={"photo": b64(OBAMA)}).raise_for_status()
        single = client.delete(f"{address}/1").raise_for_status().json()
        support.wait_until(lambda: erased(sealed[:64]), pause=0.5)
        assert holding(key), "the other reference is sealed under it"
        reply = client.delete("/v1/subjects/gone").raise_for_status().json()
        support.wait_until(lambda: erased(key), pause=0.5)
        receipt = erasures.read(read_verifier(client.get("/v1/receipts/keys").json()), reply["receipt"])
    assert (receipt.jti, receipt.references, receipt.photos) == (reply["request_id"], 1, 0)
    kept = (folder / "keys" / "erasures.jws").read_text()
    assert kept == f"{single['receipt']}\n{reply['receipt']}\n"


def test_a_damaged_record_is_named_and_never_compared(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        client.post("/v1/subjects", json={"subject_id": "damaged", "photo": b64(OBAMA)}).raise_for_status()
        with sqlite3.connect(folder / "govid.sqlite3") as records:
            records.execute("UPDATE reference SET embedding = zeroblob(512)")
        reply = client.post("/v1/verify", json={"subject_id": "damaged", "photo": b64(OBAMA)})
        assert (reply.status_code, reply.json()["slug"]) == (503, "seal-broken")
    assert "reference 1: A template in the record store is damaged" in (folder / "server.log").read_text()
