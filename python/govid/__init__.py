"""govid: high-performance face matching for public services.

>>> import govid
>>> engine = govid.Engine()                        # doctest: +SKIP
>>> engine.verify("alice", Path("live.jpg"))       # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from govid._core import __version__
    from govid.config import Settings
    from govid.errors import GovidError, Refusal
    from govid.pipeline import Engine
    from govid.results import Enrolment, Identification, Verification
    from govid.types import Decision, Template
else:
    # Imported when asked for: `govid.client` must not bring the models' runtimes with it.
    _HOMES = {
        "Decision": "types",
        "Engine": "pipeline",
        "Enrolment": "results",
        "GovidError": "errors",
        "Identification": "results",
        "Refusal": "errors",
        "Settings": "config",
        "Template": "types",
        "Verification": "results",
        "__version__": "_core",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


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
