"""An installation without models: its records, its keys and what its operator has set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from govid import Settings
from govid.audit import AuditRecord
from govid.backup.create import create
from govid.backup.manifest import Manifest
from govid.ledger.ledger import Ledger
from govid.ledger.signing import Verifier
from govid.store import Stored
from govid.store.opening import open_store
from govid.store.records import SqlStore
from govid.vault.journal import ErasureJournal
from tests.govid.store.support import new, reply


@dataclass
class Place:
    """One installation."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return Path(self.settings.data_dir)

    def at(self, folder: Path, url: str = "") -> Place:
        """The same settings for another folder and database."""
        return Place(msgspec.structs.replace(self.settings, data_dir=str(folder), store_url=url))

    def store(self) -> SqlStore:
        return open_store(self.settings)

    def enrol(self, *subjects: str) -> None:
        store = self.store()
        for number, subject in enumerate(subjects):
            store.add_subject(new(subject, number), _record("enrol", "ENROLLED", subject), None, reply)
        store.close()

    def delete(self, *subjects: str) -> None:
        store = self.store()
        for subject in subjects:
            store.delete_subject(subject, _record("delete", "DELETED", subject), None, lambda _: b"")
        store.close()

    def add(self, subject: str, seed: int) -> int:
        """One more reference; its id."""
        store = self.store()
        record = _record("add_reference", "ENROLLED", subject)
        made = store.add_reference(new(subject, seed), record, None, reply, max_references=9)
        assert isinstance(made, Stored)
        store.close()
        return made.reference.reference_id

    def delete_reference(self, subject: str, reference_id: int) -> None:
        store = self.store()
        record = _record("delete_reference", "DELETED", subject)
        record = msgspec.structs.replace(record, reference_id=reference_id)
        store.delete_reference(subject, reference_id, record, None, lambda _: b"")
        store.close()

    def references(self, subject: str) -> list[int]:
        store = self.store()
        found = list(store.templates_of(subject))
        store.close()
        return found

    def subjects(self) -> list[str]:
        store = self.store()
        found = store.subjects(after="", limit=100)
        store.close()
        return found

    def ledger(self, store: SqlStore) -> Ledger:
        return Ledger(store.database, self.settings.signing_key, {}, complaint_days=1)

    def verifier(self) -> Verifier:
        store = self.store()
        found = self.ledger(store).signer.verifier
        store.close()
        return found

    def checkpoint(self) -> None:
        store = self.store()
        self.ledger(store).checkpoint()
        store.close()

    def backup(self, folder: Path) -> Manifest:
        return create(folder, self.settings)


def journal(place: Place) -> Path:
    """The file of erasures, brought up to date."""
    store = place.store()
    ledger = place.ledger(store)
    ErasureJournal(place.settings.erasures_file, store.database, lambda: ledger.signer).catch_up()
    store.close()
    return place.settings.erasures_file


def _record(operation: str, outcome: str, subject: str) -> AuditRecord:
    return AuditRecord(
        time=time.time(),
        request_id=f"{operation} {subject}",
        operation=operation,
        outcome=outcome,
        subject_id=subject,
    )
