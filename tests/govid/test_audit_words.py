"""No part of govid writes a word into the audit that the API does not name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import get_args

import pytest

from govid import errors
from govid.adjudication import Verdict
from govid.audit_words import OPERATIONS, OUTCOMES
from govid.bulk.importer import Outcome
from govid.store.feedback import Rating
from tests.support import ROOT

# Who makes a record of words that are handed over by place.
MAKERS = {"_record", "_audit", "audit_of", "begin", "record", "decided"}
WORDS = {"operation": OPERATIONS, "outcome": OUTCOMES}


def written() -> Iterator[tuple[str, str, str]]:
    """Place, kind and word of all literals that become a record's operation or outcome."""
    for folder in ("python/govid", "server"):
        for file in (ROOT / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text())):
                if isinstance(call, ast.Call):
                    yield from ((f"{file.name}:{call.lineno}", *word) for word in words(call))


def words(call: ast.Call) -> Iterator[tuple[str, str]]:
    """Kind and word of the literals in one call."""
    for keyword in call.keywords:
        if keyword.arg in WORDS:
            for value in ast.walk(keyword.value):
                if isinstance(value, ast.Constant) and re.fullmatch("[A-Za-z_-]{3,}(?<!_)", str(value.value)):
                    yield keyword.arg, str(value.value)
    if getattr(call.func, "attr", getattr(call.func, "id", "")) in MAKERS:
        for value in call.args:
            if isinstance(value, ast.Constant) and re.fullmatch("[a-z_]{3,}|[A-Z_]{3,}", str(value.value)):
                word = str(value.value)
                yield "outcome" if word.isupper() else "operation", word


def test_each_word_that_is_written_is_named() -> None:
    """If this fails: add the word to python/govid/audit_words.py, in one line, and run `make tables`."""
    found = list(written())
    assert len(found) > 30
    assert [f"{place}: {kind} {word}" for place, kind, word in found if word not in WORDS[kind]] == []


def test_each_operation_that_is_named_is_written() -> None:
    elsewhere = {"retention"}  # a constant: what is signed is found by it
    assert set(OPERATIONS) == elsewhere | {word for _, kind, word in written() if kind == "operation"}


@pytest.mark.parametrize("error", [errors.SubjectLocked, errors.LowQuality, errors.PhotoTruncated])
def test_a_refusal_is_a_word(error: type[errors.CallerError]) -> None:
    assert (error.reason if issubclass(error, errors.Refusal) else error.slug) in OUTCOMES


def test_words_that_are_made_of_others_are_named() -> None:
    assert {verdict.upper() for verdict in Verdict} < set(OUTCOMES)
    assert {f"RATED_{rating.upper()}" for rating in get_args(Rating)} < set(OUTCOMES)
    # A refused item has the word of its refusal instead.
    assert {word.value for word in Outcome} - {"REFUSED"} < set(OUTCOMES)
