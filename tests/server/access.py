"""A token issuer, a CA and relying parties of the tests' own; no other host is asked anything."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from govid.callers import Caller, Scope, Sight
from govid.store.keys import KeyStore
from govid.store.sqlite import SqliteStore

ISSUER, AUDIENCE = "https://issuer.example", "govid"
RSA_KEY = rsa.generate_private_key(65537, 2048)
WEAK_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
FOREIGN_KEY = rsa.generate_private_key(65537, 2048)
RSA_PEM = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def jwk(key: Key, kid: str, **more: str) -> dict[str, Any]:
    """The public key as a member of a key set."""
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((k for t, k in kinds.items() if isinstance(key, t)), OKPAlgorithm)
    return {**json.loads(kind.to_jwk(key.public_key())), "kid": kid, **more}


def key_set(*keys: dict[str, Any]) -> bytes:
    """A key set as an issuer publishes it."""
    return json.dumps({"keys": keys}).encode()


def standard_keys() -> bytes:
    """The key set of the issuer: one key of each kind, and a weak one that must not be used."""
    return key_set(
        jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec"), jwk(ED_KEY, "ed"), jwk(WEAK_KEY, "weak", alg="RS256")
    )


def claims(**changes: object) -> dict[str, Any]:
    """Claims of a good token; None leaves one out."""
    now = time.time()
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "desk",
        "client_id": "hotel",
        "iat": now,
        "exp": now + 300,
        "scope": "openid govid:verify",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(
    key: Key = RSA_KEY, algorithm: str = "RS256", head: dict[str, Any] | None = None, **changes: object
) -> str:
    """A signed token."""
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": "rsa", **(head or {})})


def bearer(credential: str) -> dict[str, str]:
    """The header of a credential."""
    return {"Authorization": f"Bearer {credential}"}


def caller(
    name: str, *scopes: Scope, sees: Sight = Sight.DECISION, use_cases: tuple[str, ...] = ()
) -> Caller:
    """A relying party."""
    return Caller(name=name, scopes=frozenset(scopes), sees=sees, use_cases=frozenset(use_cases) or None)


def make_keys(folder: Path, *callers: Caller) -> dict[str, str]:
    """A key for each of these parties in the records of a data folder, by name."""
    store = SqliteStore(folder / "govid.sqlite3")
    made = {one.name: KeyStore(store.database).create(one)[0] for one in callers}
    store.close()
    return made


class Authority:
    """A certificate authority with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.certificate = self._signed("authority", self._key.public_key(), ca=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, days: int = 1) -> tuple[Path, Path, bytes]:
        """Certificate file, key file and DER of a certificate with CN and DNS name ``name``."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name, key.public_key(), ca=False, days=days)
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return *files, certificate.public_bytes(serialization.Encoding.DER)

    def _signed(
        self, name: str, key: ec.EllipticCurvePublicKey, *, ca: bool, days: int = 1
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        san: list[x509.GeneralName] = [x509.DNSName(name)]
        if name == "localhost":
            import ipaddress

            san.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(san), critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
