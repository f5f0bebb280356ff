"""What a call raises. Each problem of the API has a class of its own, in ``problems.py``."""

from __future__ import annotations

from typing import ClassVar

from govid.wire import Problem


class CallFailed(Exception):
    """A call that brought no result. ``request_id`` is for the operator; "" if no server answered."""

    request_id: str = ""
    retry_after: float | None = None
    """Seconds to wait before the call has a chance, where who answered said so."""


class Unreachable(CallFailed):
    """No answer came.

    ``perhaps_done``: the request may have been carried out all the same. Calls with an idempotency key are
    safe to repeat under ``idempotency_key``; a repeated verify counts as one more attempt on its subject.
    """

    def __init__(self, why: str, *, perhaps_done: bool, idempotency_key: str | None) -> None:
        super().__init__(why)
        self.perhaps_done = perhaps_done
        self.idempotency_key = idempotency_key


class UnexpectedReply(CallFailed):
    """What answered is not govid, or a govid that this client does not know: a proxy's page, perhaps."""

    def __init__(self, status: int, why: str, request_id: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"HTTP {status}: {why}")
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class ApiError(CallFailed):
    """A problem that the server named. Raised itself only for a slug that this client does not know."""

    slug: ClassVar[str] = ""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        about = f": {problem.detail}" if problem.detail else ""
        remedy = f" ({problem.remedy})" if problem.remedy else ""
        request = f" [request {problem.request_id}]" if problem.request_id else ""
        super().__init__(f"{problem.slug}: {problem.title}{about}{remedy}{request}")
        self.problem = problem
        self.request_id = problem.request_id
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """HTTP status; 0 of an error that was found without a server."""
        return self.problem.status

    @property
    def remedy(self) -> str:
        """What to do, for a person, in the language of the client."""
        return self.problem.remedy


class CallerProblem(ApiError):
    """The request cannot be answered as it is; the caller can mend it."""


class OperatorProblem(ApiError):
    """The installation is not able to answer; its operator can mend it."""


class RefusedPhoto(CallerProblem):
    """A photo that govid does not compare: a result about the photo, and never a NON_MATCH."""

    @property
    def reason(self) -> str:
        """The word of ISO/IEC 2382-37 style reports: FACE_NOT_DETECTED, MULTIPLE_FACES, LOW_QUALITY ..."""
        return self.problem.reason

    @property
    def photo(self) -> str:
        """Of ``compare``: ``reference`` or ``probe``; "" where there was one photo."""
        return self.problem.photo
