"""The short form of the fuzzing: the same inputs each time, ten seconds. ``make fuzz`` has the long one."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import NAMES
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS, refused


# A server would log these remarks on odd certificates; nothing follows from them.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_refuses_or_reads_and_does_nothing_else(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    # Seeds that are refused would leave most of a parser untouched.
    assert not [seed[:40] for seed in seeds if refused(target, seed)]
    outcomes = [refused(target, data) for data in mutated(seeds, target.executions)]
    assert len(outcomes) == target.executions
    assert not target.refusals or sum(outcomes) > 0


def test_the_long_form_knows_them_all() -> None:
    assert set(NAMES) == set(TARGETS)
