from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govid import policy, use_cases
from govid.calibration import Calibration
from govid.types import Decision

# FMR falls by a factor of ten with each tenth of score, from 0.1 at 0.0 to 1e-6 at 0.5.
TABLE = Calibration(
    model_id="m", pipeline="p", data_set="d", data_set_digest="0", created="2026-01-01", people=2, photos=2,
    failures_to_acquire=0, non_mated_comparisons=10**8,
    fmr=(1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), score=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    fmr_upper=(1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
)  # fmt: skip
GENERAL = use_cases.shipped("general")


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (0.31, Decision.MATCH),
        (0.3, Decision.MATCH),
        (0.29, Decision.INCONCLUSIVE),
        (0.2, Decision.INCONCLUSIVE),
        (0.19, Decision.NON_MATCH),
        (-1.0, Decision.NON_MATCH),
    ],
)
def test_a_score_at_the_threshold_matches(score: float, decision: Decision) -> None:
    assert policy.decide(score, 1, GENERAL, TABLE).decision is decision


def test_more_references_raise_the_threshold_and_the_reported_rate() -> None:
    one, ten = (policy.decide(0.35, k, GENERAL, TABLE) for k in (1, 10))
    assert one.decision is Decision.MATCH
    assert ten.decision is Decision.INCONCLUSIVE
    assert ten.threshold == pytest.approx(one.threshold + 0.1)
    assert ten.fmr_at_score == pytest.approx(10 * one.fmr_at_score)


def test_a_search_keeps_its_rate_as_the_gallery_grows() -> None:
    small, large = (policy.decide_search(0.4, n, GENERAL, TABLE) for n in (100, 1000))
    assert small.threshold == pytest.approx(0.3)
    assert large.threshold == pytest.approx(0.4)
    assert large.decision is Decision.MATCH


@pytest.mark.parametrize("size", [1, 10, 100, 1000, 10_000, 100_000, 1_000_000])
def test_a_search_of_any_size_leaves_a_band_for_a_person_to_look(size: int) -> None:
    decisions = [policy.decide_search(s / 100, size, GENERAL, TABLE).decision for s in range(60)]
    assert Decision.INCONCLUSIVE in decisions
    assert decisions == sorted(decisions, key=["NON_MATCH", "INCONCLUSIVE", "MATCH"].index)
    # On average no more strangers are shown than the use case allows.
    shown = decisions.index(Decision.INCONCLUSIVE) / 100
    assert TABLE.fmr_at(shown).fmr * size <= max(GENERAL.strangers_shown, GENERAL.fmr * size) * 1.01


def test_no_match_is_given_beyond_what_the_data_support() -> None:
    judged = policy.decide_search(0.99, 10**6, GENERAL, TABLE)
    assert judged.decision is Decision.INCONCLUSIVE
    assert judged.threshold is None
    assert judged.fmr_is_upper_bound
    assert policy.decide_search(0.49, 10**6, GENERAL, TABLE).decision is Decision.NON_MATCH
    many = policy.decide(0.99, 1000, GENERAL, TABLE)
    assert (many.decision, many.threshold) == (Decision.INCONCLUSIVE, None)
    assert policy.supported(GENERAL, 100, TABLE)
    assert not policy.supported(GENERAL, 101, TABLE)


@pytest.mark.parametrize("fpir", [1e-3, 3e-3, 1e-2, 0.7])
def test_the_largest_gallery_is_where_the_last_match_is_given(fpir: float) -> None:
    purpose = msgspec.structs.replace(GENERAL, fpir=fpir)
    largest = policy.largest_gallery(purpose, TABLE)
    assert largest == round(fpir / TABLE.lowest_fmr)
    assert policy.decide_search(0.99, largest, purpose, TABLE).decision is Decision.MATCH
    assert policy.decide_search(0.99, largest + 1, purpose, TABLE).decision is Decision.INCONCLUSIVE


def test_a_rate_that_is_not_supported_gives_a_match_in_no_gallery() -> None:
    purpose = msgspec.structs.replace(GENERAL, fmr=TABLE.lowest_fmr / 2)
    assert policy.largest_gallery(purpose, TABLE) == 0
    assert policy.decide_search(0.99, 1, purpose, TABLE).decision is Decision.INCONCLUSIVE


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 50))
def test_a_higher_score_never_gives_a_weaker_decision(a: float, b: float, references: int) -> None:
    strength = [Decision.NON_MATCH, Decision.INCONCLUSIVE, Decision.MATCH]
    low, high = (policy.decide(s, references, GENERAL, TABLE) for s in sorted((a, b)))
    assert strength.index(low.decision) <= strength.index(high.decision)
    assert low.fmr_at_score >= high.fmr_at_score
