"""Announcements to the operator's own system: signed, repeated until they arrive, never lost.

The receiver checks the signature (``govid.announcement``) and refuses an old one; ``Govid-Delivery`` stays
the same when one is repeated. While the secret is changed the file holds the new and the old one, and there
is a signature by each.
"""

from __future__ import annotations

import logging
import random
import time
from pathlib import Path

import httpx

from govid import announcement
from govid.errors import InvalidSettings
from govid.store.notifications import Notification, Outbox
from server.settings import ServerSettings

TIMEOUT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 3600
_SHORTEST_SECRET = 16
_MOST_SECRETS = 2
log = logging.getLogger("govid.server")


class Webhook:
    """Delivers the announcements of an outbox to one address."""

    def __init__(self, url: str, secrets: Path) -> None:
        """Prepare.

        Args:
            secrets: file with the secret, or with the new and the old one, each on a line. It is read for
                each message, so that a change needs no restart.

        Raises:
            InvalidSettings: it cannot be read, or a secret is too short.
        """
        self._url = url
        self._secrets = secrets
        read_secrets(secrets)
        # No redirects: what the operator did not name is not called. No proxy from the environment either.
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)

    def deliver_due(self, outbox: Outbox) -> int:
        """Send what is due until one fails or nothing is left; how many arrived."""
        arrived = 0
        while notification := outbox.claim(now=time.time(), lease_seconds=3 * TIMEOUT_SECONDS):
            if not self._send(notification):
                outbox.postpone(notification.notification_id, time.time() + pause(notification.attempts))
                break
            outbox.delivered(notification.notification_id)
            arrived += 1
        return arrived

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _send(self, notification: Notification) -> bool:
        try:
            secrets = read_secrets(self._secrets)
        except InvalidSettings as error:
            log.error("webhook: %s; announcements wait", error.detail)
            return False
        headers = {
            "Content-Type": "application/json",
            **announcement.headers(
                secrets,
                int(time.time()),
                str(notification.notification_id),
                notification.kind,
                notification.body,
            ),
        }
        try:
            # What the receiver says beside its status is not read: it could be without end.
            with self._client.stream("POST", self._url, content=notification.body, headers=headers) as reply:
                arrived = reply.is_success
        except httpx.HTTPError as error:
            log.warning("webhook: %s, attempt %d", type(error).__name__, notification.attempts)
            return False
        if not arrived:
            log.warning("webhook: answered %d, attempt %d", reply.status_code, notification.attempts)
        return arrived


def pause(attempts: int) -> float:
    """Seconds until the next attempt after so many: about twice as long each time, up to an hour."""
    longest = min(2.0 ** min(attempts, 32), LONGEST_PAUSE_SECONDS)
    # Many that failed together do not all come back together.
    return random.uniform(longest / 2, longest)  # noqa: S311


def read_secrets(path: Path) -> list[bytes]:
    """The secrets of a file, the newest first.

    Raises:
        InvalidSettings: it cannot be read, or holds none, more than two, or one that is too short.
    """
    try:
        secrets = [line.strip() for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise InvalidSettings(f"webhook_secret_file {path}: {error.strerror}") from None
    if not 1 <= len(secrets) <= _MOST_SECRETS or min(map(len, secrets)) < _SHORTEST_SECRET:
        raise InvalidSettings(
            f"webhook_secret_file {path}: one secret of at least {_SHORTEST_SECRET} bytes, or the new and "
            "the old one, each on a line"
        )
    return secrets


def from_settings(server: ServerSettings) -> Webhook | None:
    """The webhook of the settings, None without one.

    Raises:
        InvalidSettings: its secret cannot be used.
    """
    return Webhook(server.webhook_url, Path(server.webhook_secret_file)) if server.webhook_url else None
