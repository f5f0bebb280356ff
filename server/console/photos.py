"""The kept photos of a pair, within the page that shows them: no address leads to a face."""

from __future__ import annotations

import base64
from importlib import import_module, util
from typing import Any

from govid.errors import CallerError
from govid.pipeline import Engine

_KEPT = "govid.case_photos"


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
    if util.find_spec(_KEPT) is None:  # this govid keeps no photos at all
        return ""
    try:
        photo = import_module(_KEPT).case_photo(engine.store, case_id, reference_id, **asked)
    except CallerError as error:
        if error.slug != "photo-not-kept":
            raise
        return ""
    return f"data:{photo.media_type};base64,{base64.b64encode(photo.data).decode()}"
