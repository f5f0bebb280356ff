"""Why somebody is not let in. None says which part of a credential was wrong: it would help to forge one."""

from __future__ import annotations

from govid.errors import CallerError, OperatorError


class Unauthenticated(CallerError):
    """``challenge``: what WWW-Authenticate says."""

    slug = "unauthenticated"
    title = "The request does not say who asks"
    remedy = "Send `Authorization: Bearer` with an API key or an access token, or a client certificate."
    challenge = 'Bearer realm="govid"'


class InvalidCredential(Unauthenticated):
    slug = "invalid-credential"
    title = "The credential is not valid"
    remedy = "Check that it is whole and neither expired nor revoked, or ask the operator for a new one."
    challenge = 'Bearer realm="govid", error="invalid_token"'


class SignedOut(Unauthenticated):
    slug = "signed-out"
    title = "The session has ended, or nobody has signed in"
    remedy = "Sign in again with an API key."


class TooManyTries(CallerError):
    """``retry_after_seconds``: when the next try is looked at."""

    slug = "too-many-tries"
    title = "Too many tries to sign in"
    remedy = "Wait for a minute, then try again."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class FormExpired(CallerError):
    slug = "form-expired"
    title = "The form does not come from a page of this session"
    remedy = "Open the page again and send the form from there."


class NotAllowed(CallerError):
    slug = "scope-missing"
    title = "The caller has not the scope for this"
    remedy = "Ask the operator for the scope named in the detail."


class UntrustedProxy(CallerError):
    slug = "untrusted-proxy"
    title = "The request claims a client certificate as only a trusted proxy may"
    remedy = "Send no Client-Cert header; connect by TLS with the certificate, or through the proxy."


class ForeignPage(CallerError):
    slug = "foreign-page"
    title = "The request comes from a web page, or for another host name"
    remedy = (
        "Call the server as localhost, from a program or from pages of its own console, or let it require "
        "authentication."
    )


class RateLimited(CallerError):
    """``retry_after_seconds``: when the next request has a chance."""

    slug = "rate-limited"
    title = "The relying party asks too often"
    remedy = "Retry after the number of seconds in Retry-After."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(RateLimited):
    slug = "quota-exceeded"
    title = "The relying party has too many requests in hand"


class IssuerUnreachable(OperatorError):
    slug = "issuer-unreachable"
    title = "The public keys of the token issuer cannot be had"
    remedy = "Check the setting jwks and the way to the issuer."
