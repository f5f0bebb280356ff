"""The installation's Ed25519 key: signs receipts and checkpoints, as JWS that anybody can check."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from govid.config import open_to_others, private_folder
from govid.errors import InvalidReceipt, InvalidSettings

ISSUER = "govid"
_ALGORITHM = "EdDSA"


@dataclass(frozen=True, slots=True)
class Retired:
    """A public key that signed before. What it signs after ``until`` (seconds since the epoch) is refused."""

    key: Ed25519PublicKey
    until: int


class Signer:
    """Signs for this installation. Safe to call from several threads."""

    def __init__(self, key: Ed25519PrivateKey, retired: Sequence[Retired] = (), *, since: int = 0) -> None:
        """A key, with those before it.

        Args:
            since: row of the audit that made this the key; 0 for the first one.
        """
        self.key = key
        self.since = since
        self.verifier = Verifier([key.public_key()], retired)
        # Pseudonyms hang on the key that receipts hang on: whoever keeps one keeps the other.
        raw = key.private_bytes_raw()
        key_bytes = hmac.digest(raw, b"govid subject pseudonym", "sha256")
        # Begun once and copied, as is the head of each kind: OpenSSL looks its digests up by name each time.
        self._pseudonym = hmac.new(key_bytes, digestmod="sha256")
        self._heads: dict[str, str] = {}

    @property
    def key_id(self) -> str:
        """JWK thumbprint (RFC 7638) of the public key."""
        return self.verifier.key_ids[0]

    def sign(self, kind: str, claims: msgspec.Struct) -> str:
        """A compact JWS over the claims.

        Put together here and read back by PyJWT, which takes more than twice as long to write one: beside
        a comparison of templates that shows.

        Args:
            kind: the ``typ`` of the header: one kind of statement cannot be passed off as another.
        """
        if (head := self._heads.get(kind)) is None:
            claimed = {"alg": _ALGORITHM, "kid": self.key_id, "typ": kind}
            head = self._heads[kind] = _b64(msgspec.json.encode(claimed))
        message = f"{head}.{_b64(msgspec.json.encode(claims))}"
        return f"{message}.{_b64(self.key.sign(message.encode()))}"

    def pseudonym(self, subject_id: str) -> str:
        """A name for a subject that only the holder of the key can compute: 22 URL-safe characters."""
        mac = self._pseudonym.copy()
        mac.update(subject_id.encode())
        return _b64(mac.digest()[:16])


class Verifier:
    """Checks what an installation signed, with its public keys alone."""

    def __init__(self, keys: Sequence[Ed25519PublicKey], retired: Sequence[Retired] = ()) -> None:
        self._keys = {_thumbprint(key): key for key in (*keys, *(old.key for old in retired))}
        self._until = {_thumbprint(old.key): old.until for old in retired}

    @property
    def key_ids(self) -> list[str]:
        """Of the keys it knows, those in use first."""
        return list(self._keys)

    def jwk(self, key_id: str) -> dict[str, str]:
        """One of its keys as a JWK, without its id."""
        return _jwk(self._keys[key_id])

    def jwks(self) -> dict[str, list[dict[str, str | int]]]:
        """The public keys as a JWK set (RFC 7517, RFC 8037); ``exp`` ends a retired one."""
        return {
            "keys": [
                {**_jwk(key), "kid": key_id, "use": "sig", "alg": _ALGORITHM}
                | ({"exp": self._until[key_id]} if key_id in self._until else {})
                for key_id, key in self._keys.items()
            ]
        }

    def retired(self, token: str) -> bool:
        """Whether a key that signs no more is said to have signed this."""
        return self.signed_by(token) in self._until

    @staticmethod
    def signed_by(token: str) -> str:
        """Id of the key that is said to have signed this; raises InvalidReceipt."""
        try:
            return str(jwt.get_unverified_header(token)["kid"])
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise InvalidReceipt from error

    @staticmethod
    def kind(token: str) -> str:
        """What kind of statement this is said to be; raises InvalidReceipt."""
        try:
            return str(jwt.get_unverified_header(token).get("typ"))
        except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
            raise InvalidReceipt from error

    @staticmethod
    def unverified(token: str) -> dict[str, Any]:
        """What a JWS says, whoever signed it; raises InvalidReceipt."""
        try:
            claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        except (jwt.InvalidTokenError, ValueError) as error:
            raise InvalidReceipt from error
        return claims

    def verify(self, kind: str, token: str) -> dict[str, Any]:
        """The claims of a JWS of that kind.

        Raises:
            InvalidReceipt: it is none, it was altered, or another key signed it, or one retired before.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys[header["kid"]]
            if header.get("typ") != kind:
                raise InvalidReceipt("it is a statement of another kind")
            # Receipts do not expire: they are evidence.
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                options={"verify_iat": False, "require": ["iss", "iat"]},
            )
            if claims["iat"] > self._until.get(header["kid"], claims["iat"]):
                raise InvalidReceipt("its key was retired before")
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise InvalidReceipt from error
        return claims


def load_signer(path: Path, *, create: bool = True) -> Signer:
    """The key in a PEM file.

    Args:
        create: make one, for its owner only, where there is none. Not where something was signed before: a
            new key proves nothing of it.

    Raises:
        InvalidSettings: the file is missing, cannot be read or made, others may read it, or it is no Ed25519
            key.
    """
    try:
        if create and not path.exists():
            private_folder(path.parent)
            _make(path)
        if open_to_others(path.stat()):
            raise InvalidSettings(f"{path}: others may read this key: chmod 600, and ask who did")
        return parsed_signer(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None


def is_missing(path: Path) -> bool:
    """Whether no key lies there. Of one that cannot be looked at, ``load_signer`` says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def parsed_signer(pem: bytes, name: str = "signing key") -> Signer:
    """The Ed25519 key of a PEM text; raises InvalidSettings, which calls it ``name``."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidSettings(f"{name}: no unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidSettings(f"{name}: not an Ed25519 key")
    return Signer(key)


def read_verifier(jwks: dict[str, Any]) -> Verifier:
    """The Ed25519 keys of a JWK set.

    Raises:
        InvalidSettings: there is none.
    """
    try:
        found = [(public_key(jwk), jwk.get("exp")) for jwk in jwks["keys"] if jwk.get("crv") == "Ed25519"]
        retired = [Retired(key, int(until)) for key, until in found if until is not None]
    except (KeyError, TypeError, ValueError, AttributeError):
        found = []
    if not found:
        raise InvalidSettings("no JWK set with an Ed25519 key")
    return Verifier([key for key, until in found if until is None], retired)


def public_key(jwk: Mapping[str, Any]) -> Ed25519PublicKey:
    """The key in an Ed25519 JWK; raises InvalidSettings."""
    try:
        return Ed25519PublicKey.from_public_bytes(_unb64(jwk["x"]))
    except (KeyError, TypeError, ValueError):
        raise InvalidSettings("a JWK is no Ed25519 key") from None


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{uuid.uuid4()}")
    try:
        # Whole or not at all, and the first of several processes wins: a link never replaces a file.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _b64(key.public_bytes_raw())}


def _thumbprint(key: Ed25519PublicKey) -> str:
    jwk = _jwk(key)
    canonical = '{"crv":"%(crv)s","kty":"%(kty)s","x":"%(x)s"}' % jwk  # noqa: UP031 - braces
    return _b64(hashlib.sha256(canonical.encode()).digest())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
