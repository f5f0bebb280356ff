"""One call with its attempts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from govid.client import options, replies, retry
from govid.client.errors import CallFailed, Unreachable
from govid.client.problems import InvalidCredential

T = TypeVar("T")
Token = Callable[[], Awaitable[str]]
# Shorter than the server keeps an idle connection: otherwise a request could meet its end.
_IDLE_SECONDS = 3.0


class AsyncConnection:
    """The way to one server."""

    def __init__(self, address: str, credential: str | Token | None, settings: options.Options) -> None:
        self.address = options.checked_address(address)
        self._credential = credential
        self._options = settings
        # No redirects: what the integrator did not name gets no face. No netrc or proxy of the environment.
        self._http = httpx.AsyncClient(
            base_url=self.address,
            verify=settings.tls(),
            timeout=settings.timeout(),
            limits=httpx.Limits(keepalive_expiry=_IDLE_SECONDS),
            headers={"Accept-Language": settings.language, "User-Agent": "govid-client"},
            follow_redirects=False,
            trust_env=False,
            proxy=settings.proxy,
        )

    async def call(
        self,
        wanted: type[T],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> T:
        """Send a request until it is answered, or may not be sent again.

        Args:
            key: idempotency key; "" makes one. It stays the same over all attempts.

        Raises:
            ApiError, Unreachable, UnexpectedReply.
        """
        if key is not None:
            key = key or str(uuid.uuid4())
        repeatable = key is not None or method == "GET"
        credential = await self._current()
        attempt = 0
        while True:
            attempt += 1
            last = attempt >= self._options.attempts
            try:
                return replies.result(await self._send(method, path, body or {}, key, credential), wanted)
            except InvalidCredential:
                # Nothing was done. A token may have ended meanwhile: another one is tried.
                renewed = await self._current()
                if last or renewed == credential:
                    raise
                credential = renewed
            except CallFailed as error:
                wait = retry.pause(attempt, self._options.backoff_seconds, error.retry_after)
                if last or wait > self._options.longest_wait_seconds or not retry.again(error, repeatable):
                    raise
                await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _current(self) -> str | None:
        if self._credential is None or isinstance(self._credential, str):
            return self._credential
        return await self._credential()

    async def _send(
        self, method: str, path: str, body: dict[str, Any], key: str | None, credential: str | None
    ) -> httpx.Response:
        headers = dict(body.get("headers", {}))
        if key is not None:
            headers["Idempotency-Key"] = key
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        try:
            return await self._http.request(method, path, **{**body, "headers": headers})
        except httpx.RequestError as error:
            failure = Unreachable(
                f"{type(error).__name__}: {error}",
                perhaps_done=not isinstance(error, retry.NOT_SENT),
                idempotency_key=key,
            )
        # Out here, so that it has no context: that would hold the request, and with it photo and key.
        raise failure
