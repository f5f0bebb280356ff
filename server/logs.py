"""Log lines: for people, or one JSON object each. Both go to standard error, for the supervisor to keep.

structlog renders what the standard library's loggers say. Its tracebacks with local variables stay off: they
would hold photos.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import structlog

from govid.callers import ANYBODY, Caller
from govid.errors import GovidError
from server.errors import Overloaded
from server.scarce import Scarce

Format = Literal["text", "json"]
# Asked every few seconds by machines.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
# Controls, ends of lines and changes of direction, as Python writes them.
_SHOWN = {
    code: repr(chr(code))[1:-1]
    for code in (
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}
_encode = msgspec.json.Encoder(enc_hook=str).encode
requests = logging.getLogger("govid.requests")


def configure(level: str, form: Format, *, each_request: bool = True) -> None:
    """Set up the process' logging.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        each_request: whether requests get a line each, where the level is no higher than ``info``.
    """
    requests.setLevel(logging.NOTSET if each_request else logging.WARNING)
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(_json())
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What libraries say of their own connections names hosts and paths; an operator can act on none of it.
    for library in ("httpx", "httpcore"):
        logging.getLogger(library).setLevel(max(logging.WARNING, logging.getLogger().level))


class _About(dict[str, Any]):
    """What a request's line says: an object of its own in JSON, ``name=value`` for people."""

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.items() if value != "")


class _Text(logging.Formatter):
    """A line a record: no words of somebody else begin another one, turn it around or steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own
        return super().formatMessage(record).translate(_SHOWN)

    def formatException(self, *about: Any) -> str:  # noqa: ANN401, N802 - logging's own
        # Indented, or the words of an error could pass for a line.
        lines = super().formatException(*about).split("\n")
        return "\n".join(f"  {line.translate(_SHOWN)}" for line in lines)


class _Json(structlog.stdlib.ProcessorFormatter):
    """structlog's chain, and past it the line of each request: a third of the time."""

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, _About):
            return super().format(record)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        line = {
            "time": f"{at[:-6]}Z",
            "level": "info",
            "logger": record.name,
            "message": "request",
            **record.msg,
        }
        return _encode(line).decode()


def _json() -> logging.Formatter:
    return _Json(
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
        self._scarce = Scarce()

    def __call__(
        self, state: dict[str, Any], route: str, method: str, status: int, seconds: float, use_case: str
    ) -> None:
        """Log one request."""
        if not requests.isEnabledFor(logging.INFO) or (route in _QUIET and status < 400):
            return
        caller: Caller | None = state.get("caller")
        problem: GovidError | None = state.get("problem")
        scarce = caller is None or caller is ANYBODY or isinstance(problem, Overloaded)
        if scarce and not self._scarce.may():
            return
        about = _About(
            request_id=state["request_id"],
            route=route,
            method=method,
            status=status,
            ms=round(seconds * 1e3, 3),
            use_case=use_case,
            caller=caller.name if caller else "",
        )
        if problem:
            about["slug"] = problem.slug
        if unlogged := self._scarce.unlogged():
            about["unlogged"] = unlogged
        requests.info(about)
