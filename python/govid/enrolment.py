"""A portrait becomes a reference: unless the face is enrolled already, or is not that of its subject."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec

from govid import config, policy, score, template
from govid.calibration import Calibration
from govid.duplicates import DuplicateCheck
from govid.errors import UnknownReference, UnlikeSubject
from govid.face_region import MEDIA_TYPE
from govid.faces import read_photo
from govid.inquiry import Inquiries, Inquiry, Probe
from govid.migration.companion import Companion
from govid.profiles import comparable
from govid.results import Enrolment
from govid.search import Search
from govid.store import NewReference, Replayed, Store, verdicts
from govid.store.photos import KeptPhoto
from govid.types import Decision, PackedTemplate, Reference, Template


class Enroller:
    """Enrols subjects and adds references to them."""

    def __init__(
        self,
        settings: config.Settings,
        inquiries: Inquiries,
        search: Search,
        store: Store,
        companion: Companion,
        calibration: Calibration,
    ) -> None:
        """Bind to the parts of an engine; ``calibration``: of the profile of the settings."""
        self._settings = settings
        self._inquiries = inquiries
        self._search = search
        self._store = store
        self._companion = companion
        self._calibration = calibration

    def enrol(
        self,
        inquiry: Inquiry,
        subject: str,
        portrait: Probe,
        keep_days: float | None,
        key: str | None,
        groups: tuple[str, ...] = (),
    ) -> Enrolment:
        """Enrol a subject, or add a reference to it, as the operation of the inquiry says.

        Args:
            keep_days: how long the photo is kept; None: as long as the settings say.
            key: idempotency key of the caller.

        Raises:
            as ``Engine.enrol`` and ``Engine.add_reference``.
        """
        clock = inquiry.clock
        content = _content(portrait)
        asked = groups if keep_days is None else (*groups, f"keep {keep_days!r}")
        idempotency = inquiry.idempotency(key, content, *asked)
        if idempotency and (replayed := self._store.recall(idempotency)):
            return msgspec.json.decode(replayed.reply, type=Enrolment)
        now = time.time()
        kept_until = policy.photo_kept_until(self._settings.keep_photos_days, keep_days, now)
        probed = self._inquiries.probe(
            content if isinstance(portrait, Path) else portrait, inquiry, keep=kept_until is not None
        )
        made, quality, region = probed.template, probed.quality, probed.region
        photo = KeptPhoto(MEDIA_TYPE, region, kept_until) if region and kept_until else None
        first = inquiry.operation == "enrol"
        likeness = None
        if not first:
            with clock.stage("score"):
                likeness = self._likeness(inquiry, subject, made)
        second = None
        if self._companion.second:
            with clock.stage("second_embed"):
                second = self._companion.embed(probed.crop)

        def enrolment(reference: Reference, case_id: int | None) -> Enrolment:
            return Enrolment(
                request_id=inquiry.request_id,
                subject_id=subject,
                held=case_id is not None,
                case_id=case_id,
                reference_id=reference.reference_id,
                model_id=made.model_id,
                created_at=reference.created_at,
                quality=quality,
                photo_kept_until=photo.kept_until if photo else None,
                possible_duplicates=check.candidates,
                stages=clock.stages,
                milliseconds=clock.milliseconds,
            )

        def kept(reference: Reference, case_id: int | None) -> bytes:
            # A replay runs no stage.
            reply = enrolment(reference, case_id)
            return msgspec.json.encode(msgspec.structs.replace(reply, stages={}, milliseconds=0.0))

        new = NewReference(subject, made, quality, now, photo, second)
        record = self._inquiries.record(inquiry, "ENROLLED", score=likeness)
        apart = partial(self._apart, subject)
        while True:
            with clock.stage("duplicates"):
                self._companion.check(now=True)
                check = DuplicateCheck(self._search, made, subject, self._settings.on_duplicate, apart)
            gate = check.gate(can_hold=first)
            try:
                with clock.stage("store"):
                    if first:
                        outcome = self._store.add_subject(
                            new, record, idempotency, kept, groups=groups, gate=gate
                        )
                    else:
                        limit = self._settings.max_references
                        outcome = self._store.add_reference(
                            new, record, idempotency, kept, max_references=limit, gate=gate
                        )
                break
            except UnknownReference:
                # Deleted since it was found: whoever is left is looked for anew.
                continue
        if isinstance(outcome, Replayed):
            return msgspec.json.decode(outcome.reply, type=Enrolment)
        with clock.stage("gallery"):
            self._search.announce()
        return enrolment(outcome.reference, outcome.case_id)

    def _likeness(self, inquiry: Inquiry, subject: str, made: Template) -> float | None:
        """Highest score against the references that are there; None if none can be compared with.

        Raises:
            UnknownSubject, SubjectHeld, UnlikeSubject.
        """
        held = self._store.templates(subject)
        known = comparable(held, inquiry.profile)
        if not known:
            return None
        highest = float(score.compare_many(made, known).max())
        judgement = policy.decide(highest, len(known), policy.ENROLMENT, self._calibration)
        if judgement.decision is Decision.NON_MATCH and self._settings.on_unlike == "reject":
            raise UnlikeSubject
        return highest

    def _apart(self, subject: str, others: Iterable[str]) -> set[str]:
        with self._store.database.reading() as connection:
            return verdicts.apart(connection, subject, others)


def _content(portrait: Probe) -> bytes:
    """What a portrait is made of, for the digest under which its request is remembered."""
    if isinstance(portrait, Path):
        return read_photo(portrait)
    if isinstance(portrait, Template):
        return template.pack(portrait)
    return portrait.data if isinstance(portrait, PackedTemplate) else portrait
