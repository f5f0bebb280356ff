"""Forged and misused access tokens: each is refused, with the same answer as any other."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from govid.callers import Caller, Scope, Sight
from server.access.errors import InvalidCredential, IssuerUnreachable
from server.access.settings import AccessSettings
from server.access.tokens import TokenReader
from tests.clock import Clock
from tests.server.access import (
    AUDIENCE,
    EC_KEY,
    ED_KEY,
    FOREIGN_KEY,
    ISSUER,
    RSA_KEY,
    RSA_PEM,
    WEAK_KEY,
    claims,
    jwk,
    standard_keys,
    token,
)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(algorithm: str) -> str:
    return f"{segment({'alg': algorithm, 'typ': 'JWT', 'kid': 'rsa'})}.{segment(claims())}."


def signed_with_the_public_key() -> str:
    """RS256 turned into HS256: the public key would be the shared secret."""
    signing = f"{segment({'alg': 'HS256', 'typ': 'JWT', 'kid': 'rsa'})}.{segment(claims())}"
    mac = hmac.new(RSA_PEM, signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def other_claims_under_a_good_signature() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{segment(claims(scope='govid:admin'))}.{signature}"


HOSTILE: dict[str, Callable[[], str]] = {
    "none": lambda: unsigned("none"),
    "None in another case": lambda: unsigned("nOnE"),
    "RS256 turned into HS256": signed_with_the_public_key,
    "claims exchanged": other_claims_under_a_good_signature,
    "signed by somebody else": lambda: token(FOREIGN_KEY),
    "RSA key named for an EC signature": lambda: token(EC_KEY, "ES256", {"kid": "rsa"}),
    "algorithm that is not accepted": lambda: token(algorithm="RS512"),
    "weak RSA key": lambda: token(WEAK_KEY, head={"kid": "weak"}),
    "own key in the head": lambda: token(FOREIGN_KEY, head={"kid": "mine", "jwk": jwk(FOREIGN_KEY, "mine")}),
    "jku": lambda: token(FOREIGN_KEY, head={"kid": "mine", "jku": "http://127.0.0.1:9/keys"}),
    "x5u": lambda: token(FOREIGN_KEY, head={"x5u": "http://127.0.0.1:9/certificate"}),
    "unknown kid": lambda: token(head={"kid": "other"}),
    "kid that is a path": lambda: token(head={"kid": "../../../../dev/null"}),
    "kid that is SQL": lambda: token(head={"kid": "' UNION SELECT 'x"}),
    "no kid": lambda: f"{segment({'alg': 'RS256'})}.{token().split('.', 1)[1]}",
    "critical extension": lambda: token(head={"crit": ["b64"], "b64": False}),
    "expired": lambda: token(iat=time.time() - 900, exp=time.time() - 300),
    "without an end": lambda: token(exp=None),
    "an end beyond all numbers": lambda: token(exp=10**400),
    "an end that is no number": lambda: token(exp="later"),
    "not yet valid": lambda: token(nbf=time.time() + 300),
    "issued in the future": lambda: token(iat=time.time() + 300, exp=time.time() + 600),
    "for another service": lambda: token(aud="other"),
    "for nobody": lambda: token(aud=None),
    "of another issuer": lambda: token(iss="https://evil.example"),
    "of an issuer that begins alike": lambda: token(iss=f"{ISSUER}.evil.example"),
    "of no issuer": lambda: token(iss=None),
    "client that is a list": lambda: token(client_id=["a"]),
    "client with a line break": lambda: token(client_id="a\nb"),
    "scope that is a list": lambda: token(scope=["govid:admin"]),
    "endless": lambda: token(scope="x" * 10_000),
    "two parts": lambda: token().rsplit(".", 1)[0],
    "five parts": lambda: f"{token()}.a.b",
    "empty": lambda: "",
    "no base64": lambda: "a.b.c",
    "deep head": lambda: f"{base64.urlsafe_b64encode(b'[' * 3000).decode()}.e30.",
}


def reading(folder: Path, **settings: float) -> TokenReader:
    (folder / "keys.json").write_bytes(standard_keys())
    access = AccessSettings(
        jwks=str(folder / "keys.json"), jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **settings
    )
    access.check()
    return TokenReader(access)


@pytest.fixture
def reader(tmp_path: Path) -> TokenReader:
    return reading(tmp_path)


def read(reader: TokenReader, presented: str) -> Caller:
    return asyncio.run(reader.caller(presented))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_forged_token_is_refused(reader: TokenReader, name: str) -> None:
    with pytest.raises(InvalidCredential) as refused:
        read(reader, HOSTILE[name]())
    assert refused.value.detail == InvalidCredential.title


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA_KEY, "RS256", "rsa"), (RSA_KEY, "PS256", "rsa"), (EC_KEY, "ES256", "ec"), (ED_KEY, "EdDSA", "ed")],
)
def test_a_good_token_is_read(reader: TokenReader, key: object, algorithm: str, kid: str) -> None:
    scope = "openid govid:verify govid:use-case:hotel_checkin govid:scores govid:nonsense"
    made = token(key, algorithm, {"kid": kid}, scope=scope)
    for _ in range(2):
        found = read(reader, made)
        assert found == Caller(
            name="token:hotel",
            scopes=frozenset({Scope.VERIFY}),
            use_cases=frozenset({"hotel_checkin"}),
            sees=Sight.COARSE,
        )


def test_a_token_that_was_good_ends_with_its_time(tmp_path: Path, clock: Clock) -> None:
    exact = reading(tmp_path, jwt_leeway_seconds=0.0)
    made = token(exp=time.time() + 600)
    read(exact, made)
    clock.ahead = 601
    with pytest.raises(InvalidCredential):
        read(exact, made)


def test_without_the_issuers_keys_nobody_gets_in(reader: TokenReader, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(IssuerUnreachable):
        read(reader, token())
