"""One table from errors to HTTP. The client gets slug, remedy and request id; the log gets the rest."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from govid import errors
from govid.errors import CallerError, Fault, GovidError, JobRunning, OperatorError, Refusal
from govid.wire import Problem
from server import language, queries
from server.access import errors as access
from server.language import Language
from server.messages import message
from server.scarce import Scarce

log = logging.getLogger("govid.server")
# Anybody may ask again and again while the records are away, and whoever found a mistake of ours as well.
_mistakes, _failures = Scarce(), Scarce()


class UnsupportedContentType(CallerError):
    slug = "unsupported-content-type"
    title = "The request body has a content type govid does not read"
    remedy = "Send one of the types that the detail names."


class BodyTooLarge(CallerError):
    slug = "body-too-large"
    title = "The request body is too large"
    remedy = "Send a smaller photo, or a shorter text."


class BodyTooSlow(CallerError):
    slug = "body-too-slow"
    title = "The request body did not arrive in time"
    remedy = "Send it again over a better connection, or send a smaller photo."


class HeadTooLarge(CallerError):
    slug = "head-too-large"
    title = "The request head is too large"
    remedy = "Send fewer or shorter headers, and a shorter address."


class MalformedRequest(CallerError):
    slug = "malformed-request"
    title = "What came is no HTTP request that has one meaning"
    remedy = "Send HTTP/1.1 with one Host and one length of the body."


class UpgradeNotSupported(CallerError):
    slug = "upgrade-not-supported"
    title = "The request has a body and asks for another protocol"
    remedy = "Speak HTTP/1.1 without an Upgrade header, in Java by HttpClient.Version.HTTP_1_1; or use https."


class NotFound(CallerError):
    slug = "not-found"
    title = "No such address"
    remedy = "See /schema for all addresses; people begin at /console."


class MethodNotAllowed(CallerError):
    slug = "method-not-allowed"
    title = "The address does not take this method"
    remedy = "See /schema for the methods."


class ClientGone(CallerError):
    slug = "client-gone"
    title = "The client closed the connection before its request was whole"
    remedy = "Send the request again."


class Overloaded(OperatorError):
    slug = "overloaded"
    title = "More requests wait than the server can answer in time"
    remedy = "Retry after the number of seconds in Retry-After."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


# Looked up along the class hierarchy: a new refusal is a 422 without a line here.
STATUS: dict[type[GovidError], int] = {
    GovidError: 500,
    errors.Refusal: 422,
    errors.PhotoTooLarge: 413,
    errors.InvalidBody: 400,
    errors.InvalidSubjectId: 422,
    errors.UnknownSubject: 404,
    errors.UnknownReference: 404,
    errors.LastReference: 409,
    errors.SubjectExists: 409,
    errors.SubjectHeld: 409,
    errors.ReferenceTooOld: 409,
    errors.TemplateNotAccepted: 422,
    errors.LivenessUnavailable: 501,
    errors.InvalidReceipt: 422,
    errors.FeedbackExists: 409,
    errors.UnknownComplaint: 404,
    errors.DuplicateFace: 409,
    errors.UnlikeSubject: 409,
    errors.InvalidGroup: 422,
    errors.TooManyReferences: 409,
    errors.UnknownUseCase: 422,
    errors.InvalidTemplate: 422,
    errors.NoComparableReference: 409,
    errors.InvalidIdempotencyKey: 400,
    errors.IdempotencyKeyReused: 422,
    errors.UnknownJob: 404,
    errors.JobRunning: 409,
    errors.JobEnded: 409,
    errors.JobTooLoose: 409,
    errors.UnknownCase: 404,
    errors.CaseClosed: 409,
    errors.PhotoNotKept: 404,
    errors.OperatorError: 503,
    UnsupportedContentType: 415,
    BodyTooLarge: 413,
    HeadTooLarge: 431,
    MalformedRequest: 400,
    UpgradeNotSupported: 400,
    NotFound: 404,
    MethodNotAllowed: 405,
    errors.InvalidParameter: 400,
    BodyTooSlow: 408,
    ClientGone: 400,
    errors.UseCaseNotAllowed: 403,
    errors.SubjectLocked: 429,
    access.Unauthenticated: 401,
    access.NotAllowed: 403,
    access.UntrustedProxy: 400,
    access.ForeignPage: 403,
    access.RateLimited: 429,
    access.TooManyTries: 429,
    access.FormExpired: 403,
}
_FROM_HTTP: dict[int, type[GovidError]] = {
    400: errors.InvalidParameter,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
}
RETRY_AFTER_SECONDS = 1


def status_of(error: type[GovidError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUS[base] for base in error.__mro__ if base in STATUS)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Turn any exception into problem+json. Nothing about the inside of the server leaves it."""
    known = _known(request, error)
    status = status_of(type(known))
    request_id = request.scope["state"]["request_id"]
    if known.fault is Fault.GOVID:
        _mistakes.say(
            log,
            logging.ERROR,
            "request %s: internal error",
            request_id,
            exc_info=error,
            extra={"request_id": request_id},
        )
    # Overload and an issuer that is away are logged where they arise, once in a while.
    elif known.fault is Fault.OPERATOR and not isinstance(known, Overloaded | access.IssuerUnreachable):
        _failures.say(
            log,
            logging.WARNING,
            "request %s: %s: %s (%s)",
            request_id,
            known.slug,
            known.detail,
            known.remedy,
            extra={"request_id": request_id, "slug": known.slug},
        )
    spoken = language.of(request.scope["headers"])
    request.scope["state"]["problem"] = known
    headers = language.headers(spoken)
    if status in {429, 503}:
        headers["Retry-After"] = str(getattr(known, "retry_after_seconds", RETRY_AFTER_SECONDS))
    if isinstance(known, access.Unauthenticated):
        headers["WWW-Authenticate"] = known.challenge
    if status == 405:
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return Response(
        msgspec.json.encode(problem(known, request_id, spoken)),
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def problem(error: GovidError, request_id: str = "", spoken: Language = Language.ENGLISH) -> Problem:
    """What a caller is told of an error."""
    said = message(error, spoken, with_detail=isinstance(error, CallerError))
    return Problem(
        type=f"urn:govid:problem:{error.slug}",
        title=said.title,
        status=status_of(type(error)),
        slug=error.slug,
        request_id=request_id,
        detail=said.detail,
        remedy=said.remedy,
        reason=error.reason if isinstance(error, Refusal) else "",
        photo=error.photo if isinstance(error, Refusal) else "",
        job_id=error.job_id if isinstance(error, JobRunning) else None,
    )


def _known(request: Request[Any, Any, Any], error: Exception) -> GovidError:
    if isinstance(error, GovidError):
        return error
    if isinstance(error, HTTPException):
        if "disconnected" in str(error.detail):  # Litestar has no type for it
            return ClientGone()
        if error.status_code == 400 and "route_handler" not in request.scope:
            return MalformedRequest()  # its Host is none, which is seen before there is a route
        if error.status_code in _FROM_HTTP:
            mistake = queries.mistake(request.route_handler, error.extra) if error.status_code == 400 else ""
            return _FROM_HTTP[error.status_code](mistake)
    return GovidError()


def _allowed_methods(request: Request[Any, Any, Any]) -> set[str]:
    path = request.scope["path"].rstrip("/") or "/"
    for route in request.app.routes:
        template = getattr(route, "path_components", [])
        parts = path.strip("/").split("/")
        if len(parts) == len(template) and all(
            not isinstance(want, str) or want == got for want, got in zip(template, parts, strict=True)
        ):
            return {str(method) for method in getattr(route, "methods", ())}
    return set()
