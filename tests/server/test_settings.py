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
