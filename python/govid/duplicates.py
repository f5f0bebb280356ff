"""The enrolment gate: does the new face belong to somebody who is enrolled already?

The search runs before the transaction of the enrolment; inside it only what has come since is looked at, so
that no two enrolments of one face pass each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from govid import policy
from govid.errors import DuplicateFace
from govid.results import Candidate
from govid.search import Finding, Search
from govid.store import Change, Gate, Suspicion
from govid.types import Decision, Template

MAX_DUPLICATES = 10


class DuplicateCheck:
    """The check of one enrolment."""

    def __init__(
        self,
        search: Search,
        made: Template,
        subject: str,
        on_duplicate: str,
        apart: Callable[[Iterable[str]], set[str]],
    ) -> None:
        """Search everybody but the subject.

        Args:
            on_duplicate: ``report``, ``hold`` or ``reject`` of the settings.
            apart: which of these subjects a person has found to be somebody else than this one.
        """
        self._search = search
        self._made = made
        self._subject = subject
        self._on_duplicate = on_duplicate
        self._before = search(made, policy.ENROLMENT, MAX_DUPLICATES, without=subject)
        # A twin that an adjudicator knows is no news.
        self._apart = apart(finding.subject_id for finding in self._before.found)
        self._found = self._without_apart(self._before.found)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The subjects that look like the same person, best first."""
        return tuple(finding.candidate for finding in self._found)

    def gate(self, *, can_hold: bool) -> Gate:
        """What the store asks inside the transaction. It raises UnknownReference where a new check is needed.

        Args:
            can_hold: False where only a part of a subject would be held: then it is refused instead.
        """

        def judge(changes: Sequence[Change]) -> Sequence[Suspicion]:
            others = [change for change in changes if change.subject_id != self._subject]
            found = self._search.among(others, self._made, policy.ENROLMENT, self._before, MAX_DUPLICATES)
            self._found = self._without_apart(found)
            if self._on_duplicate == "report" or not self._found:
                return ()
            sure = self._found[0].judgement.decision is Decision.MATCH
            if not can_hold or (sure and self._on_duplicate == "reject"):
                raise DuplicateFace(tuple(finding.subject_id for finding in self._found))
            return [finding.suspicion for finding in self._found]

        return Gate(self._before.seen, judge)

    def _without_apart(self, found: Sequence[Finding]) -> tuple[Finding, ...]:
        return tuple(finding for finding in found if finding.subject_id not in self._apart)
