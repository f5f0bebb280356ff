"""The installation's Ed25519 key: signs receipts and checkpoints, as JWS that anybody can check."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from govid.config import private_folder
from govid.errors import InvalidReceipt, InvalidSettings

ISSUER = "govid"
_ALGORITHM = "EdDSA"


class Signer:
    """Signs for this installation. Safe to call from several threads."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifier = Verifier([key.public_key()])
        # Pseudonyms hang on the key that receipts hang on: whoever keeps one keeps the other.
        raw = key.private_bytes_raw()
        self._pseudonym_key = hmac.digest(raw, b"govid subject pseudonym", "sha256")

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
        header = _b64(msgspec.json.encode({"alg": _ALGORITHM, "kid": self.key_id, "typ": kind}))
        message = f"{header}.{_b64(msgspec.json.encode(claims))}"
        return f"{message}.{_b64(self._key.sign(message.encode()))}"

    def pseudonym(self, subject_id: str) -> str:
        """A name for a subject that only the holder of the key can compute: 22 URL-safe characters."""
        return _b64(hmac.digest(self._pseudonym_key, subject_id.encode(), "sha256")[:16])


class Verifier:
    """Checks what an installation signed, with its public keys alone."""

    def __init__(self, keys: list[Ed25519PublicKey]) -> None:
        self._keys = {_thumbprint(key): key for key in keys}

    @property
    def key_ids(self) -> list[str]:
        """Of the keys it knows."""
        return list(self._keys)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517, RFC 8037)."""
        return {
            "keys": [
                {**_jwk(key), "kid": key_id, "use": "sig", "alg": _ALGORITHM}
                for key_id, key in self._keys.items()
            ]
        }

    def verify(self, kind: str, token: str) -> dict[str, Any]:
        """The claims of a JWS of that kind.

        Raises:
            InvalidReceipt: it is none, another key signed it, or it was altered.
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
        if path.stat().st_mode & 0o077:
            raise InvalidSettings(f"{path}: others may read this key: chmod 600, and ask who did")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidSettings(f"{path}: no unencrypted private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidSettings(f"{path}: not an Ed25519 key")
    return Signer(key)


def read_verifier(jwks: dict[str, Any]) -> Verifier:
    """The Ed25519 keys of a JWK set.

    Raises:
        InvalidSettings: there is none.
    """
    try:
        keys = [
            Ed25519PublicKey.from_public_bytes(_unb64(key["x"]))
            for key in jwks["keys"]
            if key.get("crv") == "Ed25519"
        ]
    except (KeyError, TypeError, ValueError):
        keys = []
    if not keys:
        raise InvalidSettings("no JWK set with an Ed25519 key")
    return Verifier(keys)


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
