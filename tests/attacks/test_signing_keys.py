"""Whoever writes to the database, or has stolen a retired signing key, makes nothing true with it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from govid.audit import AuditRecord
from govid.errors import AuditBroken, InvalidReceipt, OperatorError
from govid.ledger import checkpoints, expiry, receipts, rotation
from govid.ledger.chain import Link, link, mark
from govid.ledger.ledger import Ledger
from govid.ledger.signing import ISSUER, Signer, load_signer
from govid.store.audit import AuditLog, append_many
from govid.store.sqlite import SqliteStore

RECORD = AuditRecord(time=1000.0, request_id="r", operation="rotate_signing_key", outcome="ROTATED")


class Place:
    """An installation whose first key was stolen and then retired."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "keys" / "signing.pem"
        self.store = SqliteStore(folder / "govid.sqlite3")
        self.log = AuditLog(self.store.database)
        self.stolen = load_signer(self.key)
        self.thief = load_signer(folder / "thief.pem")
        self.store.append_audit(
            AuditRecord(time=time.time(), request_id="r0", operation="verify", outcome="MATCH")
        )
        rotation.rotate(self.key, self.log, RECORD)

    def ledger(self) -> Ledger:
        return Ledger(self.store.database, self.key, {}, complaint_days=1)

    def append(self, *records: AuditRecord) -> None:
        """As the attacker would, chained as it should be."""
        with self.store.database.writing() as connection:
            append_many(connection, records)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def forged(retired: Signer, successor: Signer, by: Signer, endorsed: Signer) -> AuditRecord:
    """A rotation between two keys, as it would be signed by these."""
    claims = rotation.Rotation(
        iss=ISSUER,
        iat=int(time.time()),
        until=int(time.time()) + 10_000,
        retired=retired.verifier.jwk(retired.key_id),
        successor=successor.verifier.jwk(successor.key_id),
    )
    statements = (by.sign(rotation.KIND, claims), endorsed.sign(rotation.KIND, claims))
    return msgspec.structs.replace(RECORD, statements=statements)


FORGERIES: dict[str, Callable[[Signer, Signer, Signer], AuditRecord]] = {
    "by nobody": lambda _, __, ___: RECORD,
    "by the thief alone": lambda current, _, thief: forged(current, thief, thief, thief),
    "by the stolen key": lambda current, stolen, thief: forged(current, thief, stolen, thief),
    "from the stolen key once more": lambda _, stolen, thief: forged(stolen, thief, stolen, thief),
    "back to the stolen key": lambda current, stolen, _: forged(current, stolen, stolen, stolen),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_rotation_makes_no_key_valid(
    place: Place, forgery: Callable[[Signer, Signer, Signer], AuditRecord]
) -> None:
    before = place.ledger()
    current, verifier = before.signer, before.signer.verifier
    place.append(forgery(current, place.stolen, place.thief))
    # A server does not start with it, or go on; with the keys as they were published, it is found.
    with pytest.raises(OperatorError):
        place.ledger()
    found = checkpoints.examine_log(place.log, verifier)
    assert (found.intact, found.broken_at) == (False, 3)


def test_a_rotation_out_of_the_index_is_noticed(place: Place) -> None:
    verifier = place.ledger().signer.verifier
    with sqlite3.connect(place.store.database.name) as attacker:
        attacker.execute("UPDATE audit SET operation = 'verify' WHERE audit_id = 2")
    assert checkpoints.examine_log(place.log, verifier).broken_at == 2


def test_a_receipt_by_a_retired_key_with_an_earlier_date_proves_nothing(place: Place) -> None:
    ledger = place.ledger()
    late = AuditRecord(time=time.time() + 9999, request_id="r9", operation="verify", outcome="NON_MATCH")
    digest = place.store.append_audit(late)
    claimed = msgspec.structs.replace(late, time=time.time() - 9999, outcome="MATCH")
    for row in (digest, bytes(32)):
        token = receipts.issue(place.stolen, claimed, row, {})
        with pytest.raises(InvalidReceipt, match="retired"):
            ledger.rate("r9", token, "bad", "", request_id="x")
        with pytest.raises(InvalidReceipt, match="retired"):
            ledger.answers("r9", token)


def test_a_checkpoint_by_a_retired_key_with_an_earlier_date_is_noticed(place: Place) -> None:
    """History since the rotation, written anew by whoever has the old key and the database."""
    ledger = place.ledger()
    place.append(AuditRecord(time=time.time(), request_id="r3", operation="verify", outcome="MATCH"))
    rows = list(place.log.links())
    claims = checkpoints.Checkpoint(
        iss=ISSUER, iat=1000, first=1, last=3, rows=3,
        root=checkpoints.root([row.digest for row in rows]).hex(), head=rows[-1].digest.hex(),
    )  # fmt: skip
    statement = place.stolen.sign(checkpoints.KIND, claims)
    found = checkpoints.examine(rows, [statement], ledger.signer.verifier)
    assert not found.intact
    assert "retired" in found.reason


def test_a_retired_key_passes_no_removal_off_as_past_its_time(place: Place) -> None:
    """A use is hidden as an expiry would hide it, and the old key signs that with an earlier date."""
    ledger = place.ledger()
    place.append(AuditRecord(time=1000.0, request_id="r3", operation="verify", outcome="MATCH"))
    ledger.checkpoint()
    digest = list(place.log.links())[2].digest
    for signer, intact in ((place.stolen, False), (ledger.signer, True)):
        said = expiry.statement(signer, "e", [digest], use_case="general", before=2000.0, now=1000.0)
        record = AuditRecord(
            time=1000.0, request_id="e", operation="retention", outcome="ERASED", statement=said
        )
        rows = [
            row._replace(record=mark("e").encode()) if row.audit_id == 3 else row for row in place.log.links()
        ]
        text = msgspec.json.encode(record)
        rows.append(Link(4, text, link(rows[-1].digest, text)))
        statements = [statement for _, statement in ledger.log.checkpoints()]
        found = checkpoints.examine(rows, statements, ledger.signer.verifier)
        assert found.intact is intact, found.reason


@pytest.mark.parametrize("word", ["current", "stolen"])
def test_the_thiefs_key_in_the_place_of_ours_stops_the_start(place: Place, tmp_path: Path, word: str) -> None:
    """He has the whole machine, but of the keys only a retired one: no chain leads to his own."""
    current = load_signer(place.key)
    by = place.stolen if word == "stolen" else place.thief
    place.append(forged(current if word == "current" else place.stolen, place.thief, by, place.thief))
    (tmp_path / "thief.pem").replace(place.key)
    with pytest.raises(AuditBroken):
        place.ledger()
