"""The record store as NDJSON that ``govid import`` reads. Templates are biometric data like photos."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import msgspec

from govid import template
from govid.audit import AuditRecord
from govid.bulk.manifest import Line, TemplateIn
from govid.callers import LOCAL
from govid.errors import InvalidParameter
from govid.store import Store, listing

_LINES_AT_ONCE = 1000


class Exported(msgspec.Struct, kw_only=True):
    """What an export wrote."""

    references: int
    subjects: int
    held_left_out: int


def export(store: Store, out: BinaryIO) -> Exported:
    """Write a line for each reference of each active subject, oldest first.

    The audit record is written before the first line leaves.

    Raises:
        StoreUnavailable: the store cannot be read, or a template in it is damaged.
    """
    store.append_audit(
        AuditRecord(
            time=time.time(),
            request_id=str(uuid.uuid4()),
            caller=LOCAL.name,
            operation="export",
            outcome="EXPORTED",
        )
    )
    exported = Exported(references=0, subjects=0, held_left_out=0)
    encoder = msgspec.json.Encoder()
    with store.database.reading() as connection:
        exported.held_left_out = listing.held_subjects(connection)
        references = listing.references(connection, store.vault)
        while some := list(islice(references, _LINES_AT_ONCE)):
            out.write(encoder.encode_lines([_line(listed) for listed in some]))
            exported.references += len(some)
            exported.subjects += sum(listed.is_first for listed in some)
    out.flush()
    return exported


def export_to(store: Store, path: Path) -> Exported:
    """``export`` into a new file for its owner only. It has its name once it is whole.

    Raises:
        InvalidParameter: it exists, or cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        if path.exists():
            raise InvalidParameter(f"{path}: exists already")
        with os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
        ) as out:
            exported = export(store, out)
            os.fsync(out.fileno())
        part.rename(path)
    except OSError as error:
        raise InvalidParameter(f"{path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            part.unlink()
    return exported


def _line(listed: listing.Listed) -> Line:
    reference = listed.reference
    return Line(
        subject_id=reference.subject_id,
        groups=listed.groups,
        add=not listed.is_first,
        template=TemplateIn(reference.template.model_id, template.pack(reference.template)),
        quality=reference.quality,
        created_at=reference.created_at,
    )
