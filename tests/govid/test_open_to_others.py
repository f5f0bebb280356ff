"""Which secrets are refused because others may read them; also one that is mounted."""

from __future__ import annotations

import os
import stat

import pytest

from govid.config import open_to_others

OURS, ELSEWHERE = 10001, 4711


def found(mode: int, owner: int, group: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, group, 1, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "owner", "group", "refused"),
    [
        (0o600, OURS, OURS, False),
        (0o400, OURS, OURS, False),
        (0o640, OURS, OURS, True),
        (0o604, OURS, OURS, True),
        (0o440, 0, OURS, False),  # Kubernetes' fsGroup
        (0o440, 0, 0, False),  # systemd's credentials, with a list of users
        (0o440, 0, ELSEWHERE, True),
        (0o444, 0, OURS, True),
        (0o460, 0, OURS, True),
        (0o440, ELSEWHERE, OURS, True),
    ],
)
def test_a_secret_is_open_to_others(
    mode: int, owner: int, group: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: OURS)
    monkeypatch.setattr(os, "getegid", lambda: OURS)
    monkeypatch.setattr(os, "getgroups", lambda: [OURS])
    assert open_to_others(found(mode, owner, group)) is refused


def test_root_owns_its_secrets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert open_to_others(found(0o640, 0, 0))
