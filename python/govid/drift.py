"""How often strangers look alike here: probes against random references of others, beside the calibration.

A calibration says how often a stranger's score reaches a threshold, on its own data set. Whether that holds
for the people, cameras and light of an installation shows in comparisons that are surely non-mated. Rates
that use cases allow are too low to be seen in few comparisons; ``RATES`` are not, and a distribution moves as
a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from govid import score
from govid.calibration import Calibration
from govid.policy import UseCase
from govid.profiles import Profile, comparable
from govid.store import Store
from govid.types import Template

RATES = (1e-2, 1e-3)
"""False match rates that few comparisons can measure: 10,000 give 100 and 10 above the threshold."""

# Ids of erased references lead nowhere: more are drawn than wanted.
_DRAWN = 4


@dataclass(frozen=True, slots=True)
class NonMated:
    """What comparisons of one probe with other people's references gave. Nothing in it is about a person."""

    comparisons: int
    above: Mapping[float, int]
    """For each of ``RATES`` how many reached its threshold; without rates under the calibration."""
    matches: int
    """How many the use case would have called a MATCH."""


class DriftSampler:
    """Compares a probe with strangers. Safe to call from several threads."""

    def __init__(
        self,
        store: Store,
        profiles: Mapping[str, Profile],
        calibrations: Mapping[str, Calibration],
        random: np.random.Generator | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            profiles: by name.
            calibrations: by the same names.
        """
        self._store = store
        self._by_model = {p.model_id: (p, calibrations[name]) for name, p in profiles.items()}
        self._random = random or np.random.default_rng()

    def compare(self, subject: str, probe: Template, purpose: UseCase, count: int) -> NonMated:
        """The probe, said to be of ``subject``, against up to ``count`` references of other subjects.

        Three indexed look-ups, whatever the size of the registry. Who is enrolled twice is a stranger here.

        Raises:
            StoreUnavailable.
        """
        profile, table = self._by_model[probe.model_id]
        others = self._others(subject, profile, count)
        scores = score.compare_many(probe, others) if others else np.empty(0, np.float32)
        thresholds = {rate: table.threshold(rate) for rate in RATES}
        match = table.threshold(purpose.fmr)
        return NonMated(
            comparisons=len(others),
            above={rate: int((scores >= at).sum()) for rate, at in thresholds.items() if at is not None},
            matches=0 if match is None else int((scores >= match).sum()),
        )

    def _others(self, subject: str, profile: Profile, count: int) -> list[Template]:
        newest = self._store.newest_reference()
        drawn = (
            np.unique(self._random.integers(1, newest + 1, size=_DRAWN * count)) if newest else np.empty(0)
        )
        self._random.shuffle(drawn)
        owners = self._store.owners([int(drawn_id) for drawn_id in drawn])
        chosen = [reference_id for reference_id, owner in owners.items() if owner != subject][:count]
        held = self._store.templates_by_id(chosen).values()
        return comparable(held, profile)
