"""All that is held on one subject, as one JSON document with a signed digest (GDPR Article 15).

    {"export":
    ...                         <- these lines are what the digest is over
    ,"proof":"<JWS>"}

It is written piece by piece. Other people stand under the pseudonyms of receipts; what adjudicators noted may
name them and is left to a person to hand over.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from govid import subject_id as ids
from govid import template
from govid.audit import AuditRecord
from govid.callers import LOCAL, Caller
from govid.errors import InvalidReceipt, PhotoNotKept, UnknownSubject
from govid.ledger.ledger import Ledger
from govid.ledger.signing import ISSUER, Signer, Verifier
from govid.store import Store, cases, held, shadow, verdicts
from govid.store.audit import MAX_ROWS, AuditFilter, AuditRow
from govid.types import Reference

KIND = "govid-export+jws"
_HEAD = b'{"export":\n'
_PROOF, _END = b',"proof":"', b'"}\n'
_SENT_AT_ONCE = 64 * 1024
_encode = msgspec.json.Encoder().encode


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed of an export."""

    iss: str
    iat: int
    jti: Annotated[str, Meta(description="Request id of the export; the audit has it under this id")]
    subject: Annotated[str, Meta(description="Pseudonym, as in receipts")]
    sha256: Annotated[str, Meta(description="Of the lines between the first and the last")]
    audit: Annotated[str, Meta(description="Digest of the audit row of the export, hexadecimal")]


def export(
    store: Store, ledger: Ledger, subject_id: str, *, request_id: str, caller: Caller = LOCAL
) -> Iterator[bytes]:
    """The document, in pieces. Its audit record is on disk before this returns.

    Somebody who is not enrolled, or not any more, is told so, with the past that is left.

    Raises:
        InvalidSubjectId, OperatorError.
    """
    now = time.time()
    # One key from the first line to the last, if another takes over meanwhile: names hang on it.
    signer = ledger.signer
    record = AuditRecord(
        time=now,
        request_id=request_id,
        caller=caller.name,
        operation="export_subject",
        outcome="EXPORTED",
        subject_id=ids.checked(subject_id),
    )
    audit = store.append_audit(record)

    def signed(digest: str) -> str:
        proof = Proof(
            iss=ISSUER,
            iat=int(now),
            jti=request_id,
            subject=signer.pseudonym(subject_id),
            sha256=digest,
            audit=audit.hex(),
        )
        return signer.sign(KIND, proof)

    return _document(_Held(store, ledger, signer, subject_id).parts(now), signed)


def check(file: BinaryIO, verifier: Verifier) -> Proof:
    """The proof of an export, if it is whole and as it was handed over.

    Raises:
        InvalidReceipt: it is not, or of another installation.
    """
    digest = hashlib.sha256()
    if file.readline(len(_HEAD)) != _HEAD:
        raise InvalidReceipt("not an export of a subject")
    line = file.readline()
    while not line.startswith(_PROOF):
        if not line:
            raise InvalidReceipt("the export ends before its proof")
        digest.update(line)
        line = file.readline()
    if not line.endswith(_END) or file.read(1):
        raise InvalidReceipt("the export does not end with its proof")
    token = line[len(_PROOF) : -len(_END)].decode(errors="replace")
    try:
        proof = msgspec.convert(verifier.verify(KIND, token), Proof)
    except msgspec.ValidationError as error:
        raise InvalidReceipt from error
    if proof.sha256 != digest.hexdigest():
        raise InvalidReceipt("the export was altered")
    return proof


def _document(parts: Iterable[tuple[str, Any]], signed: Callable[[str], str]) -> Iterator[bytes]:
    yield _HEAD
    digest, waiting = hashlib.sha256(), bytearray()
    for piece in _pieces(parts):
        digest.update(piece)
        waiting += piece
        if len(waiting) >= _SENT_AT_ONCE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)
    yield _PROOF + signed(digest.hexdigest()).encode() + _END


def _pieces(parts: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """A JSON object, each member of a member that is an iterator on a line of its own."""
    before = b"{"
    for name, value in parts:
        yield before + _encode(name) + b":"
        before = b",\n"
        if not isinstance(value, Iterator):
            yield _encode(value)
            continue
        between = b"[\n"
        for one in value:
            yield between + _encode(one)
            between = b",\n"
        yield b"[]" if between == b"[\n" else b"\n]"
    yield b"}\n"


class _Held:
    """Reads what is held page by page; no connection waits for whoever receives it."""

    def __init__(self, store: Store, ledger: Ledger, signer: Signer, subject_id: str) -> None:
        self._store, self._ledger, self._subject_id = store, ledger, subject_id
        self._pseudonym = signer.pseudonym
        self._requests: list[str] = []

    def parts(self, now: float) -> Iterator[tuple[str, Any]]:
        with self._store.database.reading() as connection:
            attempts = held.failed_attempts(connection, self._subject_id)
            case_ids = held.case_ids(connection, self._subject_id)
            found = held.pairs_found(connection, self._subject_id)
            settled = held.settled(connection, self._subject_id)
            erasures = held.erasures(connection, self._subject_id)
        yield "subject_id", self._subject_id
        yield "pseudonym", self._pseudonym(self._subject_id)
        yield "made_at", now
        yield "subject", self._subject()
        yield "references", self._references()
        yield "cases", (self._case(case_id) for case_id in case_ids)
        yield "found_alike", iter([self._named(one) for one in found])
        yield "settled", iter([self._named(one) for one in settled])
        yield "failed_attempts", iter([one._asdict() for one in attempts])
        yield "erasures", iter([one._asdict() for one in erasures])
        yield "uses", self._uses()
        yield "feedback", self._feedback()
        yield "earlier_answers", self._earlier_answers()

    def _subject(self) -> dict[str, Any] | None:
        try:
            record = self._store.subject(self._subject_id)
        except UnknownSubject:
            return None
        return {"created_at": record.created_at, "held": record.held, "groups": record.groups}

    def _references(self) -> Iterator[dict[str, Any]]:
        try:
            references = self._store.references(self._subject_id)
        except UnknownSubject:
            return
        for reference in references:
            yield {
                "reference_id": reference.reference_id,
                "created_at": reference.created_at,
                "model_id": reference.template.model_id,
                "embedding": template.pack(reference.template),
                "quality": reference.quality,
                "photo": self._photo(reference),
                **self._second(reference),
            }

    def _second(self, reference: Reference) -> dict[str, Any]:
        """What a migration keeps beside it."""
        with self._store.database.reading() as connection:
            second = shadow.second(connection, self._store.vault, reference.reference_id)
        if second is None:
            return {}
        return {"second_template": {"model_id": second.model_id, "embedding": template.pack(second)}}

    def _photo(self, reference: Reference) -> dict[str, Any] | None:
        try:
            with self._store.database.reading() as connection:
                photo = self._store.photos.of_reference(connection, reference.reference_id).photo
        except PhotoNotKept:
            return None
        return {"media_type": photo.media_type, "kept_until": photo.kept_until, "data": photo.data}

    def _case(self, case_id: int) -> dict[str, Any] | None:
        with self._store.database.reading() as connection:
            case = cases.case(connection, case_id)
            pairs = cases.pairs(connection, case_id)
            given = verdicts.of_case(connection, case_id)
        if case is None:  # its time was over meanwhile
            return None
        return {
            "case_id": case_id,
            "origin": case.origin,
            "created_at": case.created_at,
            "closed_at": case.closed_at,
            "holds_the_subject": case.held == self._subject_id,
            "pairs": [
                {"other": other, "score": pair.score}
                for pair in pairs
                if (other := self._other(pair.subject_a, pair.subject_b))
            ],
            "verdicts": [
                {
                    "other": other,
                    "verdict": word.verdict,
                    "decided_at": word.decided_at,
                    "has_note": bool(word.note),
                }
                for word in given
                if (other := self._other(word.subject_a, word.subject_b))
            ],
        }

    def _other(self, subject_a: str, subject_b: str) -> str | None:
        """Pseudonym of who is compared with the subject; None for a pair of two others."""
        if self._subject_id not in {subject_a, subject_b}:
            return None
        return self._pseudonym(subject_b if subject_a == self._subject_id else subject_a)

    def _named(self, row: held.PairFound | held.SettledRow) -> dict[str, Any]:
        return {**row._asdict(), "other": self._pseudonym(row.other)}

    def _uses(self) -> Iterator[dict[str, Any]]:
        """Every audit row about the subject, newest first."""
        wanted, before = AuditFilter(subject_id=self._subject_id), None
        while rows := self._ledger.log.rows(wanted, before=before, limit=MAX_ROWS):
            yield from map(self._use, rows)
            before = rows[-1].audit_id

    def _use(self, row: AuditRow) -> dict[str, Any]:
        record = row.record
        use: dict[str, Any] = {"audit_id": row.audit_id, "digest": row.digest}
        if record.subject_id == self._subject_id:
            self._requests.append(record.request_id)
            # Whom it was compared with, or who decided, is somebody else; the salt could be used to find out.
            own = msgspec.structs.replace(record, candidates=(), adjudicator=None, salt="")
            return {**use, **msgspec.to_builtins(own)}
        shown = ("time", "request_id", "caller", "operation", "outcome", "use_case")
        return {**use, "as_candidate": True, **{name: getattr(record, name) for name in shown}}

    def _feedback(self) -> Iterator[dict[str, Any]]:
        """What was said of decisions on the subject, and answered. Read behind ``_uses``."""
        with self._store.database.reading() as connection:
            found = held.feedback(connection, self._requests)
        yield from (row._asdict() for row in found)

    def _earlier_answers(self) -> Iterator[dict[str, Any]]:
        with self._store.database.reading() as connection:
            found = held.earlier_answers(connection, self._requests)
        yield from (row._asdict() for row in found)
