"""govid from another machine: a typed client, without the models and their runtimes.

>>> from pathlib import Path
>>> from govid.client import Client, RefusedPhoto
>>> with Client("https://govid.example", api_key=key) as client:        # doctest: +SKIP
...     client.verify("alice", Path("live.jpg")).decision
<Decision.MATCH: 'MATCH'>

``AsyncClient`` is the same for asyncio. docs/integrators.md says more.
"""

from govid.adjudication import Case, CasePage, CasePair, CaseSummary, Verdict
from govid.audit import AuditRecord
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
from govid.dedup.results import DedupJob, DedupJobs
from govid.gallery import GalleryStats
from govid.ledger.ledger import Answers, AuditPage, Rated, ReadableAnswer, Use, UsePage
from govid.ledger.receipts import Receipt
from govid.results import (
    Candidate,
    Deletion,
    EmbeddedTemplate,
    Enrolment,
    Identification,
    ReferenceDeletion,
    Subject,
    SubjectGroups,
    SubjectPage,
    Verification,
)
from govid.store.audit import AuditRow
from govid.store.feedback import Answer, Complaint, ComplaintPage, Rating
from govid.types import Decision, PackedTemplate, QualityMeasure
from govid.wire import CheckpointList, Health, Jwks, ModelInfo, ModelList, Problem, UseCaseInfo

__all__ = [
    "Announcement",
    "Answer",
    "Answers",
    "ApiError",
    "AsyncClient",
    "AuditPage",
    "AuditRecord",
    "AuditRow",
    "CallFailed",
    "CallerProblem",
    "Candidate",
    "Case",
    "CasePage",
    "CasePair",
    "CaseSummary",
    "CheckpointList",
    "Client",
    "Complaint",
    "ComplaintPage",
    "Decision",
    "DedupJob",
    "DedupJobs",
    "Deletion",
    "EmbeddedTemplate",
    "Enrolment",
    "ForgedAnnouncement",
    "GalleryStats",
    "Health",
    "Identification",
    "Jwks",
    "ModelInfo",
    "ModelList",
    "OperatorProblem",
    "Options",
    "PackedTemplate",
    "Problem",
    "QualityMeasure",
    "Rated",
    "Rating",
    "ReadableAnswer",
    "Receipt",
    "ReferenceDeletion",
    "RefusedPhoto",
    "Subject",
    "SubjectGroups",
    "SubjectPage",
    "UnexpectedReply",
    "Unreachable",
    "Use",
    "UseCaseInfo",
    "UsePage",
    "Verdict",
    "Verification",
    "checked_announcement",
    "problems",
]
