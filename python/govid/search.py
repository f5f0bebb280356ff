"""1:N from a probe to judged candidates: the gallery finds, the records name, the policy judges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from govid import policy, score
from govid.calibration import Calibration
from govid.errors import GalleryUnavailable, UnknownReference
from govid.gallery import Gallery
from govid.gallery.follower import GalleryFollower
from govid.results import Candidate
from govid.store import Change, Store, Suspicion
from govid.types import Decision, Template

if TYPE_CHECKING:
    from govid.gallery.feeder import GalleryFeeder


@dataclass(frozen=True, slots=True)
class Finding:
    """A subject whose best reference a search found."""

    subject_id: str
    reference_id: int
    judgement: policy.Judgement

    @property
    def candidate(self) -> Candidate:
        """As a reply shows it."""
        judged = self.judgement
        return Candidate(
            subject_id=self.subject_id,
            score=judged.score,
            decision=judged.decision,
            fpir_at_score=judged.fmr_at_score,
            fpir_is_upper_bound=judged.fmr_is_upper_bound,
        )

    @property
    def suspicion(self) -> Suspicion:
        """As a case keeps it."""
        return Suspicion(self.subject_id, self.reference_id, self.judgement.score)


@dataclass(frozen=True, slots=True)
class Findings:
    """What one search found."""

    found: tuple[Finding, ...]
    """MATCH and INCONCLUSIVE only, one per subject, best first."""
    best: policy.Judgement
    """Of the highest score, whatever its decision."""
    size: int
    """References the probe was compared with."""
    seen: int
    """Number of the last change of the records that the search surely covered."""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """As a reply shows them."""
        return tuple(finding.candidate for finding in self.found)


class Search:
    """Searches the active references of one profile. Safe to call from several threads."""

    def __init__(
        self,
        gallery: Gallery,
        follower: GalleryFollower | GalleryFeeder,
        store: Store,
        fit: Callable[[Template], Template | None],
        calibration: Calibration,
        max_references: int,
    ) -> None:
        """Nothing is read yet.

        Args:
            follower: keeps the gallery in step with the records.
            fit: a template in the gallery's format, None if it cannot be had.
            max_references: the most one subject has.
        """
        self.gallery = gallery
        self._store = store
        self._fit = fit
        self._calibration = calibration
        self._max_references = max_references
        self.follower = follower

    def announce(self) -> None:
        """Bring what was just committed to the gallery.

        Where that is away it stays committed: no search answers before it has caught up.
        """
        with suppress(GalleryUnavailable):
            self.follower.catch_up()

    def __call__(
        self,
        probe: Template,
        purpose: policy.UseCase,
        limit: int,
        *,
        without: str | None = None,
        subjects: Sequence[str] = (),
        groups: Sequence[str] = (),
        not_before: float = 0.0,
    ) -> Findings:
        """The up to ``limit`` subjects most like the probe, of all or of those named.

        A subject counts by its best reference. Each comparison gets its part of the allowed rate, so that
        many references neither loosen nor hide anything.

        Args:
            without: a subject that is left out.
            subjects: together with ``groups`` whom to search; all where both are empty.
            not_before: references enrolled earlier, in seconds since the epoch, are left out.
        """
        seen = self.follower.catch_up()
        within = self._store.reference_ids(subjects=subjects, groups=groups) if subjects or groups else None
        size = len(self.gallery) if within is None else len(within)
        # One subject may hold several of the best places, and one more may be the one left out.
        k = (limit + (without is not None)) * self._max_references
        found: dict[str, Finding] = {}
        while True:
            (hits,) = self.gallery.search(probe.embedding[None], k, within=within)
            owners = self._store.owners([hit.reference_id for hit in hits], not_before=not_before)
            for hit in hits:
                owner = owners.get(hit.reference_id)
                if owner is not None and owner != without and owner not in found:
                    found[owner] = Finding(owner, hit.reference_id, self._judged(hit.score, size, purpose))
            # Old references may have taken the best places: behind them, too, somebody may be worth showing.
            if (
                not not_before
                or len(hits) < k
                or len(found) >= limit
                or self._is_nobody(hits[-1].score, size, purpose)
            ):
                break
            k *= 4
        best = next(iter(found.values())).judgement if found else self._judged(-1.0, size, purpose)
        return Findings(_noteworthy(found.values(), limit), best, size, seen)

    def among(
        self,
        changes: Sequence[Change],
        probe: Template,
        purpose: policy.UseCase,
        before: Findings,
        limit: int,
    ) -> tuple[Finding, ...]:
        """The findings of an earlier search, and those among references that came since.

        Raises:
            UnknownReference: one that was found is gone. Others of its subject may be as much alike, and
                others' that it took the place of: the search has to be made again.
        """
        gone = {change.reference_id for change in changes if change.template is None}
        if any(finding.reference_id in gone for finding in before.found):
            raise UnknownReference
        found = {finding.subject_id: finding for finding in before.found}
        came = [
            (change.subject_id, change.reference_id, fitted)
            for change in changes
            if change.template and change.subject_id and (fitted := self._fit(change.template))
        ]
        if came:
            scores: np.ndarray = score.compare_many(probe, [fitted for _, _, fitted in came])
            for (owner, reference_id, _), value in zip(came, scores.tolist(), strict=True):
                if owner not in found or value > found[owner].judgement.score:
                    judgement = self._judged(value, before.size + len(came), purpose)
                    found[owner] = Finding(owner, reference_id, judgement)
        left = sorted(found.values(), key=lambda finding: -finding.judgement.score)
        return _noteworthy(left, limit)

    def _is_nobody(self, value: float, size: int, purpose: policy.UseCase) -> bool:
        return self._judged(value, size, purpose).decision is Decision.NON_MATCH

    def _judged(self, value: float, size: int, purpose: policy.UseCase) -> policy.Judgement:
        return policy.decide_search(value, size, purpose, self._calibration)


def _noteworthy(found: Iterable[Finding], limit: int) -> tuple[Finding, ...]:
    some = [finding for finding in found if finding.judgement.decision is not Decision.NON_MATCH]
    return tuple(some[:limit])
