"""The kept photos of a pair, within the page that shows them: no address leads to a face."""

from __future__ import annotations

import base64
from typing import Any

from govid.case_photos import case_photo
from govid.errors import PhotoNotKept
from govid.pipeline import Engine


def of_pair(engine: Engine, case_id: int, references: tuple[int, int], **asked: Any) -> tuple[str, str]:  # noqa: ANN401
    """Both photos as ``data:`` addresses; empty where none is kept. Each look leaves an audit record.

    Args:
        asked: request id and caller, for the audit.

    Raises:
        UnknownCase, CaseClosed, OperatorError.
    """
    first, second = (_photo(engine, case_id, reference, asked) for reference in references)
    return first, second


def _photo(engine: Engine, case_id: int, reference_id: int, asked: dict[str, Any]) -> str:
    try:
        photo = case_photo(engine.store, case_id, reference_id, **asked)
    except PhotoNotKept:
        return ""
    return f"data:{photo.media_type};base64,{base64.b64encode(photo.data).decode()}"
