"""The open files of the process, of which each connection is one.

A server that runs out of them drops connections without a word, and finds none for its records either.
"""

from __future__ import annotations

import resource

from govid.errors import InvalidSettings
from server.protocol import MAX_CONNECTIONS, MAX_TOLD

BACKLOG = 2048
"""Connections that wait to be accepted. All of them may be, before the surplus is closed."""
_OWN = 256
"""For records, logs, models while they are read, and what is asked of others."""
_PER_WORKER = 4


def provide(workers: int) -> None:
    """Raise the soft limit of open files to what a server with so many workers may need at once.

    Raises:
        InvalidSettings: the hard limit, which only an operator can raise, is lower.
    """
    needed = MAX_CONNECTIONS + MAX_TOLD + BACKLOG + _OWN + _PER_WORKER * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _allows(soft, needed):
        return
    try:
        if not _allows(hard, needed):
            raise ValueError
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError):
        raise InvalidSettings(
            f"open files: the server may need {needed} at once, and may have {soft}, at most {hard}: raise "
            "the hard limit (`ulimit -Hn`, LimitNOFILE= of a systemd unit, --ulimit nofile= of a container)"
        ) from None


def _allows(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
