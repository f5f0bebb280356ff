"""Routes that will go: one table, and what their replies say of it. docs/api-changelog.md has the policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec

LEAST_DAYS = 365
"""Between the notice and the end of a route."""


class Deprecation(msgspec.Struct, frozen=True, kw_only=True):
    """From when on a route should not be used, and until when it still works. Both at 00:00 UTC."""

    since: datetime
    sunset: datetime

    def headers(self) -> list[tuple[bytes, bytes]]:
        """``Deprecation`` (RFC 9745) and ``Sunset`` (RFC 8594)."""
        return [
            (b"deprecation", f"@{int(self.since.timestamp())}".encode()),
            (b"sunset", format_datetime(self.sunset.astimezone(UTC), usegmt=True).encode()),
        ]


# By method and path template; the handler of each also says ``deprecated=True``, for the schema.
DEPRECATED: Mapping[str, Deprecation] = {}
