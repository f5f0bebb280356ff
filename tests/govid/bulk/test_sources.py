from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from govid.bulk.archive import Archive
from govid.bulk.folder import Folder
from govid.bulk.journal import Journal
from govid.bulk.names import SubjectFrom
from govid.faces import FacePipeline
from govid.store.sqlite import SqliteStore
from tests.govid.bulk.support import PHOTO_MAX, embed, gallery, importer, manifest, outcomes, run, stream
from tests.support import OBAMA, SAMPLES

FILES = {
    "alice.jpg": b"1",
    "deep/er/bob.PNG": b"2",
    "deep/carol.webp": b"3",
    "deep/notes.txt": b"no photo",
    ".hidden.jpg": b"no photo",
}
NAMES = ["alice", "bob", "carol"]


def folder(path: Path, subject_from: SubjectFrom = "file", *, add: bool = False) -> Folder:
    return Folder(path, subject_from=subject_from, add=add, photo_max_bytes=PHOTO_MAX)


def archive(data: bytes, subject_from: SubjectFrom = "file") -> Archive:
    return Archive(stream(data), "x.tar", subject_from=subject_from, add=False, photo_max_bytes=PHOTO_MAX)


def tar(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as made:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return out.getvalue()


def files(path: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def test_a_folder_of_photos(tmp_path: Path) -> None:
    assert run(tmp_path, folder(files(tmp_path / "photos", FILES))).enrolled == 3
    assert [subject for subject, _, _ in gallery(tmp_path)] == NAMES


def test_a_folder_for_each_subject(tmp_path: Path) -> None:
    photos = files(tmp_path / "photos", {"anna/1.jpg": b"1", "anna/2.jpg": b"2", "x/ben/1.jpg": b"3"})
    run(tmp_path, folder(photos, "folder"))
    assert [(subject, len(held)) for subject, _, held in gallery(tmp_path)] == [("anna", 2), ("ben", 1)]


def test_a_photo_that_came_later_is_found_by_the_next_run(tmp_path: Path) -> None:
    photos = files(tmp_path / "photos", {"b.jpg": b"1", "d.jpg": b"2"})
    run(tmp_path, folder(photos))
    files(photos, {"a.jpg": b"3", "c.jpg": b"4"})
    summary = run(tmp_path, folder(photos))
    assert (summary.enrolled, summary.done_earlier) == (2, 2)


def test_a_name_in_decomposed_letters_is_one_subject_id(tmp_path: Path) -> None:
    run(tmp_path, folder(files(tmp_path / "photos", {"Zoe\u0308.jpg": b"1"})))
    assert [subject for subject, _, _ in gallery(tmp_path)] == ["Zo\u00eb"]


def test_a_name_that_is_no_text_is_refused_and_reported(tmp_path: Path) -> None:
    photos = files(tmp_path / "photos", {"a.jpg": b"1"})
    (photos / os.fsdecode(b"\xff.jpg")).write_bytes(b"2")
    run(tmp_path, folder(photos))
    assert outcomes(tmp_path) == {"a.jpg": "ENROLLED", "\\udcff.jpg": "invalid-subject-id"}


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_tar_of_photos(tmp_path: Path, kind: int, compressed: bool) -> None:
    # Longer than a header holds, and not ASCII: the three formats have a way each.
    name = "folder-" * 12 + "/" + "z" * 90 + ".jpg"
    data = tar({**FILES, "deep/Jörg.jpg": b"4" * 600, name: b"5" * 513}, kind)
    assert run(tmp_path, archive(gzip.compress(data) if compressed else data)).enrolled == 5
    assert [subject for subject, _, _ in gallery(tmp_path)] == ["Jörg", *NAMES, "z" * 90]
    templates = {subject: held for subject, _, held in gallery(tmp_path)}
    assert templates["z" * 90] == [embed(b"5" * 513).template.embedding.tobytes()]


def test_a_tar_is_resumed_by_the_place_of_its_members(tmp_path: Path) -> None:
    contents = {f"{n}.jpg": b"%d" % n for n in range(20)}
    data = tar(contents)
    run(tmp_path, archive(data))
    summary = run(tmp_path, archive(data))
    assert (summary.items, summary.done_earlier) == (0, 20)


def test_a_manifest_names_files_beside_it(tmp_path: Path) -> None:
    files(tmp_path / "photos", {"a.jpg": b"1", "deep/b.jpg": b"2"})
    lines = [{"subject_id": "a", "photo_file": "a.jpg"}, {"subject_id": "b", "photo_file": "deep/b.jpg"}]
    assert run(tmp_path, manifest(lines, folder=tmp_path / "photos")).enrolled == 2


def test_real_photos_of_a_folder_can_be_found(tmp_path: Path, faces: FacePipeline) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    made = importer(store, embed=faces.sample)
    source = Folder(SAMPLES, subject_from="file", add=False, photo_max_bytes=1 << 20)
    with Journal(tmp_path / "results.ndjson", source.name) as journal:
        assert made.run(source, journal).enrolled == 3
    (held,) = store.references("obama-2012")
    assert held.quality
    assert float(held.template.embedding @ faces.sample(OBAMA).template.embedding) == pytest.approx(
        1, abs=1e-5
    )
    store.close()


def test_a_folder_that_cannot_be_read_is_one_failed_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / f"{name}.jpg").write_bytes(b"x")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    # Root, as which tests may run, reads every folder.
    monkeypatch.setattr(os, "scandir", refuse)
    source = Folder(tmp_path / "photos", subject_from="file", add=False, photo_max_bytes=100)
    found = {item.source: content for item, content in source.items(lambda _: False)}
    assert list(found) == ["a/a.jpg", "b/", "c/c.jpg"]
    assert isinstance(found["b/"], PermissionError)
