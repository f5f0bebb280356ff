from __future__ import annotations

import http.cookies

import httpx
import pytest

from server.access.browser import Cookies
from server.protocol import MAX_COOKIES
from server.queries import MAX_QUERY
from tests.attacks.wire import raw

COOKIES = Cookies(secure=False)
GET = b"GET /console/sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.mark.parametrize("path", [b"/console/sign-in", b"/healthz", b"/v1/models", b"/nowhere"])
@pytest.mark.parametrize("lines", [1, 10])
def test_cookies_without_measure_are_refused(api: httpx.Client, path: bytes, lines: int) -> None:
    line = b'Cookie: b="' + b"\\" * (60_000 // lines) + b'"\r\n'
    answer = raw(api, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + line * lines + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431"), answer[:80]
    assert b"head-too-large" in answer


@pytest.mark.parametrize(
    "path", [b"/console/sign-in?next=", b"/v1/audit/checkpoints?after=", b"/v1/subjects?after="]
)
def test_a_query_without_measure_is_not_remembered(api: httpx.Client, path: bytes) -> None:
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(api, b"GET " + path + b"a" * MAX_QUERY + head)
    assert answer.startswith(b"HTTP/1.1 400"), answer[:80]
    assert str(MAX_QUERY).encode() in answer


def test_cookies_of_others_do_not_disturb(api: httpx.Client) -> None:
    for cookies in (
        b'b="' + b"\\" * (MAX_COOKIES - 4) + b'"',
        b";" * MAX_COOKIES,
        b"=;" * (MAX_COOKIES // 2),
    ):
        assert raw(api, GET + b"Cookie: " + cookies + b"\r\n\r\n").startswith(
            (b"HTTP/1.1 200", b"HTTP/1.1 303")
        )


def test_a_cookie_is_never_unquoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's way takes the square of the length."""

    def unquoted(_: str) -> str:
        raise AssertionError

    monkeypatch.setattr(http.cookies, "_unquote", unquoted)
    sent = COOKIES.sent(
        [(b"accept", b"*/*"), (b"cookie", rb'govid_session="a\\b"; other="\\\\"; govid_visit=c=d')]
    )
    assert sent == {"govid_session": r'"a\\b"', "govid_visit": "c=d"}


@pytest.mark.parametrize(
    "lines",
    [
        [(b"cookie", b"govid_session=a; govid_session=b; govid_language=zh")],
        [(b"cookie", b"govid_session=a"), (b"cookie", b"govid_language=zh;govid_session=a")],
    ],
    ids=["in a line", "in two lines"],
)
def test_of_two_sessions_none_is_taken(lines: list[tuple[bytes, bytes]]) -> None:
    assert COOKIES.sent(lines) == {"govid_language": "zh"}


def test_only_the_name_of_this_server_is_looked_at() -> None:
    secure = Cookies(secure=True)
    sent = secure.sent(
        [(b"cookie", b"govid_session=planted; __Host-govid_session=ours; govid_session2=x; =; x")]
    )
    assert sent == {"__Host-govid_session": "ours"}
