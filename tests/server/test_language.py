"""Problems in the caller's language; English where there is doubt."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx
import msgspec
import pytest

from govid.errors import CallerError, GovidError, InvalidBody
from govid.use_cases import UseCases
from scripts.client import concrete
from server.language import LONGEST, Language, preferred
from server.messages import message, rationale, translated, zh, zh_details, zh_rationales
from tests.support import ROOT

HAN = re.compile(r"[\u4e00-\u9fff]")
# Of the command line alone, or of no caller's request.
ELSEWHERE = {
    "bulk",
    "commands",
    "client",
    "plan",
    "vault",
    "pull.py",
    "cli.py",
    "faces.py",
    "subject_export.py",
}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("ZH-hant-TW", "zh-Hans"),
        ("en-GB, zh;q=0.9", "en"),
        ("en;q=0.3, zh;q=0.31", "zh-Hans"),
        ("zh, en", "zh-Hans"),
        ("en, zh", "en"),
        ("de, fr;q=0.9, zh;q=0.1", "zh-Hans"),
        ("de", "en"),
        ("*", "en"),
        ("zh;q=0.2, *;q=0.5", "en"),
        ("zh;q=0", "en"),
        ("zh;q=0, en;q=0", "en"),
        ("zh;q=2", "en"),
        ("zh;q=nan, en;q=0.1", "en"),
        ("zh;level=1", "en"),
        (" zh ; q = 0.5 ", "zh-Hans"),
        ("zhx, zh_CN", "en"),
        (",,;;=,\x00", "en"),
        ("zh," * LONGEST, "en"),
    ],
)
def test_the_preferred_language(header: str, language: str) -> None:
    assert preferred(header) is Language(language)


@pytest.mark.parametrize("error", [GovidError, *concrete()], ids=lambda error: error.slug)
def test_each_problem_speaks_both_languages(error: type[GovidError]) -> None:
    for text in zh.PROBLEMS[error.slug]:
        assert HAN.search(text)
        assert text.count("`") % 2 == 0
    for text in (error.title, error.remedy):
        assert text
        assert not HAN.search(text)


def test_no_translation_is_left_over() -> None:
    assert set(zh.PROBLEMS) == {error.slug for error in [GovidError, *concrete()]}


def written_details() -> set[str]:
    """The details in the code, ``{}`` for what is put in."""
    names = {error.__name__ for error in concrete() if issubclass(error, CallerError)}
    found = set()
    for file in [*(ROOT / "python" / "govid").rglob("*.py"), *(ROOT / "server").rglob("*.py")]:
        if ELSEWHERE & set(file.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names and node.args:
                found |= _literal(node.args[0])
    return found


def _literal(said: ast.expr) -> set[str]:
    if isinstance(said, ast.JoinedStr):
        return {"".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in said.values)}
    return {said.value} if isinstance(said, ast.Constant) and isinstance(said.value, str) else set()


def test_each_detail_in_the_code_has_a_translation() -> None:
    """If this fails: add the words to server/messages/zh_details.py."""
    written = written_details()
    assert len(written) > 50
    assert written <= set(zh_details.DETAILS)


@pytest.mark.parametrize(("english", "chinese"), zh_details.DETAILS.items())
def test_a_translation_keeps_each_value(english: str, chinese: str) -> None:
    values = [f"v{n}" for n in range(english.count("{}"))]
    said = translated(english.format(*values))
    assert HAN.search(said)
    assert all(said.count(value) == 1 for value in values)
    assert "{" not in said


def test_what_nobody_translated_stays_as_it_is() -> None:
    assert translated("some words of a library - at `$.field`") == "some words of a library - at `$.field`"
    assert translated("") == ""
    assert message(InvalidBody("{0} {x}"), Language.CHINESE).detail == "{0} {x}"


def test_over_http(api: httpx.Client) -> None:
    parts = {"files": {"foto": ("a.jpg", b"\xff\xd8\xff")}, "data": {"subject_id": "x"}}
    chinese = api.post("/v1/verify", **parts, headers={"Accept-Language": "zh-CN,en;q=0.5"})  # type: ignore[arg-type]
    english = api.post("/v1/verify", **parts)  # type: ignore[arg-type]
    for reply, language in ((chinese, "zh-Hans"), (english, "en")):
        assert (reply.status_code, reply.json()["slug"]) == (400, "unknown-field")
        assert reply.headers["Content-Language"] == language
        assert reply.headers["Vary"] == "Accept-Language"
        assert bool(HAN.search(reply.json()["title"])) == (language == "zh-Hans")
    assert "`foto`" in chinese.json()["detail"]
    assert "subject_id" in chinese.json()["detail"]


def test_the_rationale_of_each_shipped_use_case_is_there_and_of_no_other_text(tmp_path: Path) -> None:
    shipped = UseCases(tmp_path / "none").all()
    assert {one.rationale for one in shipped} == zh_rationales.RATIONALES.keys()
    for one in shipped:
        told = rationale(one, Language.CHINESE)
        assert told is not None
        assert HAN.search(told)
        assert rationale(one, Language.ENGLISH) is None
        own = msgspec.structs.replace(one, rationale="Of the operator's own.")
        assert rationale(own, Language.CHINESE) is None, "whatever the name of the file"


def test_why_a_use_case_is_not_available(api: httpx.Client) -> None:
    reply = api.get("/v1/use-cases", headers={"Accept-Language": "zh"})
    reasons = {one["use_case"]["name"]: one["reason"] for one in reply.json()}
    assert "活体检测" in reasons["portal_login"]
    assert reasons["general"] == ""
    assert (reply.headers["Content-Language"], reply.headers["Vary"]) == ("zh-Hans", "Accept-Language")
