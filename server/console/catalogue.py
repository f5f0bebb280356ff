"""What the console says, in each language: one TOML file a language, with the same keys in all of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from server.language import Language, preferred
from server.messages import title

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
"""By the code of the file: how a language calls itself. The first is for whoever asks for none."""
_SPOKEN = {"en": Language.ENGLISH, "zh": Language.CHINESE}
TAGS: Mapping[str, str] = {code: spoken.value for code, spoken in _SPOKEN.items()}
"""The BCP 47 tag of each, for the ``lang`` attribute."""


class Words:
    """The texts of one language."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self.tag = TAGS[language]
        self.spoken = _SPOKEN[language]
        self._texts = texts

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with the values in their places; raises KeyError for a key that nobody wrote."""
        return self._texts[key].format(**values)

    def code(self, kind: str, code: str | None) -> str:
        """What a code of the interface means; of a problem, its title. One that nobody translated stays."""
        return self._texts.get(f"{kind}.{code}") or title(code or "", self.spoken) or code or ""

    def codes(self, kind: str) -> list[tuple[str, str]]:
        """All codes of a kind that have words, by these words."""
        start = f"{kind}."
        found = [
            (key.removeprefix(start), text) for key, text in self._texts.items() if key.startswith(start)
        ]
        return sorted(found, key=lambda one: one[1])


@cache
def words(language: str) -> Words:
    """The texts of one of ``LANGUAGES``."""
    content = resources.files("server.console").joinpath(f"languages/{language}.toml").read_text("utf-8")
    return Words(language, dict(_flat(tomllib.loads(content))))


def chosen(kept: str | None, accepted: str) -> Words:
    """The language for a reader.

    Args:
        kept: what they chose before.
        accepted: their browser's Accept-Language (RFC 9110, section 12.5.4).
    """
    if kept in LANGUAGES:
        return words(kept)
    return words(next(code for code, spoken in _SPOKEN.items() if spoken is preferred(accepted)))


def _flat(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
