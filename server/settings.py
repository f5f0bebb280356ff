"""Settings of the server, beside the engine's in ``govid.config``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid import cores
from govid.errors import InvalidSettings
from govid.retention import DAY, LONGEST_SILENCE
from server.access.settings import check_address, is_loopback


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens and how much it takes on."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 8000
    behind_proxy: Annotated[
        bool,
        Meta(
            description="A proxy in front does TLS, which an address beyond loopback needs. Callers still "
            "authenticate here."
        ),
    ] = False
    tls_certificate: Annotated[str, Meta(description="PEM file of the server's certificate and chain.")] = ""
    tls_key: Annotated[str, Meta(description="PEM file of its key, for the server's user only.")] = ""
    client_ca: Annotated[
        str,
        Meta(description="PEM file of the CA whose client certificates are believed (with client_parties)."),
    ] = ""
    workers: Annotated[
        int, Meta(ge=0, le=256, description="Requests computed at once; 0 takes one per core.")
    ] = 0
    max_waiting: Annotated[
        int,
        Meta(
            ge=0,
            description="Requests that may wait for a worker; one more gets 503, and one to enrol or embed "
            "where only a quarter is left. 64 photos are about 1.5 s of two cores.",
        ),
    ] = 64
    body_seconds: Annotated[
        float,
        Meta(gt=0, description="Seconds a client has to send its body: slow ones must not hold a place."),
    ] = 10.0
    max_body_bytes: Annotated[
        int,
        Meta(
            ge=1 << 25,
            description="Bytes of bodies with photos held at once; more gets 503. They wait in memory. Small "
            "bodies, of at most 64 KiB, may take half as much beside them.",
        ),
    ] = 64 * 1024 * 1024
    max_unpacked_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes that photos of more than 4 megapixels may take at once; the next one waits "
            "its turn, and small ones pass it. 0: 48 MiB for each worker. A JPEG takes up to 6 a pixel, so "
            "that two workers unpack one of 12 megapixels at once.",
        ),
    ] = 0
    audit_checkpoint_seconds: Annotated[
        float,
        Meta(
            gt=0, description="Seconds between signed checkpoints: rows behind the last one can be cut off."
        ),
    ] = 3600.0
    retention_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds between runs that erase what is past its time, at most 31 days; 0: only "
            "`govid retention run` does.",
        ),
    ] = 3600.0
    webhook_url: Annotated[
        str,
        Meta(
            description="Where complaints and their answers are announced: https, or http on this machine. "
            "Empty: nowhere.",
        ),
    ] = ""
    webhook_secret_file: Annotated[
        str,
        Meta(
            description="File with the secret that signs announcements, needed with webhook_url; while it is "
            "changed, the new and the old one, each on a line."
        ),
    ] = ""
    dedup_resume: Annotated[
        bool,
        Meta(
            description="A server that starts works on the dedup job that it finds running: a crash or an "
            "update then costs no more than a block. Other workers on the same job are no harm."
        ),
    ] = True
    drain_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=300,
            description="Seconds between the signal to stop and the stop, in which /readyz says 503 and "
            "requests are still answered: a balancer needs some to notice. A second signal ends them.",
        ),
    ] = 0.0
    drift_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="Least seconds between two probes of verifications that are compared with random "
            "strangers, to see whether scores drift from the calibration; 0: none is.",
        ),
    ] = 10.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least weight of a log line. `debug` says more than an operator needs."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Meta(description="Log lines for people, or one JSON object each.")
    ] = "text"
    log_requests: Annotated[
        bool, Meta(description="A line for each request, at the level info; off where a proxy has them.")
    ] = True
    tracing: Annotated[
        bool,
        Meta(
            description="OpenTelemetry spans of requests and stages, for the exporter that its own OTEL_ "
            "variables name. Needs the extra `otel`."
        ),
    ] = False

    @property
    def worker_count(self) -> int:
        """``workers``, or one per core that this process may use."""
        return self.workers or cores.available()

    @property
    def unpacked_bytes(self) -> int:
        """``max_unpacked_bytes``, or what goes with the number of workers."""
        return self.max_unpacked_bytes or self.worker_count * (48 << 20)

    @property
    def tls(self) -> bool:
        """Whether the server itself speaks TLS."""
        return bool(self.tls_certificate)

    @property
    def exposed(self) -> bool:
        """Whether anybody but this machine may reach it."""
        return self.behind_proxy or not is_loopback(self.host)

    def check(self) -> None:
        """Refuse to put faces on the network in the clear, or to announce what nobody can authenticate.

        Raises:
            InvalidSettings: the address is not loopback, and there is neither TLS nor a declared proxy; the
                settings of TLS are incomplete; a webhook has no secret or an address in the clear; or nothing
                would show retention that time went by since its last run.
        """
        if self.retention_seconds > LONGEST_SILENCE - DAY:
            raise InvalidSettings(
                f"retention_seconds: at most {LONGEST_SILENCE - DAY:.0f} (31 days): after more than 32 quiet "
                "days a run doubts the clock and erases nothing; 0, if cron starts `govid retention run`"
            )
        if self.webhook_url:
            check_address("webhook_url", self.webhook_url)
            if not self.webhook_secret_file:
                raise InvalidSettings(
                    "webhook_url: its receiver needs a secret to check, webhook_secret_file"
                )
        if bool(self.tls_certificate) != bool(self.tls_key) or (self.client_ca and not self.tls):
            raise InvalidSettings("tls_certificate and tls_key go together, and client_ca with both")
        if not is_loopback(self.host) and not self.tls and not self.behind_proxy:
            raise InvalidSettings(
                f"host {self.host}: faces would travel in the clear; listen on 127.0.0.1, set "
                "tls_certificate and tls_key, or put a proxy that does TLS in front and pass --behind-proxy"
            )
