"""The public keys of the token issuer: from a file or address that the operator named, never from a token."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import msgspec
from jwt import PyJWK
from jwt.algorithms import AllowedPublicKeys

from server.access.errors import IssuerUnreachable
from server.access.settings import AccessSettings

MOST_BYTES = 256 * 1024
MOST_KEYS = 64
FETCH_SECONDS = 5.0
LEAST_RSA_BITS = 2048
# Keys are believed for this many times the refresh interval if the issuer cannot be reached.
PATIENCE = 4
# What a key of each type may sign with; a key used otherwise than it was made for is how tokens get forged.
FITTING = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "Ed25519": frozenset({"EdDSA"}),
}
log = logging.getLogger("govid.server")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of the issuer, and what a token may be signed with by it."""

    key: AllowedPublicKeys
    algorithms: frozenset[str]


class Jwks:
    """A key set that is read again when it is old, or when a token names a key that is not in it."""

    def __init__(self, settings: AccessSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._read: Callable[[], Awaitable[bytes]] = (
            _Address(settings.jwks) if "://" in settings.jwks else _File(settings.jwks)
        )
        self._refresh_seconds = settings.jwks_refresh_seconds
        self._retry_seconds = settings.jwks_retry_seconds
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()
        self._in_background: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> SigningKey | None:
        """The key of that id; None if the issuer has none.

        Raises:
            IssuerUnreachable: the keys could not be read for too long.
        """
        age = self._clock() - self._read_at
        believed = age <= self._refresh_seconds * PATIENCE
        if not believed or kid not in self._keys:
            await self._refresh()
        elif age > self._refresh_seconds and not self._reading.locked():
            # Nobody waits for the issuer while the keys at hand are still believed.
            self._in_background = asyncio.create_task(self._refresh())
        if self._clock() - self._read_at > self._refresh_seconds * PATIENCE:
            raise IssuerUnreachable
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        """Read the keys, unless somebody has just tried."""
        async with self._reading:
            now = self._clock()
            if now - self._tried_at < self._retry_seconds:
                return
            self._tried_at = now
            try:
                self._keys = parse(await self._read())
                self._read_at = now
            except (OSError, ValueError) as error:
                log.warning("the keys of the token issuer could not be read: %s", error)


class _File:
    def __init__(self, path: str) -> None:
        self._path = Path(path)

    async def __call__(self) -> bytes:
        return await asyncio.to_thread(self._path.read_bytes)


class _Address:
    def __init__(self, address: str) -> None:
        self._address = address

    async def __call__(self) -> bytes:
        import httpx  # noqa: PLC0415 - a tenth of a second that only this setting pays

        # No redirects, and no proxy or credentials of the environment: this address and no other.
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
                client.stream("GET", self._address) as reply,
            ):
                if reply.status_code != 200:
                    raise ValueError(f"HTTP status {reply.status_code}")
                content = b""
                async for block in reply.aiter_bytes():
                    content += block
                    if len(content) > MOST_BYTES:
                        raise ValueError("too large")
                return content
        except (httpx.HTTPError, TimeoutError) as error:
            raise ValueError(str(error) or type(error).__name__) from None


def parse(content: bytes) -> dict[str, SigningKey]:
    """The usable signing keys of a key set by their ids. Others are left out: an issuer may have more.

    Raises:
        ValueError: it is no key set, or has none that can be used.
    """
    try:
        listed = msgspec.json.decode(content, type=_KeySet).keys
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("no key set") from None
    found = {}
    for raw in listed[:MOST_KEYS]:
        kid = raw.get("kid")
        if isinstance(kid, str) and (key := _usable(raw)) is not None:
            if kid in found:
                raise ValueError("a key id comes twice")
            found[kid] = key
    if not found:
        raise ValueError("no usable key")
    return found


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _usable(raw: dict[str, Any]) -> SigningKey | None:
    if raw.get("use", "sig") != "sig" or "d" in raw:
        return None
    fitting = FITTING.get(str(raw.get("crv") or raw.get("kty")), frozenset())
    algorithms = fitting & {raw["alg"]} if "alg" in raw else fitting
    if not algorithms:
        return None
    try:
        key = PyJWK(raw, algorithm=min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if raw.get("kty") == "RSA" and key.key_size < LEAST_RSA_BITS:
        return None
    return SigningKey(key, algorithms)
