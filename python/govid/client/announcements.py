"""What govid announces, checked where it arrives."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from govid import announcement

OLDEST_SECONDS = 300


class ForgedAnnouncement(Exception):
    """It was not signed by govid with this secret, or was altered, or not within the last five minutes."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """One announcement. All of it was signed."""

    event: str
    """For example ``complaint.opened``."""
    delivery: str
    """The same if it comes again: act once for each."""
    content: dict[str, Any]


def checked_announcement(
    headers: Mapping[str, str], body: bytes, secret: bytes, *, now: float | None = None
) -> Announcement:
    """The announcement in a request to the receiver of ``GOVID_WEBHOOK_URL``.

    Args:
        headers: of the request, as text, their names in any case.
        body: as it came, byte for byte.
        secret: the one in use, as bytes and without a line end.
        now: seconds since the epoch; by default the clock's.

    Raises:
        ForgedAnnouncement: do nothing, and answer 400.
        TypeError: body or secret are no bytes, or a header is no text: mend the call.
    """
    for name, value in (("body", body), ("secret", secret)):
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(
                f"{name} must be bytes, as they came or lie in the file, not {type(value).__name__}"
            )
    if not all(isinstance(text, str) for header in headers.items() for text in header):
        raise TypeError("headers must be text: decode their names and values as Latin-1")
    given = {name.lower(): value for name, value in headers.items()}
    event, delivery, signature = (
        given.get(name.lower(), "")
        for name in (announcement.EVENT, announcement.DELIVERY, announcement.SIGNATURE)
    )
    if not _authentic(signature, delivery, event, body, secret, time.time() if now is None else now):
        raise ForgedAnnouncement
    try:
        return Announcement(event=event, delivery=delivery, content=msgspec.json.decode(body, type=dict))
    except msgspec.MsgspecError:
        raise ForgedAnnouncement from None


def _authentic(signature: str, delivery: str, event: str, body: bytes, secret: bytes, now: float) -> bool:
    parts = [part.partition("=")[::2] for part in signature.split(",")]
    sent = next((value for name, value in parts if name == "t"), "")
    if not re.fullmatch("[0-9]{1,12}", sent) or not abs(now - int(sent)) <= OLDEST_SECONDS:
        return False
    if not secret or "\n" in delivery + event or not (signature + delivery + event).isascii():
        return False
    expected = announcement.digest(secret, sent, delivery, event, body).encode()
    return any(
        name == announcement.SCHEME and hmac.compare_digest(value.encode(), expected) for name, value in parts
    )
