"""Announcements to the operator's own system: signed, repeated until they arrive, never lost.

The receiver checks ``Govid-Signature: t=<seconds>,v1=<hex>``, the HMAC-SHA256 of ``<t>.<body>`` with the
shared secret, and refuses an old ``t``; ``Govid-Delivery`` stays the same when one is repeated.
"""

from __future__ import annotations

import hmac
import logging
import time
from pathlib import Path

import httpx

from govid.errors import InvalidSettings
from govid.store.notifications import Notification, Outbox
from server.settings import ServerSettings

TIMEOUT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 3600
_SHORTEST_SECRET = 16
log = logging.getLogger("govid.server")


class Webhook:
    """Delivers the announcements of an outbox to one address."""

    def __init__(self, url: str, secret: bytes) -> None:
        self._url = url
        self._secret = secret
        # No redirects: what the operator did not name is not called. No proxy from the environment either.
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    def deliver_due(self, outbox: Outbox) -> int:
        """Send what is due until one fails or nothing is left; how many arrived."""
        arrived = 0
        while notification := outbox.claim(now=time.time(), lease_seconds=3 * TIMEOUT_SECONDS):
            if not self._send(notification):
                pause = min(2.0**notification.attempts, LONGEST_PAUSE_SECONDS)
                outbox.postpone(notification.notification_id, time.time() + pause)
                break
            outbox.delivered(notification.notification_id)
            arrived += 1
        return arrived

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _send(self, notification: Notification) -> bool:
        headers = {
            "Content-Type": "application/json",
            "Govid-Event": notification.kind,
            "Govid-Delivery": str(notification.notification_id),
            "Govid-Signature": signature(self._secret, notification.body, int(time.time())),
        }
        try:
            reply = self._client.post(self._url, content=notification.body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("webhook: %s, attempt %d", type(error).__name__, notification.attempts)
            return False
        if not reply.is_success:
            log.warning("webhook: answered %d, attempt %d", reply.status_code, notification.attempts)
        return reply.is_success


def signature(secret: bytes, body: bytes, seconds: int) -> str:
    """Value of ``Govid-Signature`` for a body sent at that time (seconds since the epoch)."""
    digest = hmac.digest(secret, f"{seconds}.".encode() + body, "sha256")
    return f"t={seconds},v1={digest.hex()}"


def from_settings(server: ServerSettings) -> Webhook | None:
    """The webhook of the settings, None without one.

    Raises:
        InvalidSettings: its secret cannot be read or is too short.
    """
    if not server.webhook_url:
        return None
    path = Path(server.webhook_secret_file)
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise InvalidSettings(f"webhook_secret_file {path}: {error.strerror}") from None
    if len(secret) < _SHORTEST_SECRET:
        raise InvalidSettings(f"webhook_secret_file {path}: at least {_SHORTEST_SECRET} bytes")
    return Webhook(server.webhook_url, secret)
