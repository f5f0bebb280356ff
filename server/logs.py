"""Log lines: for people, or one JSON object each. Both go to standard error, for the supervisor to keep.

structlog renders what the standard library's loggers say. Its tracebacks with local variables stay off: they
would hold photos.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

import msgspec
import structlog

from govid.callers import ANYBODY, Caller

Format = Literal["text", "json"]
# Requests of nobody known that get a line, each second: a flood must not write the disk full that the audit
# needs.
STRANGERS_PER_SECOND = 10
# Asked every few seconds by machines.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_encode = msgspec.json.Encoder(enc_hook=str).encode
requests = logging.getLogger("govid.requests")


def configure(level: str, form: Format) -> None:
    """Set up the process' logging.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(_json())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What libraries say of their own connections names hosts and paths; an operator can act on none of it.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _json() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(serializer=_serialised),
        ],
    )


def _serialised(event: dict[str, Any], **_: object) -> str:
    return _encode(event).decode()


class RequestLog:
    """A line for each request, after its reply, with the route, never the address: that holds subjects."""

    def __init__(self) -> None:
        self._second = 0
        self._left = STRANGERS_PER_SECOND
        self._unlogged = 0

    def __call__(
        self, state: dict[str, Any], route: str, method: str, status: int, seconds: float, use_case: str
    ) -> None:
        """Log one request."""
        if not requests.isEnabledFor(logging.INFO) or (route in _QUIET and status < 400):
            return
        caller: Caller | None = state.get("caller")
        if (caller is None or caller is ANYBODY) and not self._may_log_stranger():
            return
        about = {
            "request_id": state["request_id"],
            "route": route,
            "method": method,
            "status": status,
            "ms": round(seconds * 1e3, 3),
            "use_case": use_case,
            "caller": caller.name if caller else "",
        }
        if problem := state.get("problem"):
            about["slug"] = problem.slug
        if self._unlogged:
            about["unlogged"], self._unlogged = self._unlogged, 0
        text = " ".join(f"{name}={value}" for name, value in about.items() if value != "")
        requests.info(text, extra=about)

    def _may_log_stranger(self) -> bool:
        if (second := int(time.monotonic())) != self._second:
            self._second, self._left = second, STRANGERS_PER_SECOND
        if self._left:
            self._left -= 1
            return True
        self._unlogged += 1
        return False
