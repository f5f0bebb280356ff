"""Those who turn photos into decisions, each as its own documentation says, one file each.

A file imports its own engine and nothing of another, because the start of a process is measured, too.
All run on one thread. A photo that an engine refuses gives None: no decision, which is never right.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

Decided: TypeAlias = bool | None
"""Mated, non-mated, or no decision."""


class Engine(Protocol):
    """What they have in common."""

    setting: str
    """What a reader needs to know to repeat it."""

    def template(self, photo: bytes) -> Any:  # noqa: ANN401 - each has its own
        """The photo's template, None if it is refused."""

    def same(self, reference: Any, probe: Any) -> Decided:  # noqa: ANN401
        """Whether two templates are of one person, by the engine's own threshold."""


def decide(engine: Engine, reference: Any, photo: bytes) -> Decided:  # noqa: ANN401
    """A photo against a stored template."""
    probe = engine.template(photo)
    return None if reference is None or probe is None else engine.same(reference, probe)
