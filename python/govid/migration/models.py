"""Models as settings name them, and the second one of a migration, ready to embed crops."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import get_args

import msgspec

from govid import calibration, guard, models, policy, precision, profiles
from govid.calibration import Calibration
from govid.config import Settings
from govid.errors import MigrationRefused, ModelNotServing, OperatorError
from govid.faces import PIPELINE, load_embedder
from govid.profiles import Precision, Profile
from govid.store import Store, migration
from govid.store.migration import Model
from govid.types import Image, Template
from govid.use_cases import UseCases


def named(settings: Settings) -> Model:
    """The model that the settings name."""
    model_id = profiles.active(settings)[0].model_id
    return Model(model_id, settings.profile, settings.precision, settings.embedder)


def settings_of(settings: Settings, model: Model) -> Settings:
    """The same installation with another model.

    Raises:
        MigrationRefused: what bears its name here is not that model.
    """
    if not model.profile:
        raise MigrationRefused(f"no settings name {model.model_id} here")
    chosen = msgspec.convert(
        {
            **msgspec.structs.asdict(settings),
            "profile": model.profile,
            "precision": model.precision,
            "embedder": model.embedder,
        },
        Settings,
    )
    if (found := named(chosen)).model_id != model.model_id:
        raise MigrationRefused(f"{model.settings} is {found.model_id} here, not {model.model_id}")
    return chosen


def settings_naming(settings: Settings, model_id: str) -> Model | None:
    """A model with what names it on this installation; None: nothing, with the embedders known here."""
    for profile, word, embedder in product(
        ("fast", "high_assurance"), get_args(Precision), dict.fromkeys((settings.embedder, models.SFACE.name))
    ):
        try:
            found = named(
                msgspec.structs.replace(settings, profile=profile, precision=word, embedder=embedder)
            )
        except OperatorError:
            continue
        if found.model_id == model_id:
            return found
    return None


def check_settings(store: Store, settings: Settings) -> None:
    """Refuse settings that name another model than the one whose templates count.

    Raises:
        ModelNotServing: it says which settings do.
    """
    with store.database.reading() as connection:
        counts = migration.serving(connection)
        try:
            migration.check_serving(connection, named(settings).model_id)
        except ModelNotServing as error:
            known = settings_naming(settings, counts) if counts else None
            if known is None or known.settings in error.detail:
                raise
            raise ModelNotServing(f"{error.detail}; those are of {known.settings}") from None


def fitting(settings: Settings) -> tuple[str, ...]:
    """Ids of the models whose templates serve the profile that the settings name, its own first."""
    profile = profiles.active(settings)[0]
    if len(profile.parts) > 1 or profile.parts[0].model != models.SFACE:
        return (profile.model_id,)
    fused = profiles.high_assurance(profile.parts[0].precision).model_id
    return (profile.model_id, fused)


def calibrations(settings: Settings) -> dict[str, Calibration]:
    """The table of each profile that the settings make available, by its name: with it, it may decide.

    Raises:
        NotCalibrated, InvalidSettings.
        PrecisionUnavailable: it loses too much by its precision (``guard``).
    """
    guard.check(settings)
    return {
        profile.name: calibration.load(profile.model_id, settings.calibrations_dir, pipeline=PIPELINE)
        for profile in profiles.active(settings)
    }


def check_use_cases(settings: Settings, before: Settings) -> None:
    """Refuse a model that cannot decide what the one before could.

    Raises:
        NotCalibrated: its table does not reach the FMR of a use case.
        MigrationRefused: a use case demands a profile that would be lost.
    """
    tables = calibrations(settings)
    available = {profile.name for profile in profiles.active(before)}
    for purpose in UseCases.of(settings).all():
        table = tables.get(name := purpose.profile or settings.profile)
        if table is not None:
            policy.check_supported(purpose, settings.max_references, table)
        elif name in available:
            raise MigrationRefused(f"use case {purpose.name} needs the profile {name}, which would be lost")


class SecondModel:
    """Embeds the crops that the first model embedded. Safe to call from several threads."""

    def __init__(self, settings: Settings, model: Model) -> None:
        """Load its networks.

        Raises:
            OperatorError: it is not here, not the one that was meant, not calibrated, or cannot run here.
        """
        chosen = settings_of(settings, model)
        precision.check(chosen)
        self.profile, *_ = available = profiles.active(chosen)
        self.profiles: Mapping[str, Profile] = {profile.name: profile for profile in available}
        self.calibrations = calibrations(chosen)
        self._embedder = load_embedder(self.profile, chosen)

    def embed(self, crop: Image) -> Template:
        """The template of a crop.

        Raises:
            ModelUnusable.
        """
        return self._embedder.embed(crop, self.profile)
