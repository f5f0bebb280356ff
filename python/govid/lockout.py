"""How many failed attempts on one subject are borne, before all attempts on it are refused for a while."""

from __future__ import annotations

from dataclasses import dataclass

from govid.config import Settings


@dataclass(frozen=True, slots=True)
class LockoutRule:
    """``attempts`` failures within ``window_seconds`` of the first lock the subject for ``lock_seconds``."""

    attempts: int
    window_seconds: float
    lock_seconds: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One comparison with a subject, enrolled or not, and whether it failed."""

    subject_id: str
    failed: bool
    rule: LockoutRule


def rule(settings: Settings) -> LockoutRule:
    """The rule of the settings. The one place where a use case can have another."""
    return LockoutRule(
        settings.lockout_attempts, settings.lockout_window_seconds, settings.lockout_lock_seconds
    )
