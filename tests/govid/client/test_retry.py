"""When a call is tried again: always under the same key, and never where it might be done twice."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from govid.client import (
    ApiError,
    AsyncClient,
    CallFailed,
    Client,
    Options,
    UnexpectedReply,
    Unreachable,
    problems,
    retry,
)
from tests.scripted import Answer, problem, scripted

QUICK = Options(backoff_seconds=0, read_seconds=120)
GONE = Answer(0)
OVERLOADED = problem("overloaded", 503, Retry_After="0")
DELETED = Answer(200, b'{"request_id":"r-2","subject_id":"alice"}')
PAGE = Answer(200, b'{"subjects":["alice"],"next_after":null}')
STORE_AWAY = problem("store-unavailable", 503)
PROXY = Answer(503, b"<html>", "text/html")


def test_a_write_is_repeated_under_one_key() -> None:
    with (
        scripted(GONE, OVERLOADED, STORE_AWAY, DELETED) as (address, came),
        Client(address, options=QUICK) as client,
    ):
        assert client.delete("alice").subject_id == "alice"
        keys = [one.headers["Idempotency-Key"] for one in came]
        assert len(keys) == 4
        assert len(set(keys)) == 1
        client.delete("alice")
        assert came[-1].headers["Idempotency-Key"] != keys[0]
        client.delete("alice", idempotency_key="mine")
        assert came[-1].headers["Idempotency-Key"] == "mine"


def test_a_put_is_repeated_only_where_it_was_not_begun() -> None:
    """Another writer may have come between the two."""
    put = Answer(200, b'{"request_id":"r","subject_id":"a","groups":["x"]}')
    with scripted(OVERLOADED, put) as (address, came), Client(address, options=QUICK) as client:
        assert client.set_groups("a", ["x"]).groups == ("x",)
        assert [one.body for one in came] == [b'{"groups":["x"]}'] * 2
    for lost in (GONE, STORE_AWAY, PROXY):
        with (
            scripted(lost, put) as (address, came),
            Client(address, options=QUICK) as client,
            pytest.raises(CallFailed),
        ):
            client.set_groups("a", ["x"])
        assert len(came) == 1


def test_a_server_that_is_not_ready_says_why() -> None:
    away = Answer(503, b'{"status":"unavailable","checks":{"store":"store-unavailable"}}')
    with scripted(away) as (address, came), Client(address, options=QUICK) as client:
        assert client.readyz().checks == {"store": "store-unavailable"}
        assert len(came) == 1
    with (
        scripted(PROXY) as (address, _),
        Client(address, options=QUICK) as client,
        pytest.raises(UnexpectedReply),
    ):
        client.readyz()


def test_async_as_well() -> None:
    async def deleted(address: str) -> str:
        async with AsyncClient(address, options=QUICK) as client:
            return (await client.delete("alice")).subject_id

    with scripted(GONE, OVERLOADED, DELETED) as (address, came):
        assert asyncio.run(deleted(address)) == "alice"
    assert len({one.headers["Idempotency-Key"] for one in came}) == 1


@pytest.mark.parametrize(
    "answer", [OVERLOADED, problem("not-ready", 503), problem("rate-limited", 429, Retry_After="0")]
)
def test_a_verify_that_was_turned_away_is_tried_again(answer: Answer) -> None:
    embedded = problem("face-not-detected", 422)
    with scripted(answer, embedded) as (address, came), Client(address, options=QUICK) as client:
        with pytest.raises(problems.FaceNotDetected):
            client.verify("alice", b"photo")
        assert len(came) == 2
        assert "Idempotency-Key" not in came[0].headers


@pytest.mark.parametrize("answer", [GONE, STORE_AWAY, PROXY, problem("subject-locked", 429, Retry_After="0")])
def test_a_verify_that_may_have_been_counted_is_not(answer: Answer) -> None:
    with scripted(answer) as (address, came), Client(address, options=QUICK) as client:
        with pytest.raises(CallFailed) as failed:
            client.verify("alice", b"photo")
        assert len(came) == 1
    assert not isinstance(failed.value, Unreachable) or failed.value.perhaps_done


def test_who_was_never_reached_is_tried_again_and_nothing_was_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Client(address, options=QUICK) as client:
            with pytest.raises(Unreachable) as failed:
                client.verify("alice", b"photo")
            assert not failed.value.perhaps_done
            assert failed.value.__context__ is None
            with pytest.raises(Unreachable) as failed:
                client.delete("alice", idempotency_key="mine")
            assert failed.value.idempotency_key == "mine"


def test_attempts_end() -> None:
    with scripted(PROXY) as (address, came), Client(address, options=QUICK) as client:
        with pytest.raises(UnexpectedReply) as failed:
            client.subjects()
        assert len(came) == QUICK.attempts
    assert failed.value.status == 503


def test_a_server_that_asks_for_more_patience_than_there_is_is_not_waited_for() -> None:
    with (
        scripted(problem("overloaded", 503, Retry_After="3600")) as (address, came),
        Client(address) as client,
    ):
        with pytest.raises(problems.Overloaded) as failed:
            client.subjects()
        assert len(came) == 1
    assert failed.value.retry_after == 3600


def test_the_patience_that_a_proxy_asks_for_counts_as_well() -> None:
    busy = Answer(429, b"busy", "text/plain", (("Retry-After", "3600"),))
    with scripted(busy) as (address, came), Client(address, options=QUICK) as client:
        with pytest.raises(UnexpectedReply) as failed:
            client.subjects()
        assert len(came) == 1
    assert failed.value.retry_after == 3600


def test_pauses_grow_are_drawn_and_never_come_before_retry_after() -> None:
    for attempt in (1, 2, 3):
        pauses = [retry.pause(attempt, 0.25, None) for _ in range(200)]
        assert 0 <= min(pauses) < max(pauses) <= 0.25 * 2 ** (attempt - 1)
        assert max(pauses) > 0.25 * 2 ** (attempt - 1) / 2
        assert all(retry.pause(attempt, 0.25, 7) >= 7 for _ in range(20))


def test_a_token_is_asked_for_each_time_and_once_more_if_it_ended() -> None:
    tokens = iter(["old", "new", "newer"])
    ended = problem("invalid-credential", 401)
    with (
        scripted(ended, PAGE) as (address, came),
        Client(address, token=lambda: next(tokens), options=QUICK) as client,
    ):
        assert client.subjects().subjects == ("alice",)
        assert [one.headers["Authorization"] for one in came] == ["Bearer old", "Bearer new"]
        client.subjects()
        assert came[-1].headers["Authorization"] == "Bearer newer"
    with scripted(ended) as (address, came), Client(address, token=lambda: "same", options=QUICK) as client:
        with pytest.raises(problems.InvalidCredential):
            client.subjects()
        assert len(came) == 1


def test_async_tokens_are_awaited() -> None:
    async def token() -> str:
        return "fresh"

    async def first(address: str) -> None:
        async with AsyncClient(address, token=token, options=QUICK) as client:
            await client.subjects()

    with scripted(PAGE) as (address, came):
        asyncio.run(first(address))
    assert came[0].headers["Authorization"] == "Bearer fresh"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(302, b"", headers=(("Location", "https://elsewhere.example/"),)),
        Answer(200, b"<html>", "text/html"),
        Answer(200, b'{"subjects": 7}'),
        Answer(404, b'{"slug": "unknown-subject"}', "application/problem+json"),
        Answer(404, b'{"detail": "no"}'),
    ],
)
def test_what_is_not_govid_is_said_to_be_so(answer: Answer) -> None:
    with scripted(answer) as (address, came), Client(address, options=QUICK) as client:
        with pytest.raises(UnexpectedReply):
            client.subjects()
        assert len(came) == 1


def test_a_problem_of_a_newer_server_is_still_a_problem() -> None:
    with (
        scripted(problem("brand-new", 422)) as (address, _),
        Client(address, options=QUICK) as client,
        pytest.raises(ApiError) as failed,
    ):
        client.subjects()
    assert (failed.value.problem.slug, failed.value.request_id, failed.value.remedy) == (
        "brand-new",
        "r-1",
        "mend it",
    )
    assert "r-1" in str(failed.value)


def test_fields_of_a_newer_server_are_ignored() -> None:
    known = {
        "name": "general",
        "version": "1",
        "rationale": "r",
        "fmr": 1e-4,
        "inconclusive_fmr": 1e-3,
        "fpir": 1e-2,
    }
    told = {
        "policy": "p",
        "use_case": {**known, "more": 1},
        "model_id": None,
        "threshold": None,
        "available": True,
        "more": {},
    }
    with scripted(Answer(200, json.dumps([told]).encode())) as (address, _), Client(address) as client:
        assert client.use_cases()[0].use_case.name == "general"
