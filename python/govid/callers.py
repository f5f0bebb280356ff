"""Relying parties: who asks, and what they may ask."""

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
    ADMIN = "admin"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A relying party as it was authenticated. Its name stands in every audit record of what it asked."""

    name: str
    scopes: frozenset[Scope]
    use_cases: Annotated[frozenset[str] | None, Meta(description="Those it may name; None: all")] = None


LOCAL = Caller(name="local", scopes=frozenset(Scope))
"""Whoever runs govid's own code on its machine: the command line, a Python caller."""
