"""One call with its attempts.

Written by scripts/client.py from its twin in _async; do not edit.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from govid.client import options, replies, retry
from govid.client.errors import CallFailed, Unreachable
from govid.client.problems import InvalidCredential

T = TypeVar("T")
Token = Callable[[], str]
# Shorter than the server keeps an idle connection: otherwise a request could meet its end.
_IDLE_SECONDS = 3.0


class Connection:
    """The way to one server."""

    def __init__(self, address: str, credential: str | Token | None, settings: options.Options) -> None:
        self.address = options.checked_address(address)
        self._credential = credential
        self._options = settings
        # No redirects: what the integrator did not name gets no face. No netrc or proxy of the environment.
        self._http = httpx.Client(
            base_url=self.address,
            verify=settings.tls(),
            timeout=settings.timeout(),
            limits=httpx.Limits(keepalive_expiry=_IDLE_SECONDS),
            headers={"Accept-Language": settings.language, "User-Agent": "govid-client"},
            follow_redirects=False,
            trust_env=False,
            proxy=settings.proxy,
        )

    def call(
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
        credential = self._current()
        attempt = 0
        while True:
            attempt += 1
            last = attempt >= self._options.attempts
            try:
                return replies.result(self._send(method, path, body or {}, key, credential), wanted)
            except InvalidCredential:
                # Nothing was done. A token may have ended meanwhile: another one is tried.
                renewed = self._current()
                if last or renewed == credential:
                    raise
                credential = renewed
            except CallFailed as error:
                wait = retry.pause(attempt, self._options.backoff_seconds, error.retry_after)
                if last or wait > self._options.longest_wait_seconds or not retry.again(error, repeatable):
                    raise
                time.sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _current(self) -> str | None:
        if self._credential is None or isinstance(self._credential, str):
            return self._credential
        return self._credential()

    def _send(
        self, method: str, path: str, body: dict[str, Any], key: str | None, credential: str | None
    ) -> httpx.Response:
        headers = dict(body.get("headers", {}))
        if key is not None:
            headers["Idempotency-Key"] = key
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        try:
            return self._http.request(method, path, **{**body, "headers": headers})
        except httpx.RequestError as error:
            failure = Unreachable(
                f"{type(error).__name__}: {error}",
                perhaps_done=not isinstance(error, retry.NOT_SENT),
                idempotency_key=key,
            )
        # Out here, so that it has no context: that would hold the request, and with it photo and key.
        raise failure
