"""govid: high-performance face matching for public services.

>>> import govid
>>> engine = govid.Engine()                        # doctest: +SKIP
>>> engine.verify("alice", Path("live.jpg"))       # doctest: +SKIP
"""

from govid._core import __version__
from govid.config import Settings
from govid.errors import GovidError, Refusal
from govid.pipeline import Engine
from govid.results import Enrolment, Identification, Verification
from govid.types import Decision, Template

__all__ = [
    "Decision",
    "Engine",
    "Enrolment",
    "GovidError",
    "Identification",
    "Refusal",
    "Settings",
    "Template",
    "Verification",
    "__version__",
]
