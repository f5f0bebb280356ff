"""govid with everything a service does: subjects, stored references, and a record of each decision."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.engines import ours
from benchmarks.photos import Question
from govid import Engine
from govid.errors import Refusal


@contextmanager
def enrolled(questions: Iterable[Question], **settings: Any) -> Iterator[Engine]:  # noqa: ANN401
    """An engine in a folder of its own that knows each question's reference, unless it refuses the photo."""
    with (
        tempfile.TemporaryDirectory(prefix="govid-bench-") as folder,
        Engine(ours.settings(Path(folder), **settings)) as engine,
    ):
        for reference in {question.reference for question in questions}:
            with contextlib.suppress(Refusal):
                engine.enrol(subject(reference), reference)
        yield engine


def subject(photo: bytes) -> str:
    """The subject id under which a reference is enrolled."""
    return hashlib.sha256(photo).hexdigest()[:32]
