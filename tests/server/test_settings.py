from __future__ import annotations

import pytest

from govid.errors import InvalidSettings
from server.settings import ServerSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_nothing(host: str) -> None:
    ServerSettings(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org"])
def test_a_public_address_needs_a_declared_proxy(host: str) -> None:
    with pytest.raises(InvalidSettings, match="--behind-proxy"):
        ServerSettings(host=host).check()
    ServerSettings(host=host, behind_proxy=True).check()


def test_retention_that_would_come_to_doubt_the_clock_is_refused_with_the_reason() -> None:
    for seconds in (0, 3600, 31 * 86400):
        ServerSettings(retention_seconds=seconds).check()
    for seconds in (31 * 86400 + 1, 33 * 86400, float("inf")):
        with pytest.raises(InvalidSettings, match=r"at most 2678400 \(31 days\).*doubts the clock"):
            ServerSettings(retention_seconds=seconds).check()
