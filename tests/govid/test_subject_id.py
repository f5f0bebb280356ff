from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govid.errors import InvalidSubjectId
from govid.subject_id import checked


@given(st.text(max_size=200))
def test_an_allowed_id_is_printable_bounded_and_no_path(text: str) -> None:
    try:
        assert checked(text) == text
    except InvalidSubjectId:
        return
    assert 1 <= len(text) <= 128
    assert text.isprintable()
    assert not set("/\\") & set(text)


@pytest.mark.parametrize("subject", ["a", "x" * 128, "110101199003070012", "王小明", "J. O'Neil-Ñandú (2)"])
def test_names_and_numbers_are_allowed(subject: str) -> None:
    assert checked(subject) == subject
