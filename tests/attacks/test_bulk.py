"""Hostile folders, archives and manifests of ``govid import``."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govid.bulk.archive import Archive
from govid.bulk.folder import Folder
from govid.errors import InvalidBody
from tests.govid.bulk.support import PHOTO_MAX, PROFILE, gallery, line, manifest, outcomes, run, stream
from tests.support import b64


def archive(data: bytes) -> Archive:
    return Archive(stream(data), "x.tar", subject_from="file", add=False, photo_max_bytes=PHOTO_MAX)


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, size
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def tar(*members: tarfile.TarInfo, kind: int = tarfile.GNU_FORMAT) -> bytes:
    """An archive of these members with zeros for content, and a good photo behind them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as made:
        for one in members:
            made.addfile(one, io.BytesIO(bytes(one.size)) if one.isreg() else None)
        good = tarfile.TarInfo("good.jpg")
        good.size = 4
        made.addfile(good, io.BytesIO(b"good"))
    return out.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_tar_member_that_is_no_regular_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    run(tmp_path, archive(tar(member("evil.jpg", kind, linkname=str(tmp_path / "secret")))))
    assert outcomes(tmp_path) == {"evil.jpg": "photo-unreadable", "good.jpg": "ENROLLED"}


@pytest.mark.parametrize("name", ["/etc/evil.jpg", "../../evil.jpg", "a/../evil.jpg", "\x1b[31mevil.jpg"])
def test_tar_member_with_a_path_is_only_ever_a_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    run(tmp_path, archive(tar(member(name))))
    assert list((tmp_path / "work").iterdir()) == []
    assert not any(path.name.endswith("evil.jpg") for path in tmp_path.rglob("*"))
    assert {subject for subject, _, _ in gallery(tmp_path)} <= {"evil", "good"}


def test_sparse_bomb_is_not_unfolded(tmp_path: Path) -> None:
    bomb = member("bomb.jpg", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.realsize": str(1 << 50)})
    run(tmp_path, archive(tar(bomb, kind=tarfile.PAX_FORMAT)))
    assert outcomes(tmp_path) == {"bomb.jpg": "photo-unreadable", "good.jpg": "ENROLLED"}


def test_large_member_is_read_past(tmp_path: Path) -> None:
    run(tmp_path, archive(gzip.compress(tar(member("large.jpg", size=50 << 20)))))
    assert outcomes(tmp_path) == {"large.jpg": "photo-too-large", "good.jpg": "ENROLLED"}


def header(kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    return member("x.jpg", kind, size).tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "data",
    {
        "a header of gigabytes": header(kind=tarfile.XHDTYPE, size=1 << 33),
        "a name of gigabytes": header(kind=tarfile.GNUTYPE_LONGNAME, size=1 << 33),
        "a pax record longer than its header": header(kind=tarfile.XHDTYPE, size=512)
        + b"99999 path=x\n".ljust(512, b"\0"),
        "a pax record without an end": header(kind=tarfile.XHDTYPE, size=512)
        + b"0 path=x\n".ljust(512, b"\0"),
        "an impossible size": header(kind=tarfile.XHDTYPE, size=512)
        + b"16 size=9999999\n12 size=-1\n".ljust(512, b"\0"),
        "a wrong checksum": b"y" + header()[1:],
        "cut off inside a member": header(size=1000) + bytes(100),
        "cut off inside a header": header() + b"half a header",
        "no tar": b"GIF89a" * 200,
        "damaged gzip": gzip.compress(header(size=1000))[:-20],
        "gzip of garbage": b"\x1f\x8b" + bytes(range(256)) * 8,
    }.items(),
    ids=lambda item: item[0],
)
def test_damaged_archive_ends_with_a_word_and_keeps_what_came_before(
    tmp_path: Path, data: tuple[str, bytes]
) -> None:
    name, evil = data
    if "gzip" not in name and name != "no tar":
        evil = tar()[:1024] + evil  # behind the good photo
    with pytest.raises(InvalidBody):
        run(tmp_path, archive(evil))
    if evil[:8] == b"good.jpg":
        assert outcomes(tmp_path)["good.jpg"] == "ENROLLED"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.jpg",
        "/etc/hostname",
        "a/../../secret.jpg",
        ".",
        "",
        "a//b.jpg",
        "a\0.jpg",
        "./a.jpg",
        "d",
        "pipe",
    ],
)
def test_manifest_path_never_leads_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "photos"
    (folder / "d").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    run(tmp_path, manifest([{"subject_id": "x", "photo_file": name}, line("good")], folder=folder))
    assert outcomes(tmp_path) == {"line 1": "photo-unreadable", "line 2": "ENROLLED"}


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jpg").write_bytes(b"secret")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "link.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (folder / "away").symlink_to(tmp_path / "outside")
    source = Folder(folder, subject_from="file", add=False, photo_max_bytes=PHOTO_MAX)
    run(tmp_path, source)
    assert outcomes(tmp_path) == {"link.jpg": "photo-unreadable"}
    assert gallery(tmp_path) == []
    (tmp_path / "results.ndjson").unlink()
    lines = [{"subject_id": "x", "photo_file": name} for name in ("link.jpg", "away/secret.jpg")]
    run(tmp_path, manifest(lines, folder=folder))
    assert set(outcomes(tmp_path).values()) == {"unreadable"}
    assert gallery(tmp_path) == []


def with_value(value: float) -> dict[str, Any]:
    embedding = np.full(129, 0.1, dtype="<f4")
    embedding[77] = value
    return {"model_id": PROFILE.model_id, "embedding": b64(embedding.tobytes())}


HOSTILE: dict[str, tuple[dict[str, Any] | bytes, str]] = {
    "huge line": (b'{"subject_id":"' + b"a" * 10_000_000 + b'"}', "malformed-body"),
    # Longer than an index of PostgreSQL takes, and no two bytes alike.
    "endless id": ({**line("x"), "subject_id": secrets.token_hex(5000)}, "invalid-subject-id"),
    "endless model id": (
        {"subject_id": "x", "template": {"model_id": "m" * 10_000, "embedding": "AAAA"}},
        "template-wrong-model",
    ),
    "deep nesting": (b'{"groups":' + b"[" * 50_000, "invalid-body"),
    "not UTF-8": (b'{"subject_id":"\xff\xff"}', "malformed-body"),
    "invalid base64": ({"subject_id": "x", "photo": "%%%"}, "invalid-base64"),
    "unknown field": ({"subject_id": "x", "photo": "AAAA", "admin": True}, "unknown-field"),
    "photo and template": ({**line("x"), "photo": "AAAA"}, "invalid-body"),
    "neither": ({"subject_id": "x"}, "invalid-body"),
    "file by a pipe": ({"subject_id": "x", "photo_file": "/etc/passwd"}, "invalid-body"),
    "NaN": ({"subject_id": "x", "template": with_value(np.nan)}, "template-not-finite"),
    "infinity": ({"subject_id": "x", "template": with_value(np.inf)}, "template-not-finite"),
    "zeros": (
        {"subject_id": "x", "template": {"model_id": PROFILE.model_id, "embedding": b64(bytes(516))}},
        "template-zero-norm",
    ),
    "short": (
        {"subject_id": "x", "template": {"model_id": PROFILE.model_id, "embedding": b64(bytes(8))}},
        "template-wrong-length",
    ),
    "constant alone": (
        {
            "subject_id": "x",
            "template": {
                "model_id": PROFILE.model_id,
                "embedding": b64(bytes(512) + np.float32(1).tobytes()),
            },
        },
        "template-implausible",
    ),
    "subject with a path": (line("../x"), "invalid-subject-id"),
    "group with a path": (line("x", groups=["../x"]), "invalid-group"),
    "time before time": (line("x", created_at=-1), "invalid-body"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_line_is_refused_by_name_and_stops_nothing(tmp_path: Path, name: str) -> None:
    hostile, slug = HOSTILE[name]
    run(tmp_path, manifest([line("before", 1), hostile, line("after", 2)]))
    assert outcomes(tmp_path) == {"line 1": "ENROLLED", "line 2": slug, "line 3": "ENROLLED"}
    assert len((tmp_path / "results.ndjson").read_bytes()) < 2000
