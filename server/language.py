"""Which of the languages of govid a caller reads, by Accept-Language (RFC 9110 section 12.5.4)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum

LONGEST = 1024
"""Characters of a header that are looked at; a longer one is none."""


class Language(Enum):
    """A language of titles, details and remedies; the value is what Content-Language says."""

    ENGLISH = "en"
    CHINESE = "zh-Hans"


# Whoever takes any language gets the fallback.
_PRIMARY = {"en": Language.ENGLISH, "zh": Language.CHINESE, "*": Language.ENGLISH}


def of(headers: Iterable[tuple[bytes, bytes]]) -> Language:
    """The language that the headers of a request ask for."""
    values = (value.decode("latin-1") for name, value in headers if name == b"accept-language")
    return preferred(",".join(values))


def headers(spoken: Language) -> dict[str, str]:
    """What a reply says whose words depend on the language."""
    return {"Content-Language": spoken.value, "Vary": "Accept-Language"}


def preferred(header: str) -> Language:
    """The language with the highest weight, English if there is none or in doubt.

    ``zh-CN`` and ``zh-Hant`` ask for Chinese, too: the only Chinese here is better than none. Of two with one
    weight, the first in the header. What is not well-formed is skipped: a header is no reason to fail.
    """
    weights: dict[Language, tuple[float, int]] = {}
    if len(header) > LONGEST:
        return Language.ENGLISH
    for place, part in enumerate(header.split(",")):
        tag, _, parameters = part.partition(";")
        language = _PRIMARY.get(tag.strip().lower().partition("-")[0])
        weight = _weight(parameters)
        if language and weight > weights.get(language, (0.0, 0))[0]:
            weights[language] = weight, -place
    return max(weights, key=lambda language: weights[language]) if weights else Language.ENGLISH


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        weight = float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
    return weight if math.isfinite(weight) and 0 <= weight <= 1 else 0.0
