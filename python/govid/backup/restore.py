"""Put a backup into an empty place. Whoever was erased since stays erased."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from govid import config
from govid.audit import AuditRecord, new_request_id
from govid.backup import keys, manifest
from govid.backup.afterwards import Afterwards
from govid.backup.copiers import copier_of
from govid.backup.manifest import Manifest
from govid.callers import LOCAL
from govid.errors import (
    BackupBroken,
    BackupFailed,
    InvalidSettings,
    OperatorError,
    SigningKeyForeign,
    SigningKeyGone,
    SigningKeyRetired,
    TargetNotEmpty,
)
from govid.ledger.erasures import Erasure as Receipt
from govid.ledger.rotation import current_signer, needed_key
from govid.store import erasures
from govid.store.audit import AuditLog
from govid.store.backup import adopt
from govid.store.database import Database
from govid.store.keys import KeyStore
from govid.store.opening import open_store
from govid.store.schema import MIGRATIONS
from govid.vault.journal import replay, to_enrol

# What may lie in the folder before: models are pulled, and keys brought, independently of a backup.
_WELCOME = frozenset({"models", "keys"})
_PLACES = {"calibrations": "calibrations", "use_cases": "use_cases", "settings.toml": "settings.toml"}


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did."""

    subjects: int
    references: int
    erased: Annotated[
        int, Meta(description="Subjects and single references erased since the backup, and again now")
    ]
    to_enrol: Annotated[
        list[str],
        Meta(description="Subjects of whom the backup had an erased reference alone: to be enrolled again"),
    ]
    audit_position: Annotated[int, Meta(description="The last row of the audit that is there again")]
    made_at: Annotated[int, Meta(description="When the backup was made, seconds since the epoch")]
    active_keys: Annotated[int, Meta(description="API keys that are valid now: also those revoked since")]
    missing_key: Annotated[
        str | None, Meta(description="Id of the signing key, if it is not here: no server starts without it")
    ]


def check_place(settings: config.Settings, found: Manifest) -> None:
    """Refuse to restore over something, or what this govid cannot read.

    Raises:
        TargetNotEmpty, BackupBroken, InvalidSettings, StoreUnavailable.
    """
    copier = copier_of(settings)
    if copier.file != found.records:
        wanted = "set store_url" if found.records.endswith(".dump") else "unset store_url"
        raise InvalidSettings(f"the backup holds {found.records}: {wanted}")
    if found.moment.schema > len(MIGRATIONS):
        raise BackupBroken(
            f"schema {found.moment.schema} was written by a newer govid; this one knows {len(MIGRATIONS)}"
        )
    folder = Path(settings.data_dir)
    if folder.exists() and (there := sorted({path.name for path in folder.iterdir()} - _WELCOME)):
        raise TargetNotEmpty(f"{folder}: {there[0]} is there")
    copier.check_target()


def restore(
    folder: Path,
    found: Manifest,
    settings: config.Settings,
    afterwards: Afterwards,
    *,
    private_keys: Mapping[str, bytes] | None = None,
) -> Restored:
    """Put a backup that was verified into the empty place that the settings name.

    Servers must not run there before it returns. The records appear last: without them, no server starts on
    half of it.

    Args:
        afterwards: who was erased since the backup is deleted from what was restored, and so audited.
        private_keys: files for the keys folder, by name.

    Raises:
        BackupFailed, BackupBroken, OperatorError: the folder is as it was; an empty PostgreSQL schema may
            hold records, and has to be emptied.
    """
    target = Path(settings.data_dir)
    stage = target / ".restoring"
    staged = msgspec.structs.replace(settings, data_dir=str(stage))
    try:
        config.private_folder(stage)
        keys.put(target, stage, private_keys or {})
        for name, place in _PLACES.items():
            if (folder / name).exists():
                (shutil.copytree if (folder / name).is_dir() else shutil.copyfile)(
                    folder / name, stage / place
                )
        copier = copier_of(staged)
        copier.load(folder / found.records)
        _check_copied(staged.database, found)
        done = _brought_forward(staged, found, afterwards)
        keys.settle(stage / "keys", target / "keys")
        for path in sorted(stage.iterdir(), key=lambda path: path == staged.database):
            if not (target / path.name).exists():
                path.rename(target / path.name)
        _synced(target)
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from None
    except OperatorError as error:
        # Where the keys will lie, and do, if they were brought before.
        error.detail = error.detail.replace(str(stage), str(target))
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        with suppress(OSError):
            target.rmdir()  # if it is empty: it was not there before
    return done


def _check_copied(database: Path, found: Manifest) -> None:
    """Between the verification and now, somebody may have exchanged the file."""
    if database.exists():
        copied = manifest.described_file(database)
        if copied != found.files[found.records]:
            raise BackupBroken(f"{found.records} was altered")


def _brought_forward(staged: config.Settings, found: Manifest, afterwards: Afterwards) -> Restored:
    store = open_store(staged)
    try:
        adopt(store.database, _record())
        missing_key = _change_keys(staged, AuditLog(store.database), found, afterwards)
        if afterwards.receipts:
            _check_as_new(store.database, afterwards.receipts)
        erased = replay(store, afterwards.receipts, afterwards.erasures)
        counts = store.counts()
        return Restored(
            subjects=counts.subjects,
            references=counts.references,
            erased=len(erased),
            to_enrol=to_enrol(erased),
            audit_position=found.moment.audit_position,
            made_at=found.iat,
            active_keys=_active_keys(store.database),
            missing_key=missing_key,
        )
    finally:
        store.close()


def _change_keys(
    staged: config.Settings, log: AuditLog, found: Manifest, afterwards: Afterwards
) -> str | None:
    """Follow to the signing key of today, and refuse one that no rotation leads to from the backup's; the id
    of one that is not here."""
    if needed_key(log) is None:  # an older govid made the backup, before the first checkpoint
        log.name_first_key(found.signed_by)
    for rotation in afterwards.rotations:
        log.add_rotation(rotation, after=log.last_rotation())
    try:
        current_signer(staged.signing_key, log, create=False)
    except SigningKeyGone:
        return needed_key(log)
    except (SigningKeyForeign, SigningKeyRetired) as error:
        raise BackupFailed(
            f"{error.detail}. If it is the key of another store, remove it and bring the "
            "right one (--private-keys); if it is newer than the backup, give the audit that has the change "
            "(--newer-audit)"
        ) from None
    return None


def _check_as_new(database: Database, receipts: Iterable[Receipt]) -> None:
    """Refuse a file of erasures from before the backup, which says nothing of those since."""
    known = {receipt.mark for receipt in receipts}
    last = 0
    while True:
        with database.reading() as connection:
            some = erasures.after(connection, last)
        if not some:
            return
        if any(one.mark not in known for _, one in some):
            raise BackupBroken(
                "the file of erasures is older than the backup: it lacks some that the backup has"
            )
        last = some[-1][0]


def _record() -> AuditRecord:
    return AuditRecord(
        time=time.time(),
        request_id=new_request_id(),
        caller=LOCAL.name,
        operation="restore",
        outcome="RESTORED",
    )


def _active_keys(database: Database) -> int:
    return sum(key.state == "active" for key in KeyStore(database).all())


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
