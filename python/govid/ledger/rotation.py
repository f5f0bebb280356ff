"""One signing key gives way to the next: each vouches for the other, and the audit keeps what they said.

The old key's statement lets whoever trusts it follow to the new one; the new key's lets whoever has that one
trust what the old one signed until it was retired. A thief of an old key can do neither for his own.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from govid.audit import AuditRecord
from govid.errors import (
    AuditBroken,
    InvalidReceipt,
    InvalidSettings,
    SigningKeyForeign,
    SigningKeyGone,
    SigningKeyRetired,
)
from govid.ledger.signing import ISSUER, Retired, Signer, Verifier, is_missing, load_signer, public_key
from govid.store.audit import ROTATION, AuditLog

KIND = "govid-key-rotation+jws"
GRACE_SECONDS = 60
"""How long the old key is still believed: servers look for a new one each second, clocks differ by a few."""
LOOK_SECONDS = 1.0


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What both keys sign. Keys are JWK; times are seconds since the epoch."""

    iss: str
    iat: int
    until: int
    """Nothing that the retired key signs after it counts."""
    retired: dict[str, str]
    successor: dict[str, str]


class Keyring:
    """The signing key of the moment, for a server that goes on through rotations. Safe in several threads."""

    def __init__(self, path: Path, log: AuditLog) -> None:
        """Open the key; raises as ``current_signer``."""
        self._path, self._log = path, log
        self._signer = current_signer(path, log)
        self._next_look = time.monotonic() + LOOK_SECONDS

    @property
    def signer(self) -> Signer:
        """Signs now.

        Raises:
            SigningKeyRetired: another server has a newer key, and this one has not.
            InvalidSettings, AuditBroken, StoreUnavailable.
        """
        if time.monotonic() >= self._next_look:
            if self._log.last_rotation() != self._signer.since:
                self._signer = current_signer(self._path, self._log)
            # Only after success: what is retired never signs because somebody else has looked.
            self._next_look = time.monotonic() + LOOK_SECONDS
        return self._signer


def current_signer(path: Path, log: AuditLog, *, create: bool = True) -> Signer:
    """The key in the file, trusting the keys before it as far as the audit has it from both.

    Where the audit says that the key is retired and its successor lies beside it (``successor_path``), that
    one takes over: a rotation was cut short, or was made on another machine.

    Args:
        create: make a key where there is none and the records name none; they name the one that is taken
            into use.

    Raises:
        SigningKeyGone: there is none, and the records name one.
        SigningKeyForeign: they name another one.
        SigningKeyRetired: the successor is not here.
        AuditBroken: a rotation in the audit was not signed by both keys.
        InvalidSettings: as ``load_signer``.
    """
    rotations = log.rotations()
    named = _first_key(log)
    create_file = create and not rotations and named is None
    if not create_file and is_missing(path):
        raise SigningKeyGone(f"{path}: {_lacking(rotations, named)}")
    signer = load_signer(path, create=create_file)
    if not rotations:
        if named is None and create:
            named = log.name_first_key(signer.key_id)
        if named not in {None, signer.key_id}:
            raise SigningKeyForeign(f"{path}: it holds {signer.key_id}; {named} signs these records")
        return signer
    if signer.key_id != _successor_id(*rotations[-1]):
        signer = _taken_over(path, *rotations[-1])
    return Signer(signer.key, followed(signer, rotations), since=rotations[-1][0])


def known_keys(path: Path, log: AuditLog) -> Verifier:
    """The public keys, none where none was ever in use; makes none, and raises as ``current_signer``."""
    if is_missing(path) and needed_key(log) is None:
        return Verifier([])
    return current_signer(path, log, create=False).verifier


def needed_key(log: AuditLog) -> str | None:
    """Id of the key that has to sign now, as the records name it; None: they do not, and one may be made."""
    rotations = log.rotations()
    return _successor_id(*rotations[-1]) if rotations else _first_key(log)


def successor_path(path: Path) -> Path:
    """Where the next key waits, for its owner only. Servers on other machines need it before a rotation."""
    return path.with_name(f"{path.name}.next")


def rotate(path: Path, log: AuditLog, record: AuditRecord) -> Rotation:
    """Retire the key in the file; the one at ``successor_path``, made if missing, signs from now on.

    Args:
        record: of this change, to which the signed statements are added.

    Raises:
        AuditBroken, SigningKeyRetired, InvalidSettings, OperatorError.
    """
    signer = current_signer(path, log)
    successor = load_signer(successor_path(path))
    if successor.key_id in signer.verifier.key_ids:
        raise InvalidSettings(f"{successor_path(path)}: this key was in use before: delete it")
    now = int(time.time())
    rotation = Rotation(
        iss=ISSUER,
        iat=now,
        until=now + GRACE_SECONDS,
        retired=signer.verifier.jwk(signer.key_id),
        successor=successor.verifier.jwk(successor.key_id),
    )
    statements = (signer.sign(KIND, rotation), successor.sign(KIND, rotation))
    if not log.add_rotation(msgspec.structs.replace(record, statements=statements), after=signer.since):
        raise SigningKeyRetired("the key was rotated by another process meanwhile")
    _settle(path)
    return rotation


def followed(signer: Signer, rotations: Sequence[tuple[int, AuditRecord]]) -> list[Retired]:
    """The keys before this one, newest first, as far as each rotation is signed by both of its keys.

    Raises:
        AuditBroken: one is not.
    """
    current = Verifier([signer.key.public_key()])
    retired: list[Retired] = []
    for audit_id, record in reversed(rotations):
        try:
            statement, endorsement = record.statements
            claims = msgspec.convert(current.verify(KIND, endorsement), Rotation)
            key = public_key(claims.retired)
            before = Verifier([key])
            if (
                claims.successor != current.jwk(current.key_ids[0])
                or msgspec.convert(before.verify(KIND, statement), Rotation) != claims
            ):
                raise InvalidReceipt
        except (InvalidReceipt, InvalidSettings, msgspec.ValidationError, ValueError):
            raise AuditBroken(f"row {audit_id}: the rotation is not signed by both keys") from None
        retired.append(Retired(key, claims.until))
        current = before
    return retired


def retired_by(verifier: Verifier, record: bytes, before: Collection[str]) -> str:
    """The id of the key that a rotation in the audit retires.

    Args:
        before: the keys that were retired before.

    Raises:
        InvalidReceipt: that key did not sign it or was retired before, or the successor is none of ours.
    """
    try:
        statement, _ = msgspec.json.decode(record, type=AuditRecord).statements
        claims = msgspec.convert(verifier.verify(KIND, statement), Rotation)
        retired, successor = (
            Verifier([public_key(jwk)]).key_ids[0] for jwk in (claims.retired, claims.successor)
        )
    except (msgspec.MsgspecError, InvalidSettings, ValueError) as error:
        raise InvalidReceipt from error
    if verifier.signed_by(statement) != retired or retired in before or successor not in verifier.key_ids:
        raise InvalidReceipt
    return retired


def is_rotation(record: bytes) -> bool:
    """Whether a row of the audit is one, without reading it: within a text, its quotes would be escaped."""
    return b'"operation":"%s"' % ROTATION.encode() in record


def _first_key(log: AuditLog) -> str | None:
    """Id of the key that signed first, as the records name it, or their first checkpoint."""
    named = log.first_key()
    if named is None and (signed := log.checkpoints(limit=1)):
        try:
            return Verifier.signed_by(signed[0][1])
        except InvalidReceipt:
            raise AuditBroken("the first checkpoint is no signed statement") from None
    return named


def _lacking(rotations: Sequence[tuple[int, AuditRecord]], named: str | None) -> str:
    if rotations:
        return f"{_successor_id(*rotations[-1])} signs these records since row {rotations[-1][0]}"
    if named:
        return f"{named} signs these records"
    return "these records name no key: if one signed for them, put it back before a server makes a new one"


def _successor_id(audit_id: int, record: AuditRecord) -> str:
    # Read, not believed: the key that it names has to have signed it, which `followed` checks.
    try:
        claims = msgspec.convert(Verifier.unverified(record.statements[1]), Rotation)
        return Verifier([public_key(claims.successor)]).key_ids[0]
    except (InvalidReceipt, InvalidSettings, msgspec.ValidationError, IndexError):
        raise AuditBroken(f"row {audit_id}: the rotation is not signed by both keys") from None


def _settle(path: Path) -> None:
    """The key that waits takes the place of the old one, which is gone with that."""
    # Another process may be faster, or the folder read-only: it serves where it waits, too.
    with suppress(OSError):
        successor_path(path).replace(path)


def _taken_over(path: Path, audit_id: int, record: AuditRecord) -> Signer:
    waiting = successor_path(path)
    wanted = _successor_id(audit_id, record)
    if waiting.exists():
        successor = load_signer(waiting, create=False)
        if successor.key_id == wanted:
            _settle(path)
            return successor
    again = load_signer(path, create=False)
    if again.key_id != wanted:
        raise SigningKeyRetired(f"{path}: it holds {again.key_id}; {wanted} signs since row {audit_id}")
    return again
