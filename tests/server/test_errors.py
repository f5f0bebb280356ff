from __future__ import annotations

from govid import errors
from govid.errors import GovidError, Refusal
from server import errors as server_errors


def every(base: type[GovidError]) -> set[type[GovidError]]:
    return {base} | {leaf for child in base.__subclasses__() for leaf in every(child)}


ALL = every(GovidError)
GROUPS = {errors.CallerError, errors.OperatorError, errors.Refusal, errors.RefusedInput}


def test_every_error_has_a_slug_of_its_own_and_a_status() -> None:
    concrete = ALL - GROUPS
    slugs = [error.slug for error in concrete]
    assert len(slugs) == len(set(slugs))
    for error in concrete:
        assert error.title
        assert error.remedy
        if error.commands_only:
            continue
        status = server_errors.status_of(error)
        assert (400 <= status < 500) == (error.fault is errors.Fault.CALLER), error


def test_every_refusal_has_a_reason() -> None:
    assert all(error.reason.isupper() for error in every(Refusal) - {Refusal})
