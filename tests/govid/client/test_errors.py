"""The errors of the client are those of the server: none is missing, none is left over."""

from __future__ import annotations

import pytest

from govid.client import ApiError, CallerProblem, OperatorProblem, RefusedPhoto, problems
from govid.errors import CallerError, GovidError, OperatorError, Refusal
from scripts import client as script


def test_what_is_generated_is_up_to_date() -> None:
    """If this fails: `make client`."""
    assert script.stale() == []


@pytest.mark.parametrize("error", [GovidError, *script.leaving()], ids=lambda error: error.slug)
def test_each_problem_has_a_class_of_its_kind(error: type[GovidError]) -> None:
    kinds = {
        Refusal: RefusedPhoto,
        CallerError: CallerProblem,
        OperatorError: OperatorProblem,
        GovidError: ApiError,
    }
    mirrored = problems.BY_SLUG[error.slug]
    assert mirrored.slug == error.slug
    assert issubclass(mirrored, next(kind for base, kind in kinds.items() if issubclass(error, base)))


def test_there_are_no_others() -> None:
    assert set(problems.BY_SLUG) == {error.slug for error in [GovidError, *script.leaving()]}
