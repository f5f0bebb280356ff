"""How many failed attempts on one subject are borne, before all attempts on it are refused for a while."""

from __future__ import annotations

from dataclasses import dataclass

from govid.config import Settings
from govid.policy import UseCase


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """``limit`` failures within ``window_seconds`` of the first lock the subject for ``lock_seconds``, and
    at least until the window ends."""

    limit: int
    window_seconds: float
    lock_seconds: float


@dataclass(frozen=True, slots=True)
class Attempts:
    """Those on one subject, enrolled or not, that are counted together, and the rule they are held to."""

    subject_id: str
    counted_for: str
    """A use case with a rule of its own; empty for all others together."""
    rule: LockoutRule


@dataclass(frozen=True, slots=True)
class Attempt:
    """One more of these, and whether it failed."""

    of: Attempts
    failed: bool


def rule(settings: Settings, purpose: UseCase | None = None) -> LockoutRule:
    """The rule of a use case, or that of the settings where it has none of its own."""
    own = purpose.attempts if purpose else None
    if own is None:
        return LockoutRule(
            settings.lockout_attempts, settings.lockout_window_seconds, settings.lockout_lock_seconds
        )
    return LockoutRule(own.limit, own.window_seconds, settings.lockout_lock_seconds)


def attempts(settings: Settings, subject_id: str, purpose: UseCase | None = None) -> Attempts:
    """What an attempt on a subject counts among.

    A use case with a rule of its own counts alone: in a common count, a looser one could be used to begin a
    stricter one's window early, or to start its count anew.
    """
    own = purpose.name if purpose and purpose.attempts else ""
    return Attempts(subject_id, own, rule(settings, purpose))
