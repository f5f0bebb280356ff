"""govid from another machine: a typed client, without the models and their runtimes.

>>> from pathlib import Path
>>> from govid.client import Client, RefusedPhoto
>>> with Client("https://govid.example", api_key=key) as client:        # doctest: +SKIP
...     client.verify("alice", Path("live.jpg")).decision
<Decision.MATCH: 'MATCH'>

``AsyncClient`` is the same for asyncio. docs/integrators.md says more.
"""

from govid.adjudication import Verdict
from govid.client import problems
from govid.client._async.api import AsyncClient
from govid.client._sync.api import Client
from govid.client.announcements import Announcement, ForgedAnnouncement, checked_announcement
from govid.client.errors import (
    ApiError,
    CallerProblem,
    CallFailed,
    OperatorProblem,
    RefusedPhoto,
    UnexpectedReply,
    Unreachable,
)
from govid.client.options import Options
from govid.types import Decision, PackedTemplate

__all__ = [
    "Announcement",
    "ApiError",
    "AsyncClient",
    "CallFailed",
    "CallerProblem",
    "Client",
    "Decision",
    "ForgedAnnouncement",
    "OperatorProblem",
    "Options",
    "PackedTemplate",
    "RefusedPhoto",
    "UnexpectedReply",
    "Unreachable",
    "Verdict",
    "checked_announcement",
    "problems",
]
