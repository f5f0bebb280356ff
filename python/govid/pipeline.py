"""The whole product on one page: the order of the stages, and nothing else.

    verify    bytes -> decode -> detect -> align -> quality -> embed -> score -> decide -> audit -> reply
    enrol     bytes -> decode -> detect -> align -> quality -> embed -> duplicates -> store -> reply
    identify  bytes -> decode -> detect -> align -> quality -> embed -> search -> decide -> audit -> reply

No decision leaves before its audit record is on disk.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

from govid import audit, calibration, config, policy, score, subject_id, template
from govid.errors import (
    CallerError,
    InvalidParameter,
    NoComparableReference,
    NotCalibrated,
    ProfileUnavailable,
    Refusal,
    TemplateWrongModel,
)
from govid.faces import FacePipeline, Photo, read_photo
from govid.gallery.follower import GalleryFollower
from govid.gallery.opened import open_gallery
from govid.models import ModelSpec
from govid.profiles import Profile, reduced
from govid.results import (
    Candidate,
    Deletion,
    EmbeddedTemplate,
    Enrolment,
    Identification,
    ReferenceSummary,
    Subject,
    SubjectPage,
    Verification,
)
from govid.store import Idempotency, NewReference, Replayed, Store
from govid.store.sqlite import SqliteStore
from govid.timing import StageClock
from govid.types import Decision, PackedTemplate, QualityMeasure, Reference, Template

Probe: TypeAlias = Photo | Template | PackedTemplate
"""What is compared: a photo, or the template made from one, which is checked like any input."""

MAX_CANDIDATES = 100
MAX_DUPLICATES = 10
MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """One call: what its reply, its audit record and its timeline have in common."""

    operation: str
    request_id: str
    profile: Profile
    subject: str | None = None
    purpose: policy.UseCase | None = None
    clock: StageClock = field(default_factory=StageClock)


class Engine:
    """Enrol, verify and identify. Safe to call from several threads; use as a context manager.

    >>> import govid                                                    # doctest: +SKIP
    >>> with govid.Engine() as engine:                                  # doctest: +SKIP
    ...     engine.enrol("alice", Path("registry.jpg"))
    ...     engine.verify("alice", Path("live.jpg")).decision
    <Decision.MATCH: 'MATCH'>
    """

    def __init__(self, settings: config.Settings | None = None, *, store: Store | None = None) -> None:
        """Load the models, open the records and fill the gallery.

        Args:
            settings: defaults to the environment (``GOVID_*``).
            store: defaults to the SQLite file in ``settings.data_dir``.

        Raises:
            OperatorError: something is missing or wrong; the message has the remedy.
        """
        self.settings = settings or config.load(config.Settings)[0]
        self._faces = FacePipeline(self.settings)
        self._calibrations = {
            profile.name: calibration.load(
                profile.model_id, self.settings.calibrations_dir, pipeline=self._faces.name
            )
            for profile in self._faces.profiles.values()
        }
        self._check_calibrations()
        self.store = store or SqliteStore(self.settings.database)
        self.gallery = open_gallery(self.settings, self.dimension, self.model_id, self._found_from)
        self._follower = GalleryFollower(
            self.gallery,
            self.store,
            lambda template: reduced(template, self._faces.profile),
            self.settings.gallery_dir,
        )

    @property
    def model_id(self) -> str:
        """The id that new templates carry: that of the profile the settings name."""
        return self._faces.model_id

    @property
    def dimension(self) -> int:
        """Length of the embedding of such a template."""
        return self._faces.dimension

    @property
    def left_out(self) -> int:
        """References found at start that no search covers, because another model or profile made them."""
        return self._follower.left_out

    @property
    def calibration(self) -> calibration.Calibration:
        """The table of that profile."""
        return self._calibrations[self._faces.profile.name]

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Manifest entries of the models in use."""
        return self._faces.models

    def close(self) -> None:
        """Close the gallery and the record store."""
        self._follower.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- 1:1 ----------------------------------------------------------------------------------------

    def verify(
        self, subject: str, probe: Probe, *, use_case: str = "general", request_id: str | None = None
    ) -> Verification:
        """Is the probe the enrolled subject?

        Raises:
            UnknownSubject, Refusal, InvalidTemplate, OperatorError.
        """
        inquiry = self._inquiry("verify", request_id, subject_id.checked(subject), use_case)
        with self._refusals_audited(inquiry):
            with inquiry.clock.stage("reference"):
                templates = [reference.template for reference in self.store.references(subject)]
            known = [fitting for held in templates if (fitting := reduced(held, inquiry.profile))]
            if not known:
                raise NoComparableReference(f"the use case compares templates of {inquiry.profile.model_id}")
            target, quality = self._probe(probe, inquiry)
        return self._verification(inquiry, target, quality, known)

    def compare(
        self, reference: Photo, probe: Photo, *, use_case: str = "general", request_id: str | None = None
    ) -> Verification:
        """Do two photos show the same person? Nothing but the audit record is stored.

        Raises:
            Refusal, OperatorError.
        """
        inquiry = self._inquiry("compare", request_id, None, use_case)
        with self._refusals_audited(inquiry):
            known, _ = self._probe(reference, inquiry)
            target, quality = self._probe(probe, inquiry)
        return self._verification(inquiry, target, quality, [known])

    # --- 1:N ----------------------------------------------------------------------------------------

    def identify(
        self,
        probe: Probe,
        *,
        use_case: str = "general",
        max_candidates: int = 5,
        request_id: str | None = None,
    ) -> Identification:
        """Who of all enrolled subjects is the probe, if anyone?

        Args:
            max_candidates: 1 to 100.

        Raises:
            Refusal, InvalidTemplate, OperatorError.
        """
        if not 1 <= max_candidates <= MAX_CANDIDATES:
            raise InvalidParameter(f"max_candidates is {max_candidates}, allowed are 1 to {MAX_CANDIDATES}")
        purpose = policy.use_case(use_case)
        self._profile(purpose)
        # The gallery holds templates of the settings' profile, and a search is never weaker than asked.
        inquiry = replace(self._inquiry("identify", request_id), purpose=purpose)
        with self._refusals_audited(inquiry):
            target, quality = self._probe(probe, inquiry)
        with inquiry.clock.stage("search"):
            candidates, best = self._search(target, purpose, max_candidates)
        gallery_size = len(self.gallery)
        with inquiry.clock.stage("audit"):
            shown = tuple(candidate.subject_id for candidate in candidates)
            self._audit_judgement(inquiry, best, gallery_size, candidates=shown)
        return Identification(
            request_id=inquiry.request_id,
            decision=candidates[0].decision if candidates else Decision.NON_MATCH,
            candidates=candidates,
            threshold=best.threshold,
            fpir_target=best.fmr_target,
            gallery_size=gallery_size,
            use_case=use_case,
            profile=inquiry.profile.name,
            model_id=self.model_id,
            calibration_id=self.calibration.calibration_id,
            quality=quality,
            stages=inquiry.clock.stages,
            milliseconds=inquiry.clock.milliseconds,
        )

    # --- records ------------------------------------------------------------------------------------

    def enrol(
        self,
        subject: str,
        portrait: Probe,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> Enrolment:
        """Create a subject from its first portrait (or template).

        Args:
            subject: 1 to 128 printable characters without path meaning.
            idempotency_key: the same key and request again returns the first reply and changes nothing.

        Raises:
            SubjectExists, Refusal, InvalidTemplate, IdempotencyKeyReused, OperatorError.
        """
        return self._enrol("enrol", subject, portrait, idempotency_key, request_id)

    def add_reference(
        self,
        subject: str,
        portrait: Probe,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
    ) -> Enrolment:
        """Add one more portrait (or template) to a subject.

        Raises:
            UnknownSubject, TooManyReferences, Refusal, InvalidTemplate, IdempotencyKeyReused, OperatorError.
        """
        return self._enrol("add_reference", subject, portrait, idempotency_key, request_id)

    def delete(
        self, subject: str, *, idempotency_key: str | None = None, request_id: str | None = None
    ) -> Deletion:
        """Delete a subject with all its references; no search finds it once this returns.

        Raises:
            UnknownSubject, IdempotencyKeyReused, OperatorError.
        """
        inquiry = self._inquiry("delete", request_id, subject_id.checked(subject))
        idempotency = _idempotency(idempotency_key, "delete", subject, b"")
        deletion = Deletion(request_id=inquiry.request_id, subject_id=subject)
        with self._refusals_audited(inquiry):
            outcome = self.store.delete_subject(
                subject, self._record(inquiry, "DELETED"), idempotency, msgspec.json.encode(deletion)
            )
        if isinstance(outcome, Replayed):
            return msgspec.json.decode(outcome.reply, type=Deletion)
        self._follower.catch_up()
        return deletion

    def subject(self, subject: str) -> Subject:
        """What is held on a subject, without its templates.

        Raises:
            UnknownSubject, OperatorError.
        """
        record = self.store.subject(subject_id.checked(subject))
        return Subject(
            subject_id=record.subject_id,
            created_at=record.created_at,
            references=tuple(
                ReferenceSummary(
                    reference_id=r.reference_id,
                    model_id=r.template.model_id,
                    created_at=r.created_at,
                    quality=r.quality,
                )
                for r in self.store.references(subject)
            ),
        )

    def subjects(self, *, after: str = "", limit: int = 100) -> SubjectPage:
        """Ids of subjects in order, ``limit`` (1 to 1000) at a time, behind ``after``.

        Raises:
            InvalidParameter, OperatorError.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidParameter(f"limit is {limit}, allowed are 1 to {MAX_PAGE}")
        page = [record.subject_id for record in self.store.subjects(after=after, limit=limit + 1)]
        more = len(page) > limit
        return SubjectPage(subjects=tuple(page[:limit]), next_after=page[limit - 1] if more else None)

    # --- templates ----------------------------------------------------------------------------------

    def embed(self, photo: Photo, *, request_id: str | None = None) -> EmbeddedTemplate:
        """The template of one photo; nothing is stored.

        Raises:
            Refusal, OperatorError.
        """
        inquiry = self._inquiry("embed", request_id)
        with self._refusals_audited(inquiry):
            sample = self._faces.sample(photo, inquiry.clock)
        with inquiry.clock.stage("audit"):
            self.store.append_audit(self._record(inquiry, "EMBEDDED"))
        x, y, width, height = sample.face.box.tolist()
        return EmbeddedTemplate(
            request_id=inquiry.request_id,
            model_id=self.model_id,
            dimension=self._faces.dimension,
            embedding=template.pack(sample.template),
            box=(x, y, width, height),
            landmarks=tuple((px, py) for px, py in sample.face.landmarks.tolist()),
            turned=sample.turned,
            detection_score=sample.face.score,
            quality=sample.quality,
            stages=inquiry.clock.stages,
            milliseconds=inquiry.clock.milliseconds,
        )

    # --- inside -------------------------------------------------------------------------------------

    def _check_calibrations(self) -> None:
        """A table too coarse for a use case would make every answer INCONCLUSIVE: say so at start."""
        for purpose in policy.USE_CASES.values():
            table = self._calibrations.get(purpose.profile or self._faces.profile.name)
            if table and not policy.supported(purpose, self.settings.max_references, table):
                raise NotCalibrated(
                    f"{table.calibration_id} supports FMR down to {table.lowest_fmr:.1e}; use case "
                    f"{purpose.name} with {self.settings.max_references} references needs "
                    f"{purpose.fmr / self.settings.max_references:.1e}: calibrate with more people"
                )

    def _inquiry(
        self,
        operation: str,
        request_id: str | None,
        subject: str | None = None,
        use_case: str | None = None,
    ) -> _Inquiry:
        purpose = policy.use_case(use_case) if use_case else None
        return _Inquiry(operation, request_id or new_request_id(), self._profile(purpose), subject, purpose)

    def _profile(self, purpose: policy.UseCase | None) -> Profile:
        name = purpose.profile if purpose and purpose.profile else self._faces.profile.name
        if name not in self._faces.profiles:
            raise ProfileUnavailable(f"{purpose.name if purpose else ''} needs {name}")
        return self._faces.profiles[name]

    def _probe(self, probe: Probe, inquiry: _Inquiry) -> tuple[Template, tuple[QualityMeasure, ...]]:
        if isinstance(probe, Template):
            probe = PackedTemplate(probe.model_id, template.pack(probe))
        if isinstance(probe, PackedTemplate):
            made = self._faces.unpack(probe.model_id, probe.data)
            if (fitting := reduced(made, inquiry.profile)) is None:
                raise TemplateWrongModel(f"the use case compares templates of {inquiry.profile.model_id}")
            return fitting, ()
        sample = self._faces.sample(probe, inquiry.clock, profile=inquiry.profile)
        return sample.template, sample.quality

    def _verification(
        self,
        inquiry: _Inquiry,
        probe: Template,
        quality: tuple[QualityMeasure, ...],
        references: Sequence[Template],
    ) -> Verification:
        clock, purpose = inquiry.clock, inquiry.purpose
        assert purpose is not None
        with clock.stage("score"):
            highest = float(score.compare_many(probe, references).max())
        with clock.stage("decide"):
            table = self._calibrations[inquiry.profile.name]
            judgement = policy.decide(highest, len(references), purpose, table)
        with clock.stage("audit"):
            self._audit_judgement(inquiry, judgement, len(references))
        return Verification(
            request_id=inquiry.request_id,
            decision=judgement.decision,
            score=judgement.score,
            threshold=judgement.threshold,
            fmr_target=judgement.fmr_target,
            fmr_at_score=judgement.fmr_at_score,
            fmr_at_score_upper=judgement.fmr_at_score_upper,
            fmr_is_upper_bound=judgement.fmr_is_upper_bound,
            use_case=purpose.name,
            profile=inquiry.profile.name,
            model_id=inquiry.profile.model_id,
            calibration_id=table.calibration_id,
            comparisons=len(references),
            subject_id=inquiry.subject,
            quality=quality,
            stages=clock.stages,
            milliseconds=clock.milliseconds,
        )

    def _search(
        self, probe: Template, purpose: policy.UseCase, limit: int, *, without: str | None = None
    ) -> tuple[tuple[Candidate, ...], policy.Judgement]:
        """Candidates that are not NON_MATCH, one per subject, and the judgement of the best score."""
        self._follower.catch_up()
        # One subject may hold several of the best places.
        (hits,) = self.gallery.search(probe.embedding[None], limit * self.settings.max_references)
        owners = self.store.owners([hit.reference_id for hit in hits])
        best: dict[str, float] = {}
        for hit in hits:
            owner = owners.get(hit.reference_id)
            if owner is not None and owner != without:
                best.setdefault(owner, hit.score)
        judged = [
            (owner, policy.decide_search(value, len(self.gallery), purpose, self.calibration))
            for owner, value in best.items()
        ]
        candidates = tuple(
            Candidate(subject_id=owner, score=judgement.score, decision=judgement.decision)
            for owner, judgement in judged[:limit]
            if judgement.decision is not Decision.NON_MATCH
        )
        nobody = policy.decide_search(-1.0, len(self.gallery), purpose, self.calibration)
        return candidates, judged[0][1] if judged else nobody

    def _found_from(self, gallery_size: int) -> float:
        """The score from which a search of that size finds somebody, for the recall of the gallery."""
        judgement = policy.decide_search(-1.0, gallery_size, policy.GENERAL, self.calibration)
        # Where no score is a MATCH, the strictest one the data knows is INCONCLUSIVE.
        return judgement.threshold or float(self.calibration.score[-1])

    def _enrol(
        self, operation: str, subject: str, portrait: Probe, key: str | None, request_id: str | None
    ) -> Enrolment:
        inquiry = self._inquiry(operation, request_id, subject_id.checked(subject))
        with self._refusals_audited(inquiry):
            return self._enrolment(inquiry, subject, portrait, key)

    def _enrolment(self, inquiry: _Inquiry, subject: str, portrait: Probe, key: str | None) -> Enrolment:
        clock = inquiry.clock
        content = _content(portrait)
        idempotency = _idempotency(key, inquiry.operation, subject, content)
        if idempotency and (replayed := self.store.recall(idempotency)):
            return msgspec.json.decode(replayed.reply, type=Enrolment)
        made, quality = self._probe(content if isinstance(portrait, Path) else portrait, inquiry)
        with clock.stage("duplicates"):
            duplicates, _ = self._search(made, policy.GENERAL, MAX_DUPLICATES, without=subject)

        def enrolment(reference: Reference) -> Enrolment:
            return Enrolment(
                request_id=inquiry.request_id,
                subject_id=subject,
                reference_id=reference.reference_id,
                model_id=self.model_id,
                created_at=reference.created_at,
                quality=quality,
                possible_duplicates=duplicates,
                stages=clock.stages,
                milliseconds=clock.milliseconds,
            )

        def kept(reference: Reference) -> bytes:
            # A replay runs no stage.
            first = enrolment(reference)
            return msgspec.json.encode(msgspec.structs.replace(first, stages={}, milliseconds=0.0))

        new = NewReference(subject, made, quality, time.time())
        record = self._record(inquiry, "ENROLLED")
        with clock.stage("store"):
            if inquiry.operation == "enrol":
                outcome = self.store.add_subject(new, record, idempotency, kept)
            else:
                limit = self.settings.max_references
                outcome = self.store.add_reference(new, record, idempotency, kept, max_references=limit)
        if isinstance(outcome, Replayed):
            return msgspec.json.decode(outcome.reply, type=Enrolment)
        with clock.stage("gallery"):
            self._follower.catch_up()
        return enrolment(outcome)

    @contextmanager
    def _refusals_audited(self, inquiry: _Inquiry) -> Iterator[None]:
        """A refused photo was an attempt too: it leaves a record."""
        try:
            yield
        except CallerError as error:
            outcome = error.reason if isinstance(error, Refusal) else error.slug
            self.store.append_audit(self._record(inquiry, outcome))
            raise

    def _audit_judgement(
        self,
        inquiry: _Inquiry,
        judgement: policy.Judgement,
        comparisons: int,
        candidates: tuple[str, ...] = (),
    ) -> None:
        self.store.append_audit(
            msgspec.structs.replace(
                self._record(inquiry, judgement.decision),
                candidates=candidates,
                score=judgement.score if comparisons else None,
                threshold=judgement.threshold,
                fmr_target=judgement.fmr_target,
                comparisons=comparisons,
            )
        )

    def _record(self, inquiry: _Inquiry, outcome: str) -> audit.AuditRecord:
        return audit.AuditRecord(
            time=time.time(),
            request_id=inquiry.request_id,
            operation=inquiry.operation,
            outcome=outcome,
            subject_id=inquiry.subject,
            use_case=inquiry.purpose.name if inquiry.purpose else None,
            model_id=inquiry.profile.model_id,
            calibration_id=self._calibrations[inquiry.profile.name].calibration_id,
        )


def new_request_id() -> str:
    """A fresh id under which a reply, its audit record and its log lines are found."""
    return str(uuid.uuid4())


def _content(portrait: Probe) -> bytes:
    """What a portrait is made of, for the digest under which its request is remembered."""
    if isinstance(portrait, Path):
        return read_photo(portrait)
    if isinstance(portrait, Template):
        return template.pack(portrait)
    return portrait.data if isinstance(portrait, PackedTemplate) else portrait


def _idempotency(key: str | None, operation: str, subject: str, content: bytes) -> Idempotency | None:
    if key is None:
        return None
    digest = hashlib.sha256()
    for part in (operation.encode(), subject.encode(), content):
        digest.update(len(part).to_bytes(8, "big") + part)
    return Idempotency(key, digest.hexdigest())
