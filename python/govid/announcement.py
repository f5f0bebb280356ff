"""How an announcement is signed: the server does it, ``govid.client`` checks it.

``Govid-Signature: t=<seconds>,v2=<hex>`` is the HMAC-SHA256 of time, delivery, event and body, a line feed
after each but the last: no header holds one, so that nothing can be moved from one part to the next.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

SIGNATURE, DELIVERY, EVENT = "Govid-Signature", "Govid-Delivery", "Govid-Event"
SCHEME = "v2"


def digest(secret: bytes, seconds: str, delivery: str, event: str, body: bytes) -> str:
    """The HMAC-SHA256 of an announcement, hexadecimal."""
    message = f"{seconds}\n{delivery}\n{event}\n".encode() + body
    return hmac.digest(secret, message, "sha256").hex()


def headers(secrets: Sequence[bytes], seconds: int, delivery: str, event: str, body: bytes) -> dict[str, str]:
    """The headers of an announcement sent at that time (seconds since the epoch), signed with each secret."""
    digests = [f"{SCHEME}={digest(one, str(seconds), delivery, event, body)}" for one in secrets]
    return {EVENT: event, DELIVERY: delivery, SIGNATURE: ",".join([f"t={seconds}", *digests])}
