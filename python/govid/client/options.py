"""How a client reaches its server and how patient it is."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All but the address and who asks. Seconds are per step of a request, not for all of it."""

    ca: Path | None = None
    """PEM file of the only authority that is believed; None: those of the system."""
    certificate: Path | None = None
    """PEM file of the client certificate and its chain (mutual TLS)."""
    certificate_key: Path | None = field(default=None, repr=False)
    """PEM file of its key; None: it is in ``certificate``."""
    connect_seconds: float = 3.0
    read_seconds: float = 30.0
    """A busy server answers 503 long before; a proxy may hold a request longer."""
    attempts: int = 4
    """How often a call is tried in all, where it is safe; 1: once."""
    backoff_seconds: float = 0.25
    """Most before the second attempt; twice as much before each further one, drawn at random from 0 up."""
    longest_wait_seconds: float = 30.0
    """A server that asks for more patience is not waited for: its error is raised."""
    language: str = "en"
    """Of titles, details and remedies, as ``Accept-Language``: ``en`` or ``zh``."""
    proxy: str | None = field(default=None, repr=False)
    """Address of a forward proxy. What the environment names is not used: photos go where this says."""

    def tls(self) -> ssl.SSLContext:
        """The context of https.

        Raises:
            OSError, ssl.SSLError: a file is missing, or certificate and key do not belong together.
        """
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.certificate_key)
        return context

    def timeout(self) -> httpx.Timeout:
        """As httpx takes it."""
        return httpx.Timeout(self.read_seconds, connect=self.connect_seconds)


def checked_address(address: str) -> str:
    """The address without a slash at its end.

    Raises:
        ValueError: it is no http(s) address, has a password in it, or would send faces in the clear: plain
            http is for this machine alone.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the address must look like https://govid.example or http://localhost:8000")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no name or password in the address: pass api_key or token")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("plain http would show faces to the network: use https, http is for localhost alone")
    return address.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
