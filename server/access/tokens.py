"""OAuth 2 access tokens (RFC 9068): signed JWTs of the issuer that the operator named."""

from __future__ import annotations

import hashlib
import time
from typing import Any, NamedTuple

import jwt

from govid.callers import Caller, Scope, Sight
from server.access.errors import InvalidCredential
from server.access.jwks import Jwks
from server.access.settings import AccessSettings

LONGEST = 8 * 1024
MOST_REMEMBERED = 1024
_SCOPE = "govid:"
_USE_CASE = "govid:use-case:"
_SIGHTS = {"govid:scores": Sight.COARSE, "govid:scores-exact": Sight.EXACT}


class _Remembered(NamedTuple):
    """A caller whose token was checked: it holds until ``ends`` by the clock of its issuer."""

    ends: float
    checked_again: float
    caller: Caller


class TokenReader:
    """From a token to the relying party it was issued to.

    What was found valid is remembered by its digest: a signature is checked once in ``RECHECK_SECONDS``.
    """

    RECHECK_SECONDS = 30.0

    def __init__(self, settings: AccessSettings, jwks: Jwks | None = None) -> None:
        self._settings = settings
        self._jwks = jwks or Jwks(settings)
        self._remembered: dict[bytes, _Remembered] = {}

    async def caller(self, token: str) -> Caller:
        """The relying party.

        Raises:
            InvalidCredential: it is no token of the issuer for this service, or not valid now.
            IssuerUnreachable: nobody can tell, for want of the issuer's keys.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._remembered.get(digest)
        # Two clocks: one that is set back must not put off the next check.
        if known and time.time() < known.ends and time.monotonic() < known.checked_again:
            return known.caller
        self._remembered.pop(digest, None)
        claims = await self._claims(token)
        caller = _caller(claims)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        ends = claims["exp"] + self._settings.jwt_leeway_seconds
        self._remembered[digest] = _Remembered(ends, time.monotonic() + self.RECHECK_SECONDS, caller)
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST:
            raise InvalidCredential
        try:
            # Of the head, only what chooses among the issuer's keys is read: no jwk, jku, x5c or x5u.
            head = jwt.get_unverified_header(token)
            kid, algorithm = head.get("kid"), head.get("alg")
            if not isinstance(kid, str) or algorithm not in self._settings.jwt_algorithms or "crit" in head:
                raise InvalidCredential
            key = await self._jwks.key(kid)
            if key is None or algorithm not in key.algorithms:
                raise InvalidCredential
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                leeway=self._settings.jwt_leeway_seconds,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
            claims["exp"] = float(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
            raise InvalidCredential from None
        return claims


def _caller(claims: dict[str, Any]) -> Caller:
    """The party and its rights: of ``scope``, the words that begin with ``govid:``.

    Raises:
        InvalidCredential: the claims are not of the types RFC 9068 gives them.
    """
    # The party is the client that asks, whoever the person behind it is.
    name = claims.get("client_id") or claims.get("azp") or claims["sub"]
    words = claims.get("scope", "")
    if not (
        isinstance(name, str) and 1 <= len(name) <= 128 and name.isprintable() and isinstance(words, str)
    ):
        raise InvalidCredential
    granted = set(words.split())
    use_cases = frozenset(word.removeprefix(_USE_CASE) for word in granted if word.startswith(_USE_CASE))
    sights = [_SIGHTS[word] for word in granted & _SIGHTS.keys()]
    return Caller(
        name=f"token:{name}",
        scopes=frozenset(scope for scope in Scope if f"{_SCOPE}{scope}" in granted),
        use_cases=use_cases or None,
        sees=Sight.EXACT if Sight.EXACT in sights else Sight.COARSE if sights else Sight.DECISION,
    )
