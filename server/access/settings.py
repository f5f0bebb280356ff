"""Settings of who may ask, beside the server's own."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from govid.errors import InvalidSettings

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How relying parties are recognised, and how much each may ask."""

    authentication: Annotated[
        Literal["auto", "required"],
        Meta(
            description="`auto`: on loopback without a proxy nobody needs to say who they are, until the "
            "first key is made or jwks or client_parties is set. Elsewhere it is required in any case."
        ),
    ] = "auto"
    jwks: Annotated[
        str,
        Meta(description="Public keys of the token issuer: a file or an https address. Empty: none."),
    ] = ""
    jwt_issuer: Annotated[str, Meta(description="What `iss` of a token must be.")] = ""
    jwt_audience: Annotated[str, Meta(description="What `aud` of a token must hold: this service.")] = ""
    jwt_algorithms: Annotated[
        tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"], ...],
        Meta(min_length=1, description="Signatures that are accepted. No `none`, no shared secret."),
    ] = ("RS256", "PS256", "ES256", "EdDSA")
    jwt_leeway_seconds: Annotated[
        float, Meta(ge=0, le=300, description="How far clocks may differ for `exp`, `nbf` and `iat`.")
    ] = 30.0
    jwks_refresh_seconds: Annotated[
        float,
        Meta(gt=0, description="Age at which the public keys are read again: a withdrawn key ends then."),
    ] = 300.0
    jwks_retry_seconds: Annotated[
        float,
        Meta(gt=0, description="Least time between two readings, however many unknown key ids callers send."),
    ] = 30.0
    client_parties: Annotated[
        str, Meta(description="TOML file of the relying parties known by a client certificate. Empty: none.")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks whose `Client-Cert` header is believed; refused from others."
        ),
    ] = ()
    requests_per_second: Annotated[
        float, Meta(gt=0, description="Of one relying party at each server process, on average.")
    ] = 50.0
    request_burst: Annotated[int, Meta(ge=1, description="Requests that may come at once after a pause.")] = (
        100
    )
    requests_at_once: Annotated[
        int,
        Meta(
            ge=1,
            description="Requests of one relying party that a process has in hand: others have places, too.",
        ),
    ] = 32
    console_idle_minutes: Annotated[
        float,
        Meta(gt=0, le=720, description="A console session ends when nobody used it for so long."),
    ] = 30.0
    console_longest_hours: Annotated[
        float, Meta(gt=0, le=24, description="A console session ends so long after it was begun.")
    ] = 10.0
    open_metrics: Annotated[bool, Meta(description="/metrics without authentication.")] = False
    open_schema: Annotated[bool, Meta(description="/schema without authentication.")] = False

    @property
    def proxies(self) -> tuple[Network, ...]:
        """``trusted_proxies``, read; raises InvalidSettings."""
        try:
            return tuple(ipaddress.ip_network(text.strip()) for text in self.trusted_proxies)
        except ValueError as error:
            raise InvalidSettings(f"trusted_proxies: {error}") from None

    def check(self) -> None:
        """Refuse what would be believed in part.

        Raises:
            InvalidSettings: tokens without issuer or audience, a key address in the clear, a bad network.
        """
        _ = self.proxies
        if not self.jwks:
            return
        if not (self.jwt_issuer and self.jwt_audience):
            raise InvalidSettings(
                "jwks: set jwt_issuer and jwt_audience, too; a token for others must not do"
            )
        if "://" not in self.jwks:
            if not Path(self.jwks).is_file():
                raise InvalidSettings(f"jwks: no file {self.jwks}")
            return
        check_address("jwks", self.jwks)


def check_address(setting: str, address: str) -> None:
    """Refuse an address that govid is to call and that is in the clear, in two meanings, or holds a secret.

    Raises:
        InvalidSettings: it is neither https nor http on this machine, or has a user, or unseen characters.
    """
    try:
        parts = urlsplit(address)
        host, user = parts.hostname or "", "@" in parts.netloc
    except ValueError:
        host, user = "", False
    plain = host and address.isascii() and address.isprintable() and " " not in address
    if not plain or user or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise InvalidSettings(
            f"{setting}: the address must be https, or http on loopback, without user and password"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
