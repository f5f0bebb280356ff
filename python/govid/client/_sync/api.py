"""The calls of the API, one method each.

Written by scripts/client.py from its twin in _async; do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self
from urllib.parse import quote

from govid.adjudication import Case, CasePage, Verdict
from govid.client import bodies, receipts
from govid.client._sync.connection import Connection, Token
from govid.client.bodies import Photo, Portrait
from govid.client.options import Options
from govid.dedup.results import DedupJob, DedupJobs
from govid.gallery import GalleryStats
from govid.ledger.ledger import Answers, AuditPage, Rated, UsePage
from govid.ledger.receipts import Receipt
from govid.results import (
    Deletion,
    EmbeddedTemplate,
    Enrolment,
    Identification,
    ReferenceDeletion,
    Subject,
    SubjectGroups,
    SubjectPage,
    Verification,
)
from govid.store.feedback import ComplaintPage, Rating
from govid.wire import CheckpointList, Health, Jwks, ModelList, UseCaseInfo


class Client:
    """A govid server. Use it as a context manager, and one for many calls: it keeps its connections.

    Every method raises the class of the problem that the server named (``govid.client.problems``),
    ``Unreachable`` or ``UnexpectedReply``; all are ``CallFailed``. Methods with ``idempotency_key`` make one
    if none is given, and so are safe to try again; pass your own to make a write once over several runs.
    """

    def __init__(
        self,
        address: str,
        *,
        api_key: str | None = None,
        token: Token | None = None,
        options: Options | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            address: like ``https://govid.example``. Plain http is for this machine alone.
            api_key: as ``govid keys create`` showed it.
            token: gives the access token (OAuth 2) for the next request. It is called before each call, and
                once more if the server refuses the token: keep the token yourself until it ends.
            options: certificates, timeouts, attempts, language.

        Raises:
            ValueError: the address is not allowed, or there are two credentials.
            OSError, ssl.SSLError: a file of the options cannot be used.
        """
        if api_key is not None and token is not None:
            raise ValueError("give api_key or token, not both")
        self._connection = Connection(address, api_key or token, options or Options())
        self._call = self._connection.call
        self._receipt_keys: Jwks | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.address!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    # --- comparisons --------------------------------------------------------------------------------

    def verify(self, subject_id: str, probe: Portrait, *, use_case: str = "general") -> Verification:
        """Is the probe the enrolled subject? Not repeated once it may have been counted as an attempt."""
        body = bodies.of_portrait(probe, subject_id=subject_id, use_case=use_case)
        return self._call(Verification, "POST", "/v1/verify", body)

    def compare(
        self, reference_photo: Photo, probe_photo: Photo, *, use_case: str = "general"
    ) -> Verification:
        """Do two photos show the same person?"""
        photos = {"reference_photo": reference_photo, "probe_photo": probe_photo}
        body = bodies.of_photos(photos, use_case=use_case)
        return self._call(Verification, "POST", "/v1/compare", body)

    def identify(
        self,
        probe: Portrait,
        *,
        use_case: str = "general",
        max_candidates: int = 5,
        subjects: Sequence[str] = (),
        groups: Sequence[str] = (),
    ) -> Identification:
        """Who is it, of all subjects or of those named or in the groups? NON_MATCH says: nobody known."""
        body = bodies.of_portrait(
            probe, use_case=use_case, max_candidates=max_candidates, subjects=subjects, groups=groups
        )
        return self._call(Identification, "POST", "/v1/identify", body)

    def embed(self, photo: Photo) -> EmbeddedTemplate:
        """The template of a photo, which other methods take as a portrait; nothing is stored."""
        body = bodies.of_photos({"photo": photo})
        return self._call(EmbeddedTemplate, "POST", "/v1/embed", body)

    # --- subjects -----------------------------------------------------------------------------------

    def enrol(
        self,
        subject_id: str,
        portrait: Portrait,
        *,
        groups: Sequence[str] = (),
        keep_photo_days: float | None = None,
        idempotency_key: str = "",
    ) -> Enrolment:
        """Create a subject. ``held`` says that a person has to decide first whether it is a duplicate.

        Args:
            keep_photo_days: how long the photo is kept, at most as long as the server's settings say; 0: not
                at all; None: so long.
        """
        body = bodies.of_portrait(
            portrait, subject_id=subject_id, groups=groups, keep_photo_days=keep_photo_days
        )
        return self._call(Enrolment, "POST", "/v1/subjects", body, key=idempotency_key)

    def add_reference(
        self,
        subject_id: str,
        portrait: Portrait,
        *,
        keep_photo_days: float | None = None,
        idempotency_key: str = "",
    ) -> Enrolment:
        """Add a portrait to a subject; ``keep_photo_days`` as in ``enrol``."""
        path = f"{_subject(subject_id)}/references"
        body = bodies.of_portrait(portrait, keep_photo_days=keep_photo_days)
        return self._call(Enrolment, "POST", path, body, key=idempotency_key)

    def delete(self, subject_id: str, *, idempotency_key: str = "") -> Deletion:
        """Delete a subject with all its references."""
        return self._call(Deletion, "DELETE", _subject(subject_id), key=idempotency_key)

    def delete_reference(
        self, subject_id: str, reference_id: int, *, idempotency_key: str = ""
    ) -> ReferenceDeletion:
        """Delete one reference of a subject; the last one goes only with its subject."""
        path = f"{_subject(subject_id)}/references/{reference_id:d}"
        return self._call(ReferenceDeletion, "DELETE", path, key=idempotency_key)

    def set_groups(self, subject_id: str, groups: Sequence[str]) -> SubjectGroups:
        """Let a subject be in these groups and no others."""
        path = f"{_subject(subject_id)}/groups"
        return self._call(SubjectGroups, "PUT", path, bodies.of_json(groups=groups))

    def subject(self, subject_id: str) -> Subject:
        """What is held on a subject."""
        return self._call(Subject, "GET", _subject(subject_id))

    def subjects(self, *, after: str = "", limit: int = 100) -> SubjectPage:
        """Ids in order; pass ``next_after`` as ``after`` for the next page."""
        return self._call(SubjectPage, "GET", "/v1/subjects", bodies.of_query(after=after, limit=limit))

    def export_subject(self, subject_id: str) -> bytes:
        """All that is held on a subject, as the JSON document that is handed over, byte for byte.

        Its last line is a signed digest of the lines before; `govid subject check` checks it. It has
        templates and photos in it: write it nowhere but where the person gets it from.
        """
        return self._call(bytes, "GET", f"{_subject(subject_id)}/export")

    # --- what was done ------------------------------------------------------------------------------

    def uses(self, subject_id: str, *, before: int | None = None, limit: int = 100) -> UsePage:
        """Every use of one subject's face, newest first: what its owner may see."""
        query = bodies.of_query(before=before, limit=limit)
        return self._call(UsePage, "GET", f"{_subject(subject_id)}/uses", query)

    def audit(
        self,
        *,
        subject_id: str | None = None,
        request_id: str | None = None,
        caller: str | None = None,
        use_case: str | None = None,
        operation: str | None = None,
        outcome: str | None = None,
        since: float | None = None,
        until: float | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> AuditPage:
        """Rows of the audit, newest first. ``since`` and ``until`` are seconds since the epoch."""
        query = bodies.of_query(
            subject_id=subject_id,
            request_id=request_id,
            caller=caller,
            use_case=use_case,
            operation=operation,
            outcome=outcome,
            since=since,
            until=until,
            before=before,
            limit=limit,
        )
        return self._call(AuditPage, "GET", "/v1/audit", query)

    def feedback(self, receipt: str, rating: Rating, text: str = "") -> Rated:
        """Rate a decision by its receipt. A bad rating opens a complaint that has to be answered."""
        path = f"/v1/receipts/{quote(receipts.request_id(receipt), safe='')}/feedback"
        return self._call(Rated, "POST", path, bodies.of_json(receipt=receipt, rating=rating, text=text))

    def answers(self, receipt: str) -> Answers:
        """What became of the complaint about the decision of a receipt, and how it was answered."""
        path = f"/v1/receipts/{quote(receipts.request_id(receipt), safe='')}/answers"
        return self._call(Answers, "POST", path, bodies.of_json(receipt=receipt))

    def complaints(self, *, after: int = 0, limit: int = 100, open_only: bool = True) -> ComplaintPage:
        """Bad ratings and how they were answered, oldest first; for the next page ``after=next_after``."""
        query = bodies.of_query(after=after, limit=limit, open_only=open_only)
        return self._call(ComplaintPage, "GET", "/v1/complaints", query)

    def answer_complaint(self, complaint_id: int, answer: str, *, correction: bool = False) -> None:
        """Close a complaint with its answer; ``correction``: of an answered one, beside the first one."""
        path = f"/v1/complaints/{complaint_id:d}/answer"
        body = bodies.of_json(answer=answer, correction=correction or None)
        return self._call(type(None), "POST", path, body)

    def verify_receipt(
        self, receipt: str | Verification | Identification, *, keys: Jwks | None = None
    ) -> Receipt:
        """The claims of a receipt, checked here.

        Args:
            receipt: of a result, its claims are also held against the result.
            keys: to believe in; None: those of this server, which are asked for once.

        Raises:
            InvalidReceipt: another key signed it, it was altered, or it is of another result.
        """
        if keys is None:
            keys = self._receipt_keys = self._receipt_keys or self.receipt_keys()
        return receipts.checked(receipt, keys)

    def checkpoints(self, *, after: int = 0, limit: int = 100) -> CheckpointList:
        """Signed Merkle roots of the audit, oldest first; for the next page ``after=next_after``."""
        query = bodies.of_query(after=after, limit=limit)
        return self._call(CheckpointList, "GET", "/v1/audit/checkpoints", query)

    def receipt_keys(self) -> Jwks:
        """The public keys that sign receipts: keep them, and receipts can be checked without a server."""
        return self._call(Jwks, "GET", "/v1/receipts/keys")

    # --- suspected duplicates -----------------------------------------------------------------------

    def cases(
        self, *, state: Literal["open", "closed"] = "open", after: int = 0, limit: int = 100
    ) -> CasePage:
        """The queue, the oldest case first."""
        query = bodies.of_query(state=state, after=after, limit=limit)
        return self._call(CasePage, "GET", "/v1/cases", query)

    def case(self, case_id: int) -> Case:
        """One case with its pairs and verdicts."""
        return self._call(Case, "GET", f"/v1/cases/{case_id:d}")

    def case_photo(self, case_id: int, reference_id: int) -> bytes:
        """The kept photo of a reference of an open case, as JPEG. Each look leaves an audit record."""
        return self._call(bytes, "GET", f"/v1/cases/{case_id:d}/photos/{reference_id:d}")

    def decide(
        self,
        case_id: int,
        verdict: Verdict,
        *,
        subjects: tuple[str, str] | None = None,
        note: str = "",
        adjudicator: str | None = None,
        idempotency_key: str = "",
    ) -> Case:
        """Say what two subjects of a case, or all that are not settled, are to each other.

        Args:
            adjudicator: only for a server that asks nobody who they are.
        """
        body = bodies.of_json(verdict=verdict, subjects=subjects, note=note, adjudicator=adjudicator)
        return self._call(Case, "POST", f"/v1/cases/{case_id:d}/verdicts", body, key=idempotency_key)

    def start_dedup(self, *, since_job: int | None = None, since_reference: int | None = None) -> DedupJob:
        """Start a job that compares all references with all others, in the background of the server.

        Args:
            since_job: only what became active since that finished job was planned.
            since_reference: only what became active after that reference.
        """
        body = bodies.of_json(since_job=since_job, since_reference=since_reference)
        return self._call(DedupJob, "POST", _JOBS, body)

    def dedup_jobs(self, *, before: int | None = None, limit: int = 20) -> DedupJobs:
        """Jobs, the newest first; for the next page ``before=next_before``."""
        return self._call(DedupJobs, "GET", _JOBS, bodies.of_query(before=before, limit=limit))

    def dedup_job(self, job_id: int) -> DedupJob:
        """How far a job is, and how many pairs of strangers to expect."""
        return self._call(DedupJob, "GET", f"{_JOBS}/{job_id:d}")

    def cancel_dedup(self, job_id: int) -> DedupJob:
        """Stop a job; what it found stays."""
        return self._call(DedupJob, "POST", f"{_JOBS}/{job_id:d}/cancel")

    def resume_dedup(self, job_id: int) -> DedupJob:
        """Go on with a job that was cancelled or whose workers died."""
        return self._call(DedupJob, "POST", f"{_JOBS}/{job_id:d}/resume")

    def export_dedup(self, job_id: int, *, format: Literal["json", "csv"] = "json") -> bytes:  # noqa: A002
        """The pairs that a job found so far, a JSON object a line or as CSV: ids and scores."""
        query = bodies.of_query(format=format)
        return self._call(bytes, "GET", f"{_JOBS}/{job_id:d}/export", query)

    # --- the installation ---------------------------------------------------------------------------

    def use_cases(self) -> list[UseCaseInfo]:
        """What each purpose allows, and whether it is available here."""
        return self._call(list[UseCaseInfo], "GET", "/v1/use-cases")

    def gallery(self) -> GalleryStats:
        """What the search works on: tier, size, memory, measured recall."""
        return self._call(GalleryStats, "GET", "/v1/gallery")

    def models(self) -> ModelList:
        """The models in use with digest and licence."""
        return self._call(ModelList, "GET", "/v1/models")

    def healthz(self) -> Health:
        """Whether the process runs."""
        return self._call(Health, "GET", "/healthz")

    def readyz(self) -> Health:
        """Whether requests are answered, and which dependency is away if one is; asked once."""
        return self._call(Health, "GET", "/readyz")

    def metrics(self) -> bytes:
        """Metrics in Prometheus' text format."""
        return self._call(bytes, "GET", "/metrics")


_JOBS = "/v1/dedup/jobs"


def _subject(subject_id: str) -> str:
    return f"/v1/subjects/{quote(subject_id, safe='')}"
