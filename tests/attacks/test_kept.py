"""Photos that are kept, and all that is held on somebody: no way to them but the right one."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import PIL.Image
import pytest

from govid import Engine, Settings
from govid.callers import Scope, Sight
from govid.errors import SealBroken
from govid.retention import Keeper
from govid.store.opening import open_store
from tests import support
from tests.server.access import bearer, caller, make_keys
from tests.support import b64

PLACE = b"Secret Street 7"


@dataclass(frozen=True)
class Registry:
    """A server with a case of two subjects and a bystander, all with a kept photo."""

    client: httpx.Client
    folder: Path
    keys: dict[str, str]
    references: dict[str, int]
    case_id: int


def revealing(photo: bytes) -> bytes:
    """The photo as a telephone writes it: where, when and by what it was taken."""
    exif = PIL.Image.Exif()
    exif[0x010F], exif[0x9286], exif[0x0132] = "Spy Phone", PLACE.decode(), "2026:11:01 12:00:00"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 51.0, 30.0), "E", (2.0, 17.0, 40.0)
    return support.encoded(
        support.opened(photo),
        "JPEG",
        exif=exif,
        comment=PLACE,
        icc_profile=b"an odd profile " + PLACE,
        quality=95,
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = support.data_dir(tmp_path_factory.mktemp("kept") / "var")
    parties = [caller(str(scope), scope, sees=Sight.EXACT) for scope in Scope]
    keys = make_keys(folder, *parties)
    with support.server(folder, GOVID_KEEP_PHOTOS_DAYS="7", GOVID_ON_DUPLICATE="hold") as (client, _):
        made = {}
        for name, photo in (
            ("bystander", support.BIDEN),
            ("alice", support.OBAMA),
            ("alias", support.OBAMA_LATER),
        ):
            body = {"subject_id": name, "photo": b64(revealing(photo))}
            made[name] = client.post("/v1/subjects", json=body, headers=bearer(keys["enrol"])).json()
        references = {name: one["reference_id"] for name, one in made.items()}
        yield Registry(client, folder, keys, references, made["alias"]["case_id"])


def photo_of(registry: Registry, name: str, key: str = "adjudicate", case: object = None) -> httpx.Response:
    address = f"/v1/cases/{registry.case_id if case is None else case}/photos/{registry.references[name]}"
    return registry.client.get(address, headers=bearer(registry.keys[key]))


def test_a_photo_outside_of_the_case_is_not_shown(registry: Registry) -> None:
    assert photo_of(registry, "alice").status_code == 200
    outside = photo_of(registry, "bystander")
    assert (outside.status_code, outside.json()["slug"]) == (404, "photo-not-kept")
    for case in (registry.case_id + 1, 0, -1, 10**30):
        assert photo_of(registry, "alice", case=case).status_code == 404
    for case in ("1 OR 1=1", "%2e%2e", "1%2f1", "0x1", "1.0"):
        assert photo_of(registry, "alice", case=case).status_code in {400, 404}


def test_no_other_scope_opens_a_photo_or_an_export(registry: Registry) -> None:
    for name in registry.keys:
        export = registry.client.get("/v1/subjects/alice/export", headers=bearer(registry.keys[name]))
        assert (photo_of(registry, "alice", key=name).status_code == 200) == (name == "adjudicate")
        assert (export.status_code == 200) == (name == "disclose")
        if name != "disclose":
            assert export.status_code == 403
            assert "embedding" not in export.text
    assert registry.client.get("/v1/subjects/alice/export").status_code == 401
    for address in ("/v1/subjects/alice/Export", "/v1/subjects/alice/export/x", "/v1/subjects/%2e%2e/export"):
        assert registry.client.get(address, headers=bearer(registry.keys["disclose"])).status_code in {
            404,
            422,
        }


def test_an_export_is_of_one_person_and_leaves_a_record(registry: Registry) -> None:
    reply = registry.client.get("/v1/subjects/alice/export", headers=bearer(registry.keys["disclose"]))
    assert reply.headers["cache-control"] == "no-store"
    document = json.loads(reply.content)
    assert document["export"]["references"][0]["photo"]["media_type"] == "image/jpeg"
    assert '"alias"' not in reply.text
    assert '"bystander"' not in reply.text
    rows = registry.client.get(
        "/v1/audit", params={"operation": "export_subject"}, headers=bearer(registry.keys["audit"])
    ).json()["rows"]
    assert rows[0]["record"]["caller"] == "disclose"
    uses = registry.client.get("/v1/subjects/alice/uses", headers=bearer(registry.keys["audit"])).json()[
        "uses"
    ]
    assert "export_subject" in {use["operation"] for use in uses}


def test_a_kept_photo_says_nothing_but_the_face(registry: Registry) -> None:
    kept = photo_of(registry, "alice").content
    for telling in (PLACE, b"Spy Phone", b"2026:11:01", b"Exif", b"ICC_PROFILE", b"http"):
        assert telling not in kept
    with PIL.Image.open(BytesIO(kept)) as picture:
        assert not picture.getexif()
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_no_file_of_the_records_or_the_log_holds_a_photo(registry: Registry) -> None:
    kept = photo_of(registry, "alice").content
    assert kept.startswith(b"\xff\xd8\xff\xe0")
    found = {path.name: path.read_bytes() for path in registry.folder.iterdir() if path.is_file()}
    assert len(found["govid.sqlite3"]) + len(found["govid.sqlite3-wal"]) > len(kept)
    for name, content in found.items():
        assert b"JFIF" not in content, name
        assert PLACE not in content, name
        for place in range(100, len(kept) - 32, len(kept) // 10):
            assert kept[place : place + 32] not in content, name


def test_a_photo_past_its_time_is_overwritten_on_the_disk(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    settings = Settings(data_dir=str(folder), keep_photos_days=1)
    with Engine(settings) as engine:
        engine.enrol("alice", support.OBAMA)
        sealed = sqlite3.connect(folder / "govid.sqlite3").execute("SELECT data FROM photo").fetchone()[0]

        def on_disk() -> bool:
            files = [path for path in folder.iterdir() if path.name.startswith("govid.sqlite3")]
            return any(sealed[1000:1100] in path.read_bytes() for path in files)

        assert on_disk()
        later = Keeper(
            engine.store.database,
            settings,
            engine.use_cases,
            lambda: engine.ledger.signer,
            clock=lambda: time.time() + 2 * 86400,
        )
        assert later.run().erased["photos"] == 1
        assert not on_disk()


def test_a_photo_of_another_subject_cannot_be_put_in_its_place(registry: Registry, tmp_path: Path) -> None:
    shutil.copytree(registry.folder, tmp_path / "var", ignore=shutil.ignore_patterns("models"))
    with sqlite3.connect(tmp_path / "var" / "govid.sqlite3") as attacker:
        attacker.execute(
            "UPDATE photo SET data = (SELECT data FROM photo WHERE reference_id = ?) WHERE reference_id = ?",
            (registry.references["bystander"], registry.references["alice"]),
        )
    store = open_store(Settings(data_dir=str(tmp_path / "var")))
    with pytest.raises(SealBroken), store.database.reading() as connection:
        store.photos.of_reference(connection, registry.references["alice"])
    store.close()
