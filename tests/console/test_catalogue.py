"""Both languages say the same things."""

from __future__ import annotations

import ast
import re
import string
from importlib import resources

import pytest

from govid.errors import SubjectLocked, UnknownSubject
from server.console import catalogue
from server.console.catalogue import LANGUAGES, chosen, words
from server.messages.zh import PROBLEMS
from tests.support import ROOT

CONSOLE = ROOT / "server" / "console"


def texts(language: str) -> dict[str, str]:
    """All texts by key."""
    return dict(words(language)._texts)


def test_each_language_has_every_key_with_the_same_places() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for language in LANGUAGES:
        assert {key: places(text) for key, text in texts(language).items()} == {
            key: places(text) for key, text in texts("en").items()
        }
        assert all(text.strip() for text in texts(language).values())


def test_chinese_is_chinese() -> None:
    same = {key for key, text in texts("zh").items() if text == texts("en")[key]}
    assert same == set()
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in texts("zh").values())


def test_every_text_of_a_page_is_there() -> None:
    asked = {
        key
        for path in (CONSOLE / "templates").iterdir()
        for key in re.findall(r"""\bt\((?:"|')([a-z0-9_.-]+)(?:"|')\s*[,)]""", path.read_text())
    }
    assert len(asked) > 100
    assert asked <= texts("en").keys()


def test_every_operation_of_the_audit_has_words() -> None:
    """A new operation needs a line under [operation] in both languages."""
    used = set()
    for path in (ROOT / "python" / "govid").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AuditRecord":
                used |= {
                    word.value.value
                    for word in node.keywords
                    if word.arg == "operation" and isinstance(word.value, ast.Constant)
                }
    assert "adjudicate" in used
    assert {f"operation.{name}" for name in used} <= texts("en").keys()


def test_a_problem_in_the_audit_is_called_as_the_interface_calls_it() -> None:
    for error in (UnknownSubject, SubjectLocked):
        assert words("en").code("outcome", error.slug) == error.title
        assert words("zh").code("outcome", error.slug) == PROBLEMS[error.slug][0]
    assert words("zh").code("outcome", "MATCH") != "MATCH"
    assert words("zh").code("outcome", "of a later version") == "of a later version"


def test_every_file_that_a_page_needs_is_in_the_package() -> None:
    shipped = {one.name for one in resources.files("server.console").joinpath("languages").iterdir()}
    assert shipped == {f"{language}.toml" for language in LANGUAGES}


@pytest.mark.parametrize(
    ("kept", "accepted", "language"),
    [
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en;q=0.5,zh-Hant-TW;q=0.7", "zh"),
        (None, "de,fr", "en"),
        (None, "zh;q=0", "en"),
        (None, "zh;q=much", "en"),
        (None, "", "en"),
        ("zh", "en", "zh"),
        ("../zh", "en", "en"),
    ],
)
def test_the_readers_language(kept: str | None, accepted: str, language: str) -> None:
    assert chosen(kept, accepted).language == language
    assert catalogue.TAGS.keys() == LANGUAGES.keys()
