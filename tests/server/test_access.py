"""Who is let in: routes, quotas, keys of the issuer, certificates, and what a server starts with."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from govid.callers import Scope
from govid.config import Settings
from govid.errors import InvalidSettings
from server.access import startup
from server.access.certificates import Parties
from server.access.errors import InvalidCredential, IssuerUnreachable, QuotaExceeded, RateLimited
from server.access.jwks import Jwks, parse
from server.access.quota import TokenBuckets
from server.access.routes import ROUTES
from server.access.settings import AccessSettings
from server.app import create_app
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from tests import support
from tests.server.access import (
    EC_KEY,
    RSA_KEY,
    WEAK_KEY,
    Authority,
    bearer,
    caller,
    jwk,
    key_set,
    make_keys,
    standard_keys,
)
from tests.support import GOVID


def test_every_route_is_in_the_table_and_nothing_else() -> None:
    there = {
        f"{method} {route.path_format}"
        for route in create_app().routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    assert there == set(ROUTES)


# --- quotas -----------------------------------------------------------------------------------------------


def test_a_bucket_lets_a_burst_pass_and_then_the_rate() -> None:
    now = [0.0]
    buckets = TokenBuckets(2, 3, clock=lambda: now[0])
    for _ in range(3):
        buckets.take("a")
    with pytest.raises(RateLimited) as refused:
        buckets.take("a")
    assert refused.value.retry_after_seconds == 1
    buckets.take("b")
    now[0] = 0.5
    buckets.take("a")
    with pytest.raises(RateLimited):
        buckets.take("a")
    now[0] = 100.0
    for _ in range(3):
        buckets.take("a")
    with pytest.raises(RateLimited):
        buckets.take("a")


def test_one_party_cannot_take_all_places() -> None:
    async def run() -> None:
        service = Service(
            None,  # type: ignore[arg-type]
            ServerSettings(workers=1, max_waiting=20),
            Metrics(),
            AccessSettings(requests_at_once=2),
        )
        service._engine = object()  # type: ignore[assignment]
        service._workers.start()
        gate = threading.Event()

        def ask(name: str) -> asyncio.Task[bool]:
            request: Any = SimpleNamespace(scope={"state": {"caller": caller(name)}})
            return asyncio.create_task(service.run(request, "verify", lambda _: gate.wait()))

        asked = [ask("greedy") for _ in range(4)] + [ask("modest")]
        await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [bool, bool, QuotaExceeded, QuotaExceeded, bool]
        assert await ask("greedy") is True
        await asyncio.to_thread(service._workers.stop)
        assert service._places._taken_by == {}

    asyncio.run(run())


def test_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    keys = make_keys(folder, caller("fast", Scope.VERIFY), caller("slow", Scope.VERIFY))
    limits = {"GOVID_REQUESTS_PER_SECOND": "0.001", "GOVID_REQUEST_BURST": "2"}
    with support.server(folder, **limits) as (client, _):
        replies = [client.get("/v1/models", headers=bearer(keys["fast"])) for _ in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert replies[-1].json()["slug"] == "rate-limited"
        assert 900 < int(replies[-1].headers["retry-after"]) <= 1000
        assert client.get("/v1/models", headers=bearer(keys["slow"])).status_code == 200


def test_a_key_for_metrics_opens_nothing_else(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    keys = make_keys(folder, caller("prometheus", Scope.METRICS))
    known = bearer(keys["prometheus"])
    with support.server(folder, GOVID_REQUEST_BURST="1000") as (client, _):
        assert "govid_ready 1.0" in client.get("/metrics", headers=known).text
        assert client.get("/metrics").status_code == 401
        for route, door in ROUTES.items():
            method, path = route.split()
            if isinstance(door, frozenset):
                reply = client.request(method, re.sub(r"{\w+}", "1", path), headers=known)
                # A page asks for a session, and no key is one.
                assert reply.status_code == (303 if path.startswith("/console") else 403), route


# --- the issuer's keys --------------------------------------------------------------------------------------


class Issuer:
    """A key set on loopback: what it answers, and how often it was asked."""

    def __init__(self) -> None:
        self.status, self.content, self.asked = 200, standard_keys(), 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(issuer.content)))
                self.send_header("Location", f"http://127.0.0.1:{issuer.port}/elsewhere")
                self.end_headers()
                self.wfile.write(issuer.content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port


@contextmanager
def issuing() -> Iterator[tuple[Issuer, Jwks, list[float]]]:
    """An issuer, a reader of its keys, and the reader's clock."""
    issuer, now = Issuer(), [0.0]
    thread = threading.Thread(target=issuer.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    settings = AccessSettings(jwks=f"http://127.0.0.1:{issuer.port}/keys", jwt_issuer="i", jwt_audience="a")
    settings.check()
    try:
        yield issuer, Jwks(settings, clock=lambda: now[0]), now
    finally:
        issuer.server.shutdown()
        thread.join()
        issuer.server.server_close()


def test_an_unknown_kid_reads_the_keys_again_and_not_more_often_than_allowed() -> None:
    async def run() -> None:
        with issuing() as (issuer, jwks, now):
            assert await jwks.key("rsa")
            for number in range(20):
                assert await jwks.key(f"made up {number}") is None
            assert issuer.asked == 1
            issuer.content = key_set(jwk(EC_KEY, "new"))
            now[0] = 31.0
            assert await jwks.key("new")
            assert await jwks.key("rsa") is None
            assert issuer.asked == 2

    asyncio.run(run())


def test_keys_are_believed_for_a_while_when_the_issuer_is_away_and_then_no_more() -> None:
    async def run() -> None:
        with issuing() as (issuer, jwks, now):
            assert await jwks.key("rsa")
            issuer.status = 500
            now[0] = 400.0
            assert await jwks.key("rsa")
            assert jwks._in_background
            await jwks._in_background
            now[0] = 1300.0
            with pytest.raises(IssuerUnreachable):
                await jwks.key("rsa")
            issuer.status = 200
            now[0] = 1310.0
            with pytest.raises(IssuerUnreachable):  # asked a moment ago
                await jwks.key("rsa")
            now[0] = 1331.0
            assert await jwks.key("rsa")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (302, b""),
        (200, b"x" * 300_000),
        (200, b"[]"),
        (200, b'{"keys": 1}'),
        (200, b'{"keys": []}'),
        (200, key_set(jwk(RSA_KEY, "twice"), jwk(EC_KEY, "twice"))),
        (200, key_set(jwk(WEAK_KEY, "weak"))),
        (200, key_set({"kty": "oct", "k": "c2VjcmV0", "kid": "shared"})),
        (200, key_set(jwk(RSA_KEY, "other", use="enc"))),
        (200, key_set(jwk(RSA_KEY, "confused", alg="HS256"))),
        (200, key_set(jwk(EC_KEY, "confused", alg="RS256"))),
    ],
    ids=[
        "redirect",
        "giant",
        "list",
        "number",
        "empty",
        "twice",
        "weak",
        "shared",
        "enc",
        "HS256",
        "EC RS256",
    ],
)
def test_a_key_set_that_cannot_be_used_is_none(status: int, content: bytes) -> None:
    async def run() -> None:
        with issuing() as (issuer, jwks, _):
            issuer.status, issuer.content = status, content
            with pytest.raises(IssuerUnreachable):
                await jwks.key("rsa")
            assert issuer.asked == 1

    asyncio.run(run())


def test_a_key_signs_only_as_it_was_made_for() -> None:
    keys = parse(key_set(jwk(RSA_KEY, "any"), jwk(RSA_KEY, "one", alg="PS256"), jwk(EC_KEY, "ec")))
    assert "RS256" in keys["any"].algorithms
    assert "ES256" not in keys["any"].algorithms
    assert keys["one"].algorithms == {"PS256"}
    assert keys["ec"].algorithms == {"ES256"}


# --- certificates -------------------------------------------------------------------------------------------

PARTIES = (
    '[bank]\nsan = "bank.example"\nscopes = ["verify"]\n[post]\nsubject = "CN=post"\nscopes = ["enrol"]\n'
)


def test_a_client_certificate_names_the_party(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    ours, foreign = Authority(tmp_path / "ours"), Authority(tmp_path / "foreign")
    certificate, key, _ = ours.issue("localhost")
    (tmp_path / "parties.toml").write_text(PARTIES)

    def shows(authority: Authority, name: str | None) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=ours.file)
        if name:
            made.load_cert_chain(*authority.issue(name)[:2])
        return made

    with support.server(
        folder,
        tls=shows(ours, "bank.example"),
        GOVID_TLS_CERTIFICATE=str(certificate),
        GOVID_TLS_KEY=str(key),
        GOVID_CLIENT_CA=str(ours.file),
        GOVID_CLIENT_PARTIES=str(tmp_path / "parties.toml"),
    ) as (client, _):
        assert client.get("/v1/models").status_code == 200
        assert "strict-transport-security" in client.get("/healthz").headers
        assert client.post("/v1/embed").json()["slug"] == "scope-missing"

        def asked(name: str | None, authority: Authority = ours) -> int:
            with httpx.Client(
                base_url=client.base_url, verify=shows(authority, name), trust_env=False
            ) as other:
                return other.get("/v1/models").status_code

        assert asked("post") == 200
        assert asked("nobody.example") == 401
        assert asked(None) == 401
        with pytest.raises(httpx.TransportError):
            asked("bank.example", foreign)
        with pytest.raises(httpx.TransportError):
            httpx.get(str(client.base_url).replace("https", "http"), trust_env=False)


def test_a_trusted_proxy_passes_the_certificate_on(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    authority = Authority(tmp_path)
    (tmp_path / "parties.toml").write_text(PARTIES)

    def header(name: str) -> tuple[str, str]:
        return "Client-Cert", f":{base64.b64encode(authority.issue(name)[2]).decode()}:"

    with support.server(
        folder,
        "--behind-proxy",
        GOVID_CLIENT_PARTIES=str(tmp_path / "parties.toml"),
        GOVID_TRUSTED_PROXIES="127.0.0.0/8",
    ) as (client, _):

        def asked(*lines: tuple[str, str]) -> int:
            return client.get("/v1/models", headers=httpx.Headers(list(lines))).status_code

        assert asked() == 401
        assert asked(header("bank.example")) == 200
        assert asked(header("nobody.example")) == 401
        assert asked(header("bank.example"), header("post")) == 401
        for nonsense in ("", ":", "::", ":a*b:", "bank.example", header("bank.example")[1] + "x"):
            assert asked(("Client-Cert", nonsense)) == 401
        # Whoever says who it is by a credential is that one, or nobody.
        assert asked(header("bank.example"), ("Authorization", "Bearer govid_wrong")) == 401


@pytest.mark.parametrize(
    "text",
    [
        '[a]\nscopes = ["verify"]\n',
        '[a]\nscopes = ["verify"]\nsan = "x"\nsubject = "CN=x"\n',
        '[a]\nscopes = ["root"]\nsan = "x"\n',
        '[a]\nscopes = ["verify"]\nsan = "x"\nthreshold = 1\n',
        '[a]\nscopes = ["verify"]\nsan = "x"\n[b]\nscopes = ["verify"]\nsan = "x"\n',
        "nonsense",
    ],
)
def test_a_file_of_parties_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "parties.toml").write_text(text)
    with pytest.raises(InvalidSettings, match="client_parties"):
        Parties(AccessSettings(client_parties=str(tmp_path / "parties.toml")))


@pytest.mark.parametrize(
    "change",
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x63"),
        (b"\x0c\x0cbank.example", b"\x03\x0cbank.example"),
        (b"bank.example", b"bank.ex\xffmple"),
    ],
    ids=["version", "type of a name", "characters of a name"],
)
def test_a_certificate_that_cannot_be_read_is_nobodys(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    """Found by fuzzing: each was an error of ours."""
    (tmp_path / "parties.toml").write_text('[bank]\nsan = "bank.example"\nscopes = ["verify"]\n')
    parties = Parties(AccessSettings(client_parties=str(tmp_path / "parties.toml")))
    _, _, der = Authority(tmp_path).issue("bank.example")
    assert parties.caller(der).name == "certificate:bank"
    assert change[0] in der
    with pytest.raises(InvalidCredential):
        parties.caller(der.replace(*change))


# --- what a server starts with ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"jwks": "keys.json"},
        {"jwks": "http://issuer.example/keys", "jwt_issuer": "i", "jwt_audience": "a"},
        {"jwks": "file:///etc/passwd", "jwt_issuer": "i", "jwt_audience": "a"},
        {"jwks": "/nowhere/keys.json", "jwt_issuer": "i", "jwt_audience": "a"},
        {"trusted_proxies": ("proxy.example",)},
        {"trusted_proxies": ("10.0.0.1/8",)},
    ],
)
def test_settings_that_would_be_believed_in_part_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        AccessSettings(**settings).check()


def test_others_are_served_only_where_somebody_can_authenticate(tmp_path: Path) -> None:
    settings, access = Settings(data_dir=str(tmp_path / "var")), AccessSettings()
    startup.check(settings, ServerSettings(), access)
    for host in ("127.0.0.1", "0.0.0.0"):
        exposed = ServerSettings(host=host, behind_proxy=True)
        with pytest.raises(InvalidSettings, match="govid keys create"):
            startup.check(settings, exposed, access)
    make_keys(tmp_path / "var", caller("hotel", Scope.VERIFY))
    startup.check(settings, exposed, access)


def test_the_first_key_closes_the_server_and_every_process_knows(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")

    def keys(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [GOVID, "--data-dir", str(folder), "keys", *arguments, "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    with support.server(folder) as (one, _), support.server(folder) as (two, _):
        assert [client.get("/v1/models").status_code for client in (one, two)] == [200, 200]
        made = keys("create", "hotel", "--scope", "verify", "--use-case", "hotel_checkin", "--expires", "30")
        time.sleep(1)
        for client in (one, two):
            assert client.get("/v1/models").status_code == 401
            assert client.get("/v1/models", headers=bearer(made["key"])).status_code == 200
        renewed = keys("rotate", "hotel", "--grace", "0")
        time.sleep(1)
        for client in (one, two):
            assert client.get("/v1/models", headers=bearer(made["key"])).status_code == 401
            assert client.get("/v1/models", headers=bearer(renewed["key"])).status_code == 200
        assert keys("revoke", "hotel") == {"revoked": [renewed["key_id"]]}
        time.sleep(1)
        for client in (one, two):
            # With the last key gone nobody is let in; that is not the same as never having had one.
            assert client.get("/v1/models").status_code == 401
            assert client.get("/v1/models", headers=bearer(renewed["key"])).status_code == 401
    listed = keys("list")["keys"]
    assert [row["state"] for row in listed] == ["expired", "revoked"]
    assert all(row["last_used_at"] for row in listed)
    assert made["key"] not in json.dumps(listed)
