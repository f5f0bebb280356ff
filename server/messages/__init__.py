"""What problems and shipped use cases say to people, in the language they ask for."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from govid.errors import GovidError
from govid.policy import UseCase
from server.language import Language
from server.messages import zh, zh_details, zh_rationales


class Message(NamedTuple):
    """What a problem says. ``detail`` is empty where the title says all of it."""

    title: str
    detail: str
    remedy: str


def message(error: GovidError, language: Language, *, with_detail: bool = True) -> Message:
    """An error in a language; English where a translation is missing.

    Args:
        with_detail: details of an operator's error name files and settings: they stay in the log.
    """
    detail = error.detail if with_detail and error.detail != error.title else ""
    if language is Language.ENGLISH or error.slug not in zh.PROBLEMS:
        return Message(error.title, detail, error.remedy)
    title, remedy = zh.PROBLEMS[error.slug]
    return Message(title, translated(detail), remedy)


def title(slug: str, language: Language) -> str | None:
    """What a problem is called of which only the slug is left, as in the audit; None if there is none."""
    if language is Language.CHINESE and slug in zh.PROBLEMS:
        return zh.PROBLEMS[slug][0]
    return _titles().get(slug)


@cache
def _titles() -> dict[str, str]:
    known = [GovidError]
    for error in known:  # which grows meanwhile
        known += error.__subclasses__()
    return {error.slug: error.title for error in reversed(known)}


def translated(detail: str) -> str:
    """A detail in Chinese, as it is where nobody wrote one."""
    said, where, place = detail.partition(zh_details.PLACE[0])
    for pattern, text in _patterns():
        if found := pattern.fullmatch(said):
            return text.format(*found.groups()) + (zh_details.PLACE[1] + place if where else "")
    return detail


def rationale(purpose: UseCase, language: Language) -> str | None:
    """Why a use case asks for what it asks, where it is a shipped text; None: as its file says it."""
    return zh_rationales.RATIONALES.get(purpose.rationale) if language is Language.CHINESE else None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The longest first: a short one could take a long one's words for a value."""
    details = sorted(zh_details.DETAILS.items(), key=lambda item: len(item[0]), reverse=True)
    return tuple(
        (re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL), chinese)
        for english, chinese in details
    )
