"""Announcements: none is lost, whatever receiver or operator do, and each is signed with every secret."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from govid.errors import InvalidSettings
from govid.store.notifications import Outbox, enqueue
from govid.store.sqlite import SqliteStore
from server.webhook import LONGEST_PAUSE_SECONDS, Webhook, pause, read_secrets
from tests.scripted import Answer, Came, scripted

NEW, OLD = b"new-0123456789abcdef", b"old-0123456789abcdef"


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    with store.database.writing() as connection:
        enqueue(connection, "complaint.opened", {"complaint_id": 1})
    yield Outbox(store.database)
    store.close()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(OLD + b"\n")
    return path


def digests(request: Came) -> tuple[list[str], list[str]]:
    """The digests of a signature, and those that are expected of both secrets."""
    time_part, *given = request.headers["Govid-Signature"].split(",")
    signed = [time_part.removeprefix("t="), request.headers["Govid-Delivery"], request.headers["Govid-Event"]]
    message = "\n".join([*signed, request.body.decode()]).encode()
    return given, [f"v2={hmac.digest(secret, message, 'sha256').hex()}" for secret in (NEW, OLD)]


def test_the_secret_is_changed_without_a_restart(outbox: Outbox, secrets: Path) -> None:
    with scripted(Answer(500), Answer(500), Answer(200)) as (url, came):
        webhook = Webhook(url, secrets)
        for content in (OLD, NEW + b"\n" + OLD + b"\r\n\n", NEW):
            secrets.write_bytes(content)
            webhook.deliver_due(outbox)
            if outbox.waiting():
                outbox.postpone(1, time.time())
        webhook.close()
    assert outbox.waiting() == 0
    signed = [digests(one) for one in came]
    assert [given for given, _ in signed] == [
        expected[slice(*part)] for (_, expected), part in zip(signed, [(1, 2), (0, 2), (0, 1)], strict=True)
    ]
    assert len({one.headers["Govid-Delivery"] for one in came}) == 1


def test_without_a_secret_announcements_wait(
    outbox: Outbox, secrets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted(Answer(200)) as (url, came):
        webhook = Webhook(url, secrets)
        secrets.unlink()
        caplog.set_level(logging.ERROR)
        assert webhook.deliver_due(outbox) == 0
        assert "announcements wait" in caplog.text
        secrets.write_bytes(NEW)
        outbox.postpone(1, time.time())
        assert webhook.deliver_due(outbox) == 1
        webhook.close()
    assert len(came) == 1


def test_a_redirect_is_no_delivery(outbox: Outbox, secrets: Path) -> None:
    with scripted(Answer(302)) as (url, came):
        webhook = Webhook(url, secrets)
        assert webhook.deliver_due(outbox) == 0
        webhook.close()
    assert (len(came), outbox.waiting()) == (1, 1)


def test_after_months_of_failures_it_is_still_tried_each_hour() -> None:
    for attempts in (1, 5, 12, 1_000, 1_000_000):
        longest = min(2 ** min(attempts, 20), LONGEST_PAUSE_SECONDS)
        drawn = {pause(attempts) for _ in range(50)}
        assert longest / 2 <= min(drawn) < max(drawn) <= longest


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"short", NEW + b"\nshort", NEW + b"\n" + OLD + b"\n" + NEW]
)
def test_secrets_that_are_not_believed(secrets: Path, content: bytes) -> None:
    secrets.write_bytes(content)
    with pytest.raises(InvalidSettings):
        read_secrets(secrets)


def test_a_secret_may_have_a_space_in_it(secrets: Path) -> None:
    secrets.write_bytes(b" correct horse battery staple \n")
    assert read_secrets(secrets) == [b"correct horse battery staple"]
