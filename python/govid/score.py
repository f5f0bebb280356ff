"""template x template -> comparison score: the cosine, from -1 to 1, higher is more alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.errors import TemplateWrongModel
from govid.types import Template


def compare_many(probe: Template, references: Sequence[Template]) -> NDArray[np.float32]:
    """Comparison scores of one probe against each reference, in order: (n,) float32.

    Raises:
        TemplateWrongModel: a reference comes from another model than the probe.
    """
    for reference in references:
        if reference.model_id != probe.model_id:
            raise TemplateWrongModel(f"probe is of {probe.model_id}, reference of {reference.model_id}")
    if len(references) == 1:
        return np.array([_core.cosine(probe.embedding, references[0].embedding)], dtype=np.float32)
    return _core.cosine_many(probe.embedding, np.stack([reference.embedding for reference in references]))
