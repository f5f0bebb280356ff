"""What a refused request must not leave behind: no record, no trace of a face, no secret of the host."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests import support
from tests.attacks.test_bodies import HOSTILE as BODIES
from tests.attacks.test_photos import HOSTILE as PHOTOS
from tests.support import OBAMA, b64


def test_refused_requests_store_nothing_and_say_nothing(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_LOG_LEVEL="debug") as (client, _):
        replies = [
            client.post("/v1/subjects", data={"subject_id": f"s{n}"}, files={"photo": photo})
            for n, (photo, _, _) in enumerate(PHOTOS.values())
        ]
        replies += [
            client.post("/v1/subjects", content=body, headers=head) for head, body, _, _ in BODIES.values()
        ]
        assert all(400 <= reply.status_code < 500 for reply in replies)
        assert client.get("/v1/subjects").json()["subjects"] == []
        made = client.post("/v1/embed", json={"photo": b64(OBAMA)}).json()
        client.post("/v1/subjects", json={"subject_id": "kept", "photo": b64(OBAMA)})
    for reply in replies:
        assert "Traceback" not in reply.text
        assert str(folder) not in reply.text
        assert "site-packages" not in reply.text
    log = (folder / "server.log").read_text()
    assert "Traceback" not in log
    assert b64(OBAMA)[:60] not in log
    assert made["embedding"][:40] not in log
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
