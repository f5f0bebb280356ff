from __future__ import annotations

import base64
import json
import threading
from pathlib import Path

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from govid.errors import InvalidReceipt, InvalidSettings
from govid.ledger.signing import Signer, load_signer, read_verifier


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return load_signer(tmp_path / "keys" / "signing.pem")


class Claims(msgspec.Struct):
    iss: str = "govid"
    iat: int = 1
    decision: str = "MATCH"


def signed(signer: Signer) -> str:
    return signer.sign("kind", Claims())


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(load_signer(path).key_id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["signing.pem"]


def test_what_was_signed_is_read_with_the_public_keys_alone(signer: Signer) -> None:
    published = json.loads(json.dumps(signer.verifier.jwks()))
    assert read_verifier(published).verify("kind", signed(signer))["decision"] == "MATCH"


def test_a_statement_of_another_kind_is_refused(signer: Signer) -> None:
    with pytest.raises(InvalidReceipt):
        signer.verifier.verify("other", signed(signer))


def test_a_pseudonym_never_changes() -> None:
    signer = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    assert [signer.pseudonym("alice") for _ in range(2)] == ["kNlmpXxEFMZfw33DTU4PMQ"] * 2


def test_a_pseudonym_is_steady_and_hangs_on_the_key(signer: Signer, tmp_path: Path) -> None:
    other = load_signer(tmp_path / "other" / "signing.pem")
    assert signer.pseudonym("alice") == load_signer(tmp_path / "keys" / "signing.pem").pseudonym("alice")
    assert len({signer.pseudonym("alice"), signer.pseudonym("bob"), other.pseudonym("alice")}) == 3


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _altered(token: str) -> str:
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{header}.{_b64(json.dumps({**claims, 'decision': 'NON_MATCH'}).encode())}.{signature}"


def _unsigned(token: str) -> str:
    header, body, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(header + "=="))
    return f"{_b64(json.dumps({**claims, 'alg': 'none'}).encode())}.{body}."


@pytest.mark.parametrize(
    "forge",
    [
        _altered,
        _unsigned,
        lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
        lambda token: token + "A",
        lambda _: "",
        lambda _: "a.b.c",
        lambda _: "é" * 30,
        lambda token: token.rsplit(".", 1)[0],
    ],
)
def test_a_forged_statement_is_refused(signer: Signer, forge: object) -> None:
    assert callable(forge)
    with pytest.raises(InvalidReceipt):
        signer.verifier.verify("kind", forge(signed(signer)))


def test_a_statement_signed_by_the_public_key_as_a_secret_is_refused(signer: Signer) -> None:
    key = signer.verifier.jwks()["keys"][0]
    secret = base64.urlsafe_b64decode(key["x"] + "==")
    headers = {"kid": key["kid"], "typ": "kind"}
    forged = jwt.encode({"iss": "govid", "iat": 1}, secret, algorithm="HS256", headers=headers)
    with pytest.raises(InvalidReceipt):
        signer.verifier.verify("kind", forged)


def test_a_statement_of_another_installation_is_refused(signer: Signer, tmp_path: Path) -> None:
    other = load_signer(tmp_path / "other" / "signing.pem")
    with pytest.raises(InvalidReceipt):
        signer.verifier.verify("kind", signed(other))


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path, signer: Signer) -> None:
    (tmp_path / "keys" / "signing.pem").chmod(0o644)
    with pytest.raises(InvalidSettings, match="others may read"):
        load_signer(tmp_path / "keys" / "signing.pem")


def test_what_is_no_key_is_said(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    with pytest.raises(InvalidSettings, match="no unencrypted private key"):
        load_signer(path)
    rsa = generate_private_key(65537, 2048)
    path.write_bytes(
        rsa.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(InvalidSettings, match="Ed25519"):
        load_signer(path)
    with pytest.raises(InvalidSettings):
        read_verifier({"keys": [{"kty": "RSA"}]})


def test_where_something_was_signed_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="No such file"):
        load_signer(tmp_path / "keys" / "signing.pem", create=False)
    assert not (tmp_path / "keys").exists()
