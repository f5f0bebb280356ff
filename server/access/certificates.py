"""Relying parties known by a client certificate, shown to this server or to a proxy before it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography import x509

from govid.callers import Caller, Scope, Sight
from govid.errors import InvalidSettings
from server.access.errors import InvalidCredential, UntrustedProxy
from server.access.settings import AccessSettings

LONGEST = 16 * 1024


class Party(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file ``client_parties``: its name, who it is by certificate, and what it may."""

    scopes: frozenset[Scope]
    subject: str | None = None
    """Distinguished name as in RFC 4514, most specific part first: ``CN=desk,O=Hotel``."""
    san: str | None = None
    """A DNS name or URI among the subject's alternative names."""
    use_cases: frozenset[str] | None = None
    sees: Sight = Sight.DECISION


class Parties:
    """Who is known by a certificate."""

    def __init__(self, settings: AccessSettings) -> None:
        """Read the file; raises InvalidSettings."""
        self._proxies = settings.proxies
        self._callers: dict[str, Caller] = {}
        for name, party in _read(settings.client_parties).items():
            marks = [f"subject {party.subject}"] if party.subject else []
            marks += [f"san {party.san}"] if party.san else []
            if len(marks) != 1:
                raise InvalidSettings(f"client_parties: {name} needs exactly one of subject and san")
            if marks[0] in self._callers:
                raise InvalidSettings(f"client_parties: {name} has the certificate of another party")
            self._callers[marks[0]] = Caller(
                name=f"certificate:{name}", scopes=party.scopes, use_cases=party.use_cases, sees=party.sees
            )

    @property
    def configured(self) -> bool:
        """Whether any party is known by a certificate."""
        return bool(self._callers)

    def caller(self, der: bytes) -> Caller:
        """The party of a certificate that was verified already.

        Raises:
            InvalidCredential: it is nobody's, or more than one party's.
        """
        found = {
            self._callers[mark].name: self._callers[mark] for mark in _marks(der) if mark in self._callers
        }
        if len(found) != 1:
            raise InvalidCredential
        return next(iter(found.values()))

    def forwarded(self, values: Sequence[bytes], client: tuple[str, int] | None) -> bytes | None:
        """The certificate in the ``Client-Cert`` headers (RFC 9440) of a request from this address and port.

        Raises:
            UntrustedProxy: there is such a header, and the address is no trusted proxy's.
            InvalidCredential: it is not exactly one certificate.
        """
        if not values:
            return None
        if client is None or not self._trusted(client[0]):
            raise UntrustedProxy
        value = values[0].strip()
        if len(values) > 1 or len(value) > LONGEST or not (value[:1] == value[-1:] == b":" != value):
            raise InvalidCredential
        try:
            return base64.b64decode(value[1:-1], validate=True)
        except binascii.Error:
            raise InvalidCredential from None

    def _trusted(self, host: str) -> bool:
        address = ipaddress.ip_address(host)
        # So an IPv4 proxy looks to a server that listens on ::.
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._proxies)


def _read(path: str) -> Mapping[str, Party]:
    if not path:
        return {}
    try:
        return msgspec.convert(tomllib.loads(Path(path).read_text(encoding="utf-8")), dict[str, Party])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidSettings(f"client_parties: {path}: {error}") from None


def _marks(der: bytes) -> list[str]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        marks = [f"subject {certificate.subject.rfc4514_string()}"]
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return marks
        dns, uris = (
            names.get_values_for_type(kind) for kind in (x509.DNSName, x509.UniformResourceIdentifier)
        )
        return [*marks, *(f"san {name}" for name in (*dns, *uris))]
    # Its errors are of no one family: a version that no standard knows, a name of a type that is none.
    except Exception:  # noqa: BLE001
        raise InvalidCredential from None
