"""Receipts of all erasures in a file beside the keys, apart from the store: a line each, never rewritten.

A backup from before an erasure brings the subject back, with its key, or the reference. ``replay`` erases it
again, by this file, before anybody is served from the backup.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from govid.audit import AuditRecord, new_request_id
from govid.callers import LOCAL
from govid.config import private_folder
from govid.errors import (
    ErasureNotWritten,
    GovidError,
    InvalidReceipt,
    InvalidSettings,
    LastReference,
    StoreUnavailable,
    UnknownReference,
    UnknownSubject,
)
from govid.ledger import erasures as receipts
from govid.ledger.erasures import Erasure
from govid.ledger.signing import Signer, Verifier
from govid.store import Store, erasures
from govid.store.database import Database
from govid.store.erasures import Mark

log = logging.getLogger("govid.vault")


class ErasureJournal:
    """Keeps the file in step with the store. Safe to call from several threads."""

    def __init__(self, path: Path, database: Database, signer: Callable[[], Signer]) -> None:
        self._path, self._database, self._signer = path, database, signer
        self._lock = threading.Lock()
        self._written: set[Mark] = set()
        self._last = self._read_to = 0

    def catch_up(self) -> None:
        """``write``, where the erasure is answered for: what fails is said in the log."""
        try:
            self.write()
        except ErasureNotWritten as error:
            log.error("%s", error.detail)

    def write(self) -> None:
        """Append what the store has erased and the file does not have yet, whoever erased it.

        Raises:
            ErasureNotWritten: the erasure itself is committed, and a later call makes up for it.
        """
        with self._lock:
            try:
                self._append()
            except (OSError, GovidError) as error:
                raise ErasureNotWritten(
                    f"{self._path} lacks erasures, which a restored backup would bring back: {error}"
                ) from None

    def check(self) -> None:
        """Refuse a store into which a backup has brought back who was erased since.

        Costs a pass through all keys only where the file has erasures that the store does not know.

        Raises:
            StoreUnavailable.
        """
        with self._lock, self._database.reading() as connection:
            unknown = self._written and self._written - erasures.marks(connection)
            back = erasures.still_there(connection, unknown) if unknown else []
        if back:
            raise StoreUnavailable(
                f"{self._database.name}: a restored backup has brought back {len(back)} subjects or"
                " references that were erased: run `govid vault replay` before anybody is served"
            )

    def _append(self) -> None:
        self._look()
        while True:
            with self._database.reading() as connection:
                found = erasures.after(connection, self._last)
            if not found:
                return
            new = [one for _, one in found if one.mark not in self._written]
            if new:
                signer = self._signer()
                _append(self._path, [receipts.issue(signer, one) for one in new])
            self._written |= {one.mark for one in new}
            self._last = found[-1][0]

    def _look(self) -> None:
        """Learn what the file has got since the last look, by this process or another one."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._read_to:
                self._read_to = 0  # another file
            file.seek(self._read_to)
            whole, end, _ = file.read().rpartition(b"\n")
        if end:
            lines = whole.decode("ascii", errors="replace").split("\n")
            self._written |= _marks(lines, self._signer().verifier)
            self._read_to += len(whole) + 1


def read(path: Path, verifier: Verifier) -> list[Erasure]:
    """All receipts of a file. A last line that is not whole was never acknowledged, and is left out.

    Raises:
        InvalidSettings: the file cannot be read.
        InvalidReceipt: a line is no receipt of this installation.
    """
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None
    found = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            found.append(receipts.read(verifier, line))
        except InvalidReceipt as error:
            raise InvalidReceipt(f"{path}, line {number}: {error.detail}") from None
    return found


def _marks(lines: Iterable[str], verifier: Verifier) -> set[Mark]:
    """What the receipts in these lines are of; what is none is as if it were not there."""
    found = set()
    for line in lines:
        with suppress(InvalidReceipt):
            found.add(receipts.read(verifier, line).mark)
    return found


class Again(NamedTuple):
    """What was erased again: a subject, or that reference of it.

    ``last``: the backup had no other reference of the subject, which went too and has to be enrolled anew.
    """

    subject_id: str
    reference_id: int | None = None
    last: bool = False


def to_enrol(again: Iterable[Again]) -> list[str]:
    """Who was not to be erased and went with a last reference."""
    return sorted(one.subject_id for one in again if one.last)


def replay(
    store: Store, receipts: Iterable[Erasure], noted: Iterable[tuple[str, int | None, str | None]] = ()
) -> list[Again]:
    """Erase again what a restored backup has brought back, and note it in the audit.

    By its receipts a subject that was enrolled anew after its erasure has another key, and stays.

    Args:
        noted: what a newer audit has of erasures: subject, reference, request id.

    Raises:
        OperatorError: the rest can be erased by the same call again.
    """
    with store.database.reading() as connection:
        back = erasures.still_there(connection, [erasure.mark for erasure in receipts])
    # Of whom all was erased later, nothing is erased as a last reference.
    todo = sorted([*noted, *((*one, None) for one in back)], key=lambda one: one[1] is not None)
    # Another process may be quicker.
    return [again for one in todo if (again := _erase_again(store, *one))]


def _erase_again(store: Store, subject_id: str, reference_id: int | None, about: str | None) -> Again | None:
    """None: it is not there. ``about``: request id of the first erasure, where it is known."""
    record = AuditRecord(
        time=time.time(),
        request_id=new_request_id(),
        caller=LOCAL.name,
        operation="replay_erasure",
        outcome="DELETED",
        subject_id=subject_id,
        reference_id=reference_id,
        about=about,
    )
    try:
        if reference_id is None:
            store.delete_subject(subject_id, record, None, lambda _: b"")
            return Again(subject_id)
        try:
            store.delete_reference(subject_id, reference_id, record, None, lambda _: b"")
        except LastReference:
            # The better reference, for which the last one could go, is younger than the backup.
            store.delete_reference(subject_id, reference_id, record, None, lambda _: b"", even_last=True)
            return Again(subject_id, reference_id, last=True)
        return Again(subject_id, reference_id)
    except (UnknownSubject, UnknownReference):
        return None


def _append(path: Path, lines: list[str]) -> None:
    private_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        # Another process's line that is not whole yet is no line that a crash left.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            _cut(descriptor, size)
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(descriptor)


def _cut(descriptor: int, size: int) -> None:
    """Take off a line that a crash left half-written: nobody was told of it."""
    tail = os.pread(descriptor, min(size, 1 << 16), max(0, size - (1 << 16)))
    os.truncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)
