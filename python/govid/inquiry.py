"""One call: what its reply, its audit record and its timeline have in common, and what all calls do alike."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec

from govid import audit, config, lockout, policy, template
from govid.calibration import Calibration
from govid.callers import LOCAL, Caller
from govid.errors import (
    CallerError,
    DuplicateFace,
    LivenessUnavailable,
    ProfileUnavailable,
    Refusal,
    TemplateNotAccepted,
    TemplateWrongModel,
    UseCaseNotAllowed,
)
from govid.faces import FacePipeline, Photo
from govid.ledger.ledger import Ledger
from govid.migration.companion import Companion
from govid.profiles import Profile, reduced
from govid.store import Idempotency, Store
from govid.timing import StageClock
from govid.types import Decision, Image, PackedTemplate, QualityMeasure, Template
from govid.use_cases import UseCases

Probe: TypeAlias = Photo | Template | PackedTemplate
"""What is compared: a photo, or the template made from one, which is checked like any input."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One call: what its reply, its audit record and its timeline have in common."""

    operation: str
    request_id: str
    caller: Caller
    profile: Profile
    subject: str | None = None
    purpose: policy.UseCase | None = None
    clock: StageClock = field(default_factory=StageClock)

    def check_allowed(self) -> None:
        """Raises UseCaseNotAllowed."""
        allowed = self.caller.use_cases
        if self.purpose and allowed is not None and self.purpose.name not in allowed:
            raise UseCaseNotAllowed(f"allowed are: {', '.join(sorted(allowed)) or 'none'}")

    def idempotency(self, key: str | None, content: bytes = b"", *more: str) -> Idempotency | None:
        """The caller's key for this call; None without a key."""
        asked = (self.operation.encode(), (self.subject or "").encode(), content)
        return Idempotency.of(key, self.caller.name, *asked, *(word.encode() for word in more))


@dataclass(frozen=True, slots=True)
class Probed:
    """What a photo or template gave; ``region``: what is kept of the photo, ``crop``: what was embedded."""

    template: Template
    quality: tuple[QualityMeasure, ...] = ()
    region: bytes | None = None
    crop: Image | None = None


class Inquiries:
    """Begins calls, reads what they compare, and writes down how they end."""

    def __init__(
        self,
        settings: config.Settings,
        faces: FacePipeline,
        calibrations: Mapping[str, Calibration],
        use_cases: UseCases,
        store: Store,
        companion: Companion,
        ledger: Ledger,
    ) -> None:
        """Bind to the parts of an engine; ``calibrations``: by the name of a profile."""
        self._settings = settings
        self._faces = faces
        self._calibrations = calibrations
        self._use_cases = use_cases
        self._store = store
        self._companion = companion
        self._ledger = ledger

    def begin(
        self,
        operation: str,
        request_id: str | None,
        caller: Caller,
        subject: str | None = None,
        use_case: str | None = None,
    ) -> Inquiry:
        """A call that is allowed.

        Raises:
            UseCaseNotAllowed, UnknownUseCase, LivenessUnavailable, ProfileUnavailable, ModelNotServing.
        """
        self._companion.check()
        request_id = request_id or audit.new_request_id()
        inquiry = Inquiry(operation, request_id, caller, self._faces.profile, subject)
        if use_case is None:
            return inquiry
        # A name that is none is not written down: the caller chose it.
        with self.refusals_audited(inquiry):
            purpose = self._use_cases(use_case)
        inquiry = replace(inquiry, purpose=purpose)
        with self.refusals_audited(inquiry):
            check_liveness(purpose)
            return replace(inquiry, profile=self.profile(purpose))

    def profile(self, purpose: policy.UseCase | None) -> Profile:
        """What a use case compares with; raises ProfileUnavailable."""
        name = purpose.profile if purpose and purpose.profile else self._faces.profile.name
        if name not in self._faces.profiles:
            raise ProfileUnavailable(f"{purpose.name if purpose else ''} needs {name}")
        return self._faces.profiles[name]

    def probe(self, probe: Probe, inquiry: Inquiry, *, keep: bool = False) -> Probed:
        """The template of a probe that the use case accepts; ``keep``: with what may be kept of the photo.

        Raises:
            TemplateNotAccepted, TemplateWrongModel, InvalidTemplate, Refusal.
        """
        if isinstance(probe, Template):
            probe = PackedTemplate(probe.model_id, template.pack(probe))
        purpose = inquiry.purpose
        if isinstance(probe, PackedTemplate):
            if purpose and not purpose.accepts_templates:
                raise TemplateNotAccepted
            made = self._faces.unpack(probe.model_id, probe.data)
            if (fitting := reduced(made, inquiry.profile)) is None:
                raise TemplateWrongModel(f"the use case compares templates of {inquiry.profile.model_id}")
            return Probed(fitting)
        sample = self._faces.sample(
            probe,
            inquiry.clock,
            profile=inquiry.profile,
            second_face_ratio=purpose.second_face_ratio if purpose else None,
            keep=keep,
        )
        if purpose:
            policy.check_quality(sample.quality, purpose)
        return Probed(sample.template, sample.quality, sample.region, sample.crop)

    @contextmanager
    def refusals_audited(self, inquiry: Inquiry) -> Iterator[None]:
        """What is refused was an attempt too, and leaves a record: a photo, or a use case that is not allowed
        or that nobody can use here."""
        try:
            inquiry.check_allowed()
            yield
        except (CallerError, LivenessUnavailable, ProfileUnavailable) as error:
            outcome = error.reason if isinstance(error, Refusal) else error.slug
            suspects = error.candidates if isinstance(error, DuplicateFace) else ()
            record = msgspec.structs.replace(self.record(inquiry, outcome), candidates=suspects)
            self._store.append_audit(record)
            raise

    def decided(
        self,
        inquiry: Inquiry,
        judgement: policy.Judgement,
        comparisons: int,
        candidates: tuple[str, ...] = (),
        compared: Collection[int] = (),
        missing: CallerError | None = None,
    ) -> str:
        """Write the decision down and count it; the receipt of it.

        Where nobody is to notice that something is missing, the receipt has the decision that was shown, and
        the record, whose digest it holds, the reason.

        Args:
            compared: references that the decision follows from.

        Raises:
            UnknownReference: one of them was deleted meanwhile; nothing was written down.
        """
        decided = self.record(
            inquiry,
            judgement.decision,
            candidates=candidates,
            score=judgement.score if comparisons else None,
            threshold=judgement.threshold,
            fmr_target=judgement.fmr_target,
            comparisons=comparisons,
        )
        record = decided
        if missing:
            record = msgspec.structs.replace(
                decided, outcome=missing.slug, score=None, threshold=None, comparisons=0
            )
        attempts = self.attempts(inquiry)
        failed = judgement.decision is not Decision.MATCH
        attempt = lockout.Attempt(attempts, failed) if attempts else None
        digest = self._store.append_audit(record, attempt, compared=compared)
        return self._ledger.receipt(decided, digest)

    def attempts(self, inquiry: Inquiry) -> lockout.Attempts | None:
        """What counts towards a lock: comparisons with one claimed subject, by anybody but this machine."""
        if inquiry.subject is None or inquiry.caller == LOCAL:
            return None
        return lockout.attempts(self._settings, inquiry.subject, inquiry.purpose)

    def record(self, inquiry: Inquiry, outcome: str, **grounds: Any) -> audit.AuditRecord:  # noqa: ANN401
        """What the audit says of a call that ended in this way."""
        return audit.AuditRecord(
            time=time.time(),
            request_id=inquiry.request_id,
            caller=inquiry.caller.name,
            operation=inquiry.operation,
            outcome=outcome,
            subject_id=inquiry.subject,
            use_case=inquiry.purpose.name if inquiry.purpose else None,
            policy=inquiry.purpose.policy_id if inquiry.purpose else None,
            shows="decision" if inquiry.purpose and inquiry.purpose.shows == "decision" else None,
            model_id=inquiry.profile.model_id,
            calibration_id=self._calibrations[inquiry.profile.name].calibration_id,
            **grounds,
        )


def check_liveness(purpose: policy.UseCase) -> None:
    """Refuse a use case that demands what this govid cannot do; raises LivenessUnavailable."""
    if purpose.liveness is not policy.Liveness.NONE:
        raise LivenessUnavailable(f"{purpose.name} demands {purpose.liveness}")
