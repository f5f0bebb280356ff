"""The enrolment gate: does the new face belong to somebody who is enrolled already?

The search runs before the transaction of the enrolment; inside it only what has come since is looked at, so
that no two enrolments of one face pass each other.
"""

from __future__ import annotations

from collections.abc import Sequence

from govid import policy
from govid.errors import DuplicateFace
from govid.results import Candidate
from govid.search import Finding, Search
from govid.store import Change, Gate, Suspicion
from govid.types import Decision, Template

MAX_DUPLICATES = 10


class DuplicateCheck:
    """The check of one enrolment."""

    def __init__(self, search: Search, made: Template, subject: str, on_duplicate: str) -> None:
        """Search everybody but the subject.

        Args:
            on_duplicate: ``report``, ``hold`` or ``reject`` of the settings.
        """
        self._search = search
        self._made = made
        self._subject = subject
        self._on_duplicate = on_duplicate
        self._before = search(made, policy.ENROLMENT, MAX_DUPLICATES, without=subject)
        self._found: tuple[Finding, ...] = self._before.found

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The subjects that look like the same person, best first."""
        return tuple(finding.candidate for finding in self._found)

    def gate(self, *, can_hold: bool) -> Gate:
        """What the store asks inside the transaction.

        Args:
            can_hold: False where only a part of a subject would be held: then it is refused instead.
        """

        def judge(changes: Sequence[Change]) -> Sequence[Suspicion]:
            others = [change for change in changes if change.subject_id != self._subject]
            self._found = self._search.among(
                others, self._made, policy.ENROLMENT, self._before, MAX_DUPLICATES
            )
            if self._on_duplicate == "report" or not self._found:
                return ()
            sure = self._found[0].judgement.decision is Decision.MATCH
            if not can_hold or (sure and self._on_duplicate == "reject"):
                raise DuplicateFace(tuple(finding.subject_id for finding in self._found))
            return [finding.suspicion for finding in self._found]

        return Gate(self._before.seen, judge)
