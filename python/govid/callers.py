"""Relying parties: who asks, what they may ask, and what they are shown."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


class Scope(StrEnum):
    """A kind of power over faces."""

    VERIFY = "verify"
    IDENTIFY = "identify"
    ENROL = "enrol"
    ADJUDICATE = "adjudicate"
    AUDIT = "audit"
    METRICS = "metrics"
    DISCLOSE = "disclose"
    ADMIN = "admin"


class Sight(StrEnum):
    """How much of a comparison is shown. Whoever sees how near a photo came can climb towards a face."""

    DECISION = "decision"
    COARSE = "coarse"
    """Scores in steps, and none for a NON_MATCH: below the band there is no slope to climb."""
    EXACT = "exact"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A relying party as it was authenticated. Its name stands in every audit record of what it asked."""

    name: str
    scopes: frozenset[Scope]
    use_cases: Annotated[frozenset[str] | None, Meta(description="Those it may name; None: all")] = None
    sees: Sight = Sight.DECISION

    @property
    def knows_subjects(self) -> bool:
        """Whether it may learn who is enrolled: it can look that up, or its scores would tell it anyway."""
        return self.sees is Sight.EXACT or not self.scopes <= _DISCREET


ANYBODY = Caller(name="(anybody)", scopes=frozenset())
"""Whoever asks a server what is open to all. No relying party can have this name."""

_DISCREET = frozenset({Scope.VERIFY, Scope.IDENTIFY, Scope.METRICS})

LOCAL = Caller(name="local", scopes=frozenset(Scope), sees=Sight.EXACT)
"""Whoever runs govid's own code on its machine: the command line, a Python caller."""
