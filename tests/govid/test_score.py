from __future__ import annotations

import numpy as np
import pytest

from govid import score
from govid.errors import TemplateWrongModel
from govid.types import Template

RNG = np.random.default_rng(5)


def template(model_id: str = "m") -> Template:
    vector = RNG.normal(size=128).astype(np.float32)
    return Template(model_id, vector / np.linalg.norm(vector))


def test_scores_are_cosines_in_the_order_of_the_references() -> None:
    probe, references = template(), [template() for _ in range(5)]
    scores = score.compare_many(probe, references)
    np.testing.assert_allclose(scores, [probe.embedding @ r.embedding for r in references], atol=1e-6)
    for reference, expected in zip(references, scores, strict=True):
        assert float(score.compare_many(probe, [reference])[0]) == pytest.approx(float(expected), abs=1e-6)


def test_a_template_is_one_with_itself_and_never_more() -> None:
    for _ in range(50):
        probe = template()
        assert 1 - 1e-6 < float(score.compare_many(probe, [probe])[0]) <= 1


def test_templates_of_two_models_are_never_compared() -> None:
    with pytest.raises(TemplateWrongModel):
        score.compare_many(template(), [template(), template("n")])
