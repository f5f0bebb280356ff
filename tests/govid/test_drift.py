from __future__ import annotations

import numpy as np
import pytest

from govid import Engine
from govid.drift import RATES
from govid.policy import UseCase
from govid.types import Template
from tests.support import BIDEN, OBAMA, OBAMA_LATER


@pytest.fixture
def offered(engine: Engine) -> list[tuple[str, Template, UseCase]]:
    """What each verification hands on."""
    seen: list[tuple[str, Template, UseCase]] = []
    engine.on_verified = lambda *probe: seen.append(probe)
    return seen


def test_a_probe_is_compared_with_others_and_never_with_its_own_subject(
    engine: Engine, offered: list[tuple[str, Template, UseCase]]
) -> None:
    engine.enrol("obama", OBAMA)
    engine.add_reference("obama", OBAMA_LATER)
    engine.verify("obama", OBAMA_LATER)
    (probe,) = offered
    assert engine.drift.compare(*probe, 8).comparisons == 0, "there is nobody else"
    engine.enrol("biden", BIDEN)
    found = engine.drift.compare(*probe, 8)
    assert (found.comparisons, found.matches) == (1, 0)
    assert set(found.above) == set(RATES)
    engine.enrol("twin", OBAMA)
    found = engine.drift.compare(*probe, 8)
    assert (found.comparisons, found.matches, dict(found.above)) == (2, 1, dict.fromkeys(RATES, 1))
    # Few are drawn for one, and all of them may be the subject's own.
    assert {engine.drift.compare(*probe, 1).comparisons for _ in range(40)} <= {0, 1}
    assert any(engine.drift.compare(*probe, 1).comparisons for _ in range(40))
    engine.delete("twin")
    assert engine.drift.compare(*probe, 8).comparisons == 1, "erased references lead nowhere"


def test_the_counted_rates_are_those_of_the_calibration(engine: Engine) -> None:
    """Strangers drawn so that a known part lies above each threshold are counted as that part."""
    purpose = engine.use_cases("general")
    rng = np.random.default_rng(0)

    def template(vector: np.ndarray) -> Template:
        return Template(engine.model_id, (vector / np.linalg.norm(vector)).astype(np.float32))

    size = engine.dimension
    probe = template(np.eye(size)[0])
    for n, rate in enumerate(RATES):
        at = engine.calibration.threshold(rate)
        assert at is not None
        # One just above and one just below each threshold.
        for m, score in enumerate((at + 1e-3, at - 1e-3)):
            other = rng.normal(size=size)
            other[0], other[-1] = 0.0, 0.5  # what a template of this model holds of its constant
            other[1:] *= np.sqrt(1 - score**2) / np.linalg.norm(other[1:])
            other[0] = score
            engine.enrol(f"stranger-{n}-{m}", template(other))
    found = engine.drift.compare("somebody", probe, purpose, 16)
    assert found.comparisons == 4
    # Above the looser threshold lie its own one and both of the stricter.
    assert dict(found.above) == {RATES[0]: 3, RATES[1]: 1}
    assert found.matches == 0
