"""The whole product: its operations, and the order of their stages.

    verify    bytes -> decode -> detect -> align -> quality -> embed -> score -> decide -> audit -> reply
    enrol     bytes -> decode -> detect -> align -> quality -> embed -> duplicates -> store -> reply
    identify  bytes -> decode -> detect -> align -> quality -> embed -> search -> decide -> audit -> reply

No decision leaves before its audit record is on disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import msgspec

from govid import calibration, config, policy, score, subject_id, subjects, template, use_cases
from govid.auto_precision import settled
from govid.callers import LOCAL, Caller
from govid.drift import DriftSampler
from govid.enrolment import Enroller
from govid.errors import (
    CallerError,
    InvalidParameter,
    LivenessUnavailable,
    NoComparableReference,
    OperatorError,
    ProfileUnavailable,
    ReferenceTooOld,
    Refusal,
    SubjectHeld,
    UnknownReference,
    UnknownSubject,
)
from govid.faces import FacePipeline, Photo
from govid.gallery import Gallery, snapshot
from govid.gallery.follower import GalleryFollower
from govid.gallery.opened import open_gallery
from govid.inquiry import Inquiries, Inquiry, Probe, Probed, check_liveness
from govid.ledger.ledger import Ledger
from govid.migration.companion import Companion
from govid.migration.models import calibrations
from govid.models import ModelSpec
from govid.profiles import comparable, reduced
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
from govid.search import Search
from govid.store import Store, migration
from govid.store.database import closed_on_error
from govid.store.opening import open_store
from govid.subjects import MAX_PAGE
from govid.types import Decision, Template
from govid.use_cases import UseCases
from govid.vault.journal import ErasureJournal

if TYPE_CHECKING:
    from govid.gallery.feeder import GalleryFeeder

MAX_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Purpose:
    """A use case in this installation; ``obstacle`` says why it cannot be used, and is None if it can."""

    purpose: policy.UseCase
    model_id: str | None = None
    threshold: float | None = None
    largest_gallery: int | None = None
    obstacle: OperatorError | None = None


class _Known(NamedTuple):
    """What a probe is compared with, and the references it is of.

    ``missing``: there is nothing to compare with, and nobody is to notice.
    """

    templates: Sequence[Template]
    reference_ids: Collection[int] = ()
    missing: CallerError | None = None


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
            store: defaults to what the settings name, the SQLite file in ``settings.data_dir`` if nothing.

        Raises:
            OperatorError: something is missing or wrong; the message has the remedy.
        """
        given = settings or config.load(config.Settings)[0]
        self.store = store or open_store(given)
        with closed_on_error(self.store.database):
            self.settings = settled(given, self.store)
            self._faces = FacePipeline(self.settings)
            self._calibrations = calibrations(self.settings)
            self.use_cases = UseCases.of(self.settings, self._check_calibration)
            self._companion = Companion(self.store, self.settings, self.model_id)
        self.ledger = Ledger(
            self.store.database,
            self.settings.signing_key,
            {model.name: model.digest for model in self._faces.models},
            complaint_days=self.settings.complaint_days,
        )
        self._inquiries = Inquiries(
            self.settings,
            self._faces,
            self._calibrations,
            self.use_cases,
            self.store,
            self._companion,
            self.ledger,
        )
        self._erasures = ErasureJournal(
            self.settings.erasures_file, self.store.database, lambda: self.ledger.signer
        )
        self._erasures.catch_up()
        with closed_on_error(self.store.database):
            self._erasures.check()
        gallery, follower = self._open_gallery()
        self._search = Search(
            gallery,
            follower,
            self.store,
            self._fit,
            self.calibration,
            self.settings.max_references,
        )
        self._enroller = Enroller(
            self.settings, self._inquiries, self._search, self.store, self._companion, self.calibration
        )
        self.drift = DriftSampler(self.store, self._faces.profiles, self._calibrations)
        self.on_verified: Callable[[str, Template, policy.UseCase], None] = lambda *_: None
        """Called with subject, probe and use case of each verification; it must neither wait nor raise."""

    @property
    def model_id(self) -> str:
        """The id that new templates carry: that of the profile the settings name."""
        return self._faces.model_id

    def check_serving(self) -> None:
        """Whether this engine may still answer: raises ModelNotServing once another model took over."""
        self._companion.check()

    @property
    def dimension(self) -> int:
        """Length of the embedding of such a template."""
        return self._faces.dimension

    @property
    def left_out(self) -> int:
        """References found at start that no search covers, because another model or profile made them."""
        return self._search.follower.left_out

    @property
    def gallery(self) -> Gallery:
        """What a search goes through."""
        return self._search.gallery

    def gallery_lag(self) -> int:
        """Changes of the records that searches do not cover; a gallery of this process is fed first.

        Raises:
            OperatorError: the store or a shared gallery does not answer.
        """
        newest = self.store.newest_change()
        return max(0, newest - self._search.follower.covered())

    @property
    def calibration(self) -> calibration.Calibration:
        """The table of that profile."""
        return self._calibrations[self._faces.profile.name]

    def write_down_erasures(self) -> None:
        """Let the file beside the keys have what others erased: they may have died before they wrote it.

        Raises:
            ErasureNotWritten.
        """
        self._erasures.write()

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Manifest entries of the models in use."""
        return self._faces.models

    def close(self) -> None:
        """Close the gallery and the record store."""
        self._companion.close()
        self._search.follower.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- 1:1 ----------------------------------------------------------------------------------------

    def verify(
        self,
        subject: str,
        probe: Probe,
        *,
        use_case: str = "general",
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> Verification:
        """Is the probe the enrolled subject?

        To a caller who must not learn who is enrolled, a subject that cannot be compared with is a NON_MATCH,
        for which the same work was done; the audit record says what it was.

        Raises:
            UnknownSubject, SubjectHeld, ReferenceTooOld, NoComparableReference, SubjectLocked,
            UseCaseNotAllowed, TemplateNotAccepted, Refusal, InvalidTemplate, OperatorError.
        """
        inquiry = self._inquiries.begin("verify", request_id, caller, subject_id.checked(subject), use_case)
        with self._inquiries.refusals_audited(inquiry):
            with inquiry.clock.stage("reference"):
                if attempts := self._inquiries.attempts(inquiry):
                    self.store.check_attempts(attempts)
                known = self._known(subject, inquiry)
            probed = self._inquiries.probe(probe, inquiry)
            while True:
                try:
                    verification = self._verification(inquiry, probed, known)
                    break
                except UnknownReference:
                    # Deleted while the photo was looked at: what is left of the subject decides.
                    known = self._known(subject, inquiry)
        assert inquiry.purpose is not None
        self.on_verified(subject, probed.template, inquiry.purpose)
        return verification

    def compare(
        self,
        reference: Photo,
        probe: Photo,
        *,
        use_case: str = "general",
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> Verification:
        """Do two photos show the same person? Nothing but the audit record is stored.

        Raises:
            UseCaseNotAllowed, Refusal (whose ``photo`` says which), OperatorError.
        """
        inquiry = self._inquiries.begin("compare", request_id, caller, None, use_case)
        with self._inquiries.refusals_audited(inquiry):
            with _refused_as("reference"):
                known = self._inquiries.probe(reference, inquiry).template
            with _refused_as("probe"):
                probed = self._inquiries.probe(probe, inquiry)
        return self._verification(inquiry, probed, _Known([known]))

    # --- 1:N ----------------------------------------------------------------------------------------

    def identify(
        self,
        probe: Probe,
        *,
        use_case: str = "general",
        max_candidates: int = 5,
        subjects: Sequence[str] = (),
        groups: Sequence[str] = (),
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> Identification:
        """Who of all enrolled subjects, or of those named, is the probe, if anyone?

        Args:
            max_candidates: 1 to 100.
            subjects: up to 1000 ids; together with ``groups`` whom to search. Nobody enrolled has an unknown
                one: it is no error.
            groups: up to 16 names.

        Raises:
            UseCaseNotAllowed, Refusal, InvalidTemplate, InvalidSubjectId, InvalidGroup, OperatorError.
        """
        if len(subjects) > MAX_PAGE:
            raise InvalidParameter(f"{len(subjects)} subjects, at most {MAX_PAGE}")
        subjects = [subject_id.checked(subject) for subject in subjects]
        groups = subject_id.checked_groups(groups)
        if not 1 <= max_candidates <= MAX_CANDIDATES:
            raise InvalidParameter(f"max_candidates is {max_candidates}, allowed are 1 to {MAX_CANDIDATES}")
        inquiry = self._inquiries.begin("identify", request_id, caller, None, use_case)
        purpose = inquiry.purpose
        assert purpose is not None
        # The gallery holds templates of the settings' profile, and a search is never weaker than asked.
        inquiry = replace(inquiry, profile=self._faces.profile)
        with self._inquiries.refusals_audited(inquiry):
            probed = self._inquiries.probe(probe, inquiry)
        while True:
            with inquiry.clock.stage("search"):
                self._companion.check(now=True)
                findings = self._search(
                    probed.template,
                    purpose,
                    max_candidates,
                    subjects=subjects,
                    groups=groups,
                    not_before=policy.oldest_reference(purpose, time.time()),
                )
            candidates, best = findings.candidates, findings.best
            try:
                with inquiry.clock.stage("audit"):
                    receipt = self._inquiries.decided(
                        inquiry,
                        best,
                        findings.size,
                        candidates=tuple(candidate.subject_id for candidate in candidates),
                        compared=[finding.reference_id for finding in findings.found],
                    )
                break
            except UnknownReference:
                # Deleted since it was found: whoever is left is looked for anew.
                continue
        return Identification(
            request_id=inquiry.request_id,
            receipt=receipt,
            decision=candidates[0].decision if candidates else Decision.NON_MATCH,
            candidates=candidates,
            threshold=best.threshold,
            fpir_target=best.fmr_target,
            gallery_size=findings.size,
            use_case=use_case,
            policy=purpose.policy_id,
            shows=purpose.shows,
            profile=inquiry.profile.name,
            model_id=self.model_id,
            calibration_id=self.calibration.calibration_id,
            quality=probed.quality,
            stages=inquiry.clock.stages,
            milliseconds=inquiry.clock.milliseconds,
        )

    # --- records ------------------------------------------------------------------------------------

    def enrol(
        self,
        subject: str,
        portrait: Probe,
        *,
        groups: Sequence[str] = (),
        keep_photo_days: float | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> Enrolment:
        """Create a subject from its first portrait (or template).

        One that looks like another subject is treated as ``settings.on_duplicate`` says. Of two simultaneous
        enrolments of one face, the second one sees the first.

        Args:
            subject: 1 to 128 printable characters without path meaning.
            caller: whom the audit names.
            groups: up to 16 names under which a search can be restricted to this subject.
            keep_photo_days: how long this photo is kept, at most as long as the settings say; None: so long.
            idempotency_key: the same key and request again returns the first reply and changes nothing.

        Raises:
            SubjectExists, DuplicateFace, Refusal, InvalidTemplate, InvalidGroup, InvalidParameter,
            IdempotencyKeyReused, OperatorError.
        """
        inquiry = self._inquiries.begin("enrol", request_id, caller, subject_id.checked(subject))
        with self._inquiries.refusals_audited(inquiry):
            groups = subject_id.checked_groups(groups)
            return self._enroller.enrol(inquiry, subject, portrait, keep_photo_days, idempotency_key, groups)

    def add_reference(
        self,
        subject: str,
        portrait: Probe,
        *,
        keep_photo_days: float | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> Enrolment:
        """Add one more portrait (or template) to a subject.

        Only a whole subject can be held: unless duplicates are merely reported, a portrait that looks like
        another subject is refused. So is one that does not look like this one, unless ``settings.on_unlike``
        says otherwise.

        Raises:
            UnknownSubject, SubjectHeld, TooManyReferences, UnlikeSubject, DuplicateFace, Refusal,
            InvalidTemplate, InvalidParameter, IdempotencyKeyReused, OperatorError.
        """
        inquiry = self._inquiries.begin("add_reference", request_id, caller, subject_id.checked(subject))
        with self._inquiries.refusals_audited(inquiry):
            return self._enroller.enrol(inquiry, subject, portrait, keep_photo_days, idempotency_key)

    def delete(
        self,
        subject: str,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> Deletion:
        """Erase a subject: its references, and the key without which no copy of them can be read.

        No search finds it once this returns. The reply has a signed receipt.

        Raises:
            UnknownSubject, IdempotencyKeyReused, OperatorError.
        """
        with self._erasing():
            return subjects.delete(
                self.store,
                self.ledger,
                subject,
                adjudicators=self.settings.adjudicators_required,
                idempotency_key=idempotency_key,
                request_id=request_id,
                caller=caller,
            )

    def delete_reference(
        self,
        subject: str,
        reference_id: int,
        *,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        caller: Caller = LOCAL,
    ) -> ReferenceDeletion:
        """Erase one reference of a subject that has others: its templates and its photo.

        No search or verification finds it once this returns. The reply has a signed receipt.

        Raises:
            UnknownReference, LastReference, IdempotencyKeyReused, OperatorError.
        """
        with self._erasing():
            return subjects.delete_reference(
                self.store,
                self.ledger,
                subject,
                reference_id,
                adjudicators=self.settings.adjudicators_required,
                idempotency_key=idempotency_key,
                request_id=request_id,
                caller=caller,
            )

    def set_groups(
        self, subject: str, groups: Sequence[str], *, request_id: str | None = None, caller: Caller = LOCAL
    ) -> SubjectGroups:
        """Let a subject be in these groups and no others; a search that begins later goes by them.

        Args:
            groups: up to 16 names; none: it is in no group.

        Raises:
            UnknownSubject, InvalidGroup, OperatorError.
        """
        self._companion.check()
        return subjects.set_groups(self.store, subject, groups, request_id=request_id, caller=caller)

    def subject(self, subject: str) -> Subject:
        """What is held on a subject, without its templates.

        Raises:
            UnknownSubject, OperatorError.
        """
        return subjects.subject(self.store, subject)

    def subjects(self, *, after: str = "", limit: int = 100) -> SubjectPage:
        """Ids of subjects in order, ``limit`` (1 to 1000) at a time, behind ``after``.

        Raises:
            InvalidParameter, InvalidSubjectId, OperatorError.
        """
        return subjects.page(self.store, after=after, limit=limit)

    # --- policies -----------------------------------------------------------------------------------

    def purposes(self) -> list[Purpose]:
        """Each use case, and what this installation makes of it."""
        return [self._about(purpose) for purpose in self.use_cases.all()]

    def _about(self, purpose: policy.UseCase) -> Purpose:
        try:
            profile = self._inquiries.profile(purpose)
            check_liveness(purpose)
        except (ProfileUnavailable, LivenessUnavailable) as error:
            return Purpose(purpose, obstacle=error)
        threshold = self._calibrations[profile.name].threshold(purpose.fmr)
        return Purpose(
            purpose,
            model_id=profile.model_id,
            threshold=threshold,
            # The gallery holds templates of the settings' profile.
            largest_gallery=policy.largest_gallery(purpose, self.calibration),
        )

    # --- templates ----------------------------------------------------------------------------------

    def embed(
        self, photo: Photo, *, request_id: str | None = None, caller: Caller = LOCAL
    ) -> EmbeddedTemplate:
        """The template of one photo; nothing is stored.

        Raises:
            Refusal, OperatorError.
        """
        inquiry = self._inquiries.begin("embed", request_id, caller)
        with self._inquiries.refusals_audited(inquiry):
            sample = self._faces.sample(photo, inquiry.clock)
        with inquiry.clock.stage("audit"):
            self.store.append_audit(self._inquiries.record(inquiry, "EMBEDDED"))
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

    def _fit(self, made: Template) -> Template | None:
        """The template in the gallery's format."""
        return reduced(made, self._faces.profile)

    def _open_gallery(self) -> tuple[Gallery, GalleryFollower | GalleryFeeder]:
        if self.settings.gallery_url:
            # The client of the cluster is imported only where one is used.
            from govid.gallery.feeder import GalleryFeeder  # noqa: PLC0415
            from govid.gallery.shared import open_shared  # noqa: PLC0415

            shared = open_shared(self.settings, self._faces.profile, self.store)
            return shared.gallery, GalleryFeeder(shared)
        with self.store.database.reading() as connection:
            flips = migration.flips(connection)
        # A snapshot from before another model took over may lack what came by its templates since.
        mark = f"{self.model_id} {flips}" if flips else self.model_id
        gallery = open_gallery(self.settings, self.dimension, mark, self._found_from, self.store.vault)
        kept = None if self.settings.gallery_snapshot == "off" else self.settings.gallery_dir
        if kept is None:
            snapshot.delete(self.settings.gallery_dir / self.store.identity)
        return gallery, GalleryFollower(gallery, self.store, self._fit, kept)

    def _check_calibration(self, purpose: policy.UseCase) -> None:
        table = self._calibrations.get(purpose.profile or self._faces.profile.name)
        if table:
            policy.check_supported(purpose, self.settings.max_references, table)

    @contextmanager
    def _erasing(self) -> Iterator[None]:
        self._companion.check()
        yield
        self._search.announce()
        self._erasures.catch_up()

    def _known(self, subject: str, inquiry: Inquiry) -> _Known:
        """What the inquiry compares with; raises as ``verify`` what its caller may know."""
        try:
            return self._references(subject, inquiry)
        except (UnknownSubject, SubjectHeld, ReferenceTooOld, NoComparableReference) as error:
            if inquiry.caller.knows_subjects:
                raise
            return _Known([inquiry.profile.decoy], missing=error)

    def _references(self, subject: str, inquiry: Inquiry) -> _Known:
        """The subject's templates that the inquiry compares with; raises as ``verify``."""
        not_before = policy.oldest_reference(inquiry.purpose, time.time())
        templates = self.store.templates_of(subject, not_before=not_before)
        known = comparable(templates.values(), inquiry.profile)
        if not known:
            # Another model may have taken over this moment: then this is no answer about the subject.
            self._companion.check(now=True)
            raise NoComparableReference(f"the use case compares templates of {inquiry.profile.model_id}")
        return _Known(known, templates.keys())

    def _verification(self, inquiry: Inquiry, probed: Probed, known: _Known) -> Verification:
        """Compare and judge; raises UnknownReference if one of those it is of was deleted meanwhile."""
        clock, purpose = inquiry.clock, inquiry.purpose
        assert purpose is not None
        references, compared, missing = known
        with clock.stage("score"):
            highest = float(score.compare_many(probed.template, references).max())
        with clock.stage("decide"):
            table = self._calibrations[inquiry.profile.name]
            judgement = policy.decide(highest, len(references), purpose, table)
            if missing:
                judgement = msgspec.structs.replace(judgement, decision=Decision.NON_MATCH)
        with clock.stage("audit"):
            receipt = self._inquiries.decided(
                inquiry, judgement, len(references), compared=compared, missing=missing
            )
        if not missing:
            self._companion.offer(probed.crop, inquiry.subject, purpose, judgement)
        return Verification(
            request_id=inquiry.request_id,
            receipt=receipt,
            decision=judgement.decision,
            score=judgement.score,
            threshold=judgement.threshold,
            fmr_target=judgement.fmr_target,
            fmr_at_score=judgement.fmr_at_score,
            fmr_at_score_upper=judgement.fmr_at_score_upper,
            fmr_is_upper_bound=judgement.fmr_is_upper_bound,
            use_case=purpose.name,
            policy=purpose.policy_id,
            shows=purpose.shows,
            profile=inquiry.profile.name,
            model_id=inquiry.profile.model_id,
            calibration_id=table.calibration_id,
            comparisons=len(references),
            subject_id=inquiry.subject,
            quality=probed.quality,
            stages=clock.stages,
            milliseconds=clock.milliseconds,
        )

    def _found_from(self, gallery_size: int) -> float:
        """The score from which a search of that size finds somebody, for the recall of the gallery."""
        judgement = policy.decide_search(-1.0, gallery_size, use_cases.shipped("general"), self.calibration)
        # Where no score is a MATCH, the strictest one the data knows is INCONCLUSIVE.
        return judgement.threshold or float(self.calibration.score[-1])


@contextmanager
def _refused_as(photo: Literal["reference", "probe"]) -> Iterator[None]:
    """A refusal within says which of two photos it is about."""
    try:
        yield
    except Refusal as refusal:
        refusal.photo = photo
        raise
