"""A gallery on disk, for a start without reading the whole store. It is a copy: what is doubtful is not used.

    <folder>/<sequence>-<random>/   manifest.json   what it is, and a digest of every file
                                    ids             int64 little-endian; -1 - id: removed since the last build
                                    vectors         float32 little-endian, a row each; removed ones are zeros
                                    index           FAISS' own format, where the tier has one

Faces lie in it: folders are 0700, files 0600. Sealed (``kept.py``) they are opened into memory, in clear they
are mapped. A folder gets its name when all of it is on the disk, so that a crash leaves the older one. It
names a row of the store's audit that no change in it is younger than: a store without that row was restored
and has another history. What is refused is deleted. Removed references leave the index with the next build,
as they do in memory.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from govid.config import private_folder
from govid.errors import GovidError
from govid.gallery import Recall, kept
from govid.gallery.kept import Cipher
from govid.gallery.library import faiss
from govid.gallery.segments import Segment
from govid.vault.vault import Vault

_FORMAT = 2
_UNFINISHED = "unfinished-"

log = logging.getLogger("govid.gallery")


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a snapshot is. ``segments``: rows of each; the first ``covered`` are those of the index.

    ``head``: id and digest of an audit row of its store.
    """

    format: int = _FORMAT
    tier: str
    model_id: str
    dimension: int
    sequence: int
    built_at: float | None
    segments: tuple[int, ...]
    covered: int = 0
    effort: int = 0
    recall: Recall | None = None
    head: tuple[int, str] = (0, "")
    digests: dict[str, str] = {}
    key: tuple[str, bytes] | None = None
    """Of a sealed one: id of the key-encryption key, and the snapshot's own key, wrapped."""


class Snapshot(NamedTuple):
    """What was read: the segments with their vectors mapped, and the index over the first of them."""

    manifest: Manifest
    segments: list[Segment]
    index: Any
    written_at: float


class _DoubtfulError(Exception):
    """A snapshot that must not be used, and why."""


def write(
    folder: Path,
    about: Manifest,
    covered: Sequence[Segment],
    loose: Sequence[Segment],
    index: Any,  # noqa: ANN401
    head: Callable[[], tuple[int, str]],
    vault: Vault | None,
) -> None:
    """Write a snapshot, and delete the older ones.

    Args:
        about: its ``segments``, ``covered``, ``head`` and ``digests`` are filled in here.
        covered: the segments of the index; their removed rows keep their places, emptied.
        loose: all others; their removed rows are left out.
        index: of FAISS, or None.
        head: of the audit.
        vault: seals it; None: it lies in clear.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    _sweep(private_folder(folder))
    cipher = Cipher.new(vault) if vault else None
    name = f"{about.sequence:020d}-{secrets.token_hex(4)}"
    unfinished = folder / f"{_UNFINISHED}{os.getpid()}-{name}"
    unfinished.mkdir(mode=0o700)
    try:
        # Each is read once: a removal meanwhile must not shift ids against vectors.
        flags = [segment.alive.copy() for segment in (*covered, *loose)]
        bound_to = head()
        rows = [*zip(covered, flags, strict=False), *zip(loose, flags[len(covered) :], strict=True)]
        keep = [np.ones(len(s), np.bool_) if i < len(covered) else a for i, (s, a) in enumerate(rows)]
        digests = {
            "ids": kept.write(
                unfinished / "ids",
                (
                    np.where(alive, s.ids, -1 - s.ids)[mask].astype("<i8")
                    for (s, alive), mask in zip(rows, keep, strict=True)
                ),
                cipher,
            ),
            "vectors": kept.write(
                unfinished / "vectors",
                (
                    np.where(alive[:, None], s.vectors, np.float32(0))[mask].astype("<f4")
                    for (s, alive), mask in zip(rows, keep, strict=True)
                ),
                cipher,
            ),
        }
        if index is not None:
            digests["index"] = kept.write(unfinished / "index", [faiss.serialize_index(index)], cipher)
        manifest = msgspec.structs.replace(
            about,
            segments=tuple(int(mask.sum()) for mask in keep),
            covered=len(covered),
            head=bound_to,
            digests=digests,
            key=cipher.wrapped if cipher else None,
        )
        text = msgspec.json.encode(manifest)
        kept.write(unfinished / "manifest.json", [np.frombuffer(text + _mark(text, cipher), np.uint8)], None)
        _synced(unfinished)
        unfinished.rename(folder / name)
        _synced(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    for older in _all(folder):
        if older.name < name:
            shutil.rmtree(older, ignore_errors=True)


def delete(folder: Path) -> None:
    """Delete all snapshots, also half-written ones: they hold a face that must go."""
    _sweep(folder)
    for path in _all(folder):
        shutil.rmtree(path, ignore_errors=True)


def read(
    folder: Path,
    model_id: str,
    dimension: int,
    holds: Callable[[int, str], bool],
    vault: Vault | None,
    space: Callable[[int], NDArray[np.float32]],
) -> Snapshot | None:
    """The newest sound snapshot, None if there is none. Why one is refused is a warning in the log.

    Args:
        holds: whether the store has the audit row of that id and digest.
        vault: opens it; None: it lies in clear. One of the other kind is refused.
        space: where to open that many sealed vectors, (n, dimension).
    """
    _sweep(folder)
    for path in sorted(_all(folder), reverse=True):
        try:
            return _read(path, model_id, dimension, holds, vault, space)
        # FAISS raises RuntimeError.
        except (_DoubtfulError, GovidError, msgspec.MsgspecError, OSError, RuntimeError, ValueError) as error:
            log.warning("the snapshot %s is not used, the store fills the gallery: %s", path.name, error)
            shutil.rmtree(path, ignore_errors=True)
    return None


def _read(
    path: Path,
    model_id: str,
    dimension: int,
    holds: Callable[[int, str], bool],
    vault: Vault | None,
    space: Callable[[int], NDArray[np.float32]],
) -> Snapshot:
    text, mark = (content := (path / "manifest.json").read_bytes())[:-65], content[-65:]
    manifest = msgspec.json.decode(text, type=Manifest)
    if (manifest.key is None) != (vault is None):
        raise _DoubtfulError("it is in clear" if vault else "it is sealed, and the settings want none")
    cipher = Cipher.of(vault, manifest.key) if vault and manifest.key else None
    if not hmac.compare_digest(mark, _mark(text, cipher)):
        raise _DoubtfulError("its manifest is damaged")
    if (manifest.format, manifest.model_id, manifest.dimension) != (_FORMAT, model_id, dimension):
        raise _DoubtfulError(f"it is of {manifest.model_id}, {manifest.dimension} dimensions")
    if not _is_whole(manifest):
        raise _DoubtfulError("its manifest names other files or rows than a snapshot has")
    if not manifest.head[1] or not holds(*manifest.head):
        raise _DoubtfulError(f"the store has not the audit row {manifest.head[0]} that it was made with")
    for name, digest in manifest.digests.items():
        with (path / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise _DoubtfulError(f"{name} has not the digest of the manifest")
    total = sum(manifest.segments)
    if cipher:
        stored_ids = np.empty(total, "<i8")
        kept.read(path / "ids", cipher, stored_ids.view(np.uint8))
        vectors = space(total)
        kept.read(path / "vectors", cipher, vectors.reshape(-1).view(np.uint8))
    else:
        stored_ids = np.fromfile(path / "ids", "<i8")
        if len(stored_ids) != total or (path / "vectors").stat().st_size != 4 * total * dimension:
            raise _DoubtfulError(f"its files have not the {total} rows of the manifest")
        vectors = (
            np.memmap(path / "vectors", np.float32, "r", shape=(total, dimension))
            if total
            else np.empty((0, dimension), np.float32)
        )
    ids = stored_ids.astype(np.int64, copy=False)
    segments, end = [], 0
    for length in manifest.segments:
        start, end = end, end + length
        mine = ids[start:end]
        alive = mine >= 0
        segment = Segment(np.where(alive, mine, -1 - mine), vectors[start:end], alive)
        segment.dead = length - int(np.count_nonzero(alive))
        segments.append(segment)
    index = _index(path / "index", cipher) if manifest.covered else None
    return Snapshot(manifest, segments, index, path.stat().st_mtime)


def _is_whole(manifest: Manifest) -> bool:
    files = {"ids", "vectors", "index"} if manifest.covered else {"ids", "vectors"}
    return (
        files <= manifest.digests.keys() <= {*files, "index"}
        and all(rows >= 0 for rows in manifest.segments)
        and 0 <= manifest.covered <= len(manifest.segments)
    )


def _index(path: Path, cipher: Cipher | None) -> Any:  # noqa: ANN401
    if cipher is None:
        return faiss.read_index(str(path))
    content = np.empty(kept.size(path), np.uint8)
    kept.read(path, cipher, content)
    return faiss.deserialize_index(content)


def _mark(text: bytes, cipher: Cipher | None) -> bytes:
    return b"\n" + (cipher.mark(text) if cipher else hashlib.sha256(text).hexdigest()).encode()


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _all(folder: Path) -> list[Path]:
    with suppress(OSError):
        return [path for path in folder.iterdir() if not path.name.startswith(_UNFINISHED)]
    return []


def _sweep(folder: Path) -> None:
    """Delete what processes left that died while they wrote.

    In containers each has the same number: this one writes one snapshot at a time, and has not begun it.
    """
    for path in folder.glob(f"{_UNFINISHED}*"):
        process = int(path.name.removeprefix(_UNFINISHED).partition("-")[0])
        if process == os.getpid() or not _runs(process):
            shutil.rmtree(path, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
