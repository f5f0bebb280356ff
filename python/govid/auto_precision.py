"""``GOVID_PRECISION=auto``: the precision of the records; where nobody is enrolled, the fastest safe one.

It is settled once, before anything is made of the settings. All that follows sees a precision that an
operator could have named, and none asks again.
"""

from __future__ import annotations

import logging
from contextlib import closing

import msgspec

from govid import precision
from govid.config import Settings
from govid.errors import ModelNotServing, NotCalibrated, PrecisionUnavailable
from govid.migration.models import calibrations, settings_naming
from govid.profiles import Precision, models_of
from govid.store import Store, migration
from govid.store.opening import open_store

log = logging.getLogger("govid.precision")


def settled(settings: Settings, store: Store) -> Settings:
    """The same settings with a precision for ``auto``. Whether this machine has it is not asked here.

    Records of a model that these settings give in no precision are met in float32, and refused like that by
    whoever would use them (``migration.models.check_settings``).

    Raises:
        ModelNotServing: somebody is enrolled, but it is not known whose templates count.
        InvalidSettings: see ``profiles.active``.
    """
    if settings.precision != "auto":
        return settings
    models_of(settings)
    with store.database.reading() as connection:
        # In this order: whoever is enrolled meanwhile has said whose templates count.
        anybody = migration.anybody(connection)
        counts = migration.serving(connection)
    if counts is not None:
        known = settings_naming(settings, counts)
        word, reason = known.precision if known else "float32", f"templates of {counts} count"
    elif anybody:
        raise ModelNotServing("precision auto has nothing to follow: it is not known whose templates count")
    else:
        word, reason = _fastest(settings)
    log.info("precision auto is %s: %s", word, reason)
    return msgspec.structs.replace(settings, precision=word)


def settled_here(settings: Settings) -> Settings:
    """``settled`` by the records that the settings name, which are opened for ``auto`` alone.

    Raises:
        OperatorError: they cannot be opened; or see ``settled``.
    """
    if settings.precision != "auto":
        return settings
    with closing(open_store(settings)) as store:
        return settled(settings, store)


def _fastest(settings: Settings) -> tuple[Precision, str]:
    """With its reason. Never bfloat16: few CPUs have it, and all servers of the records would need one."""
    if not precision.has_fast_int8():
        return "float32", "nobody is enrolled, and this CPU has no VNNI"
    eight = msgspec.structs.replace(settings, precision="int8")
    try:
        precision.check(eight)
        calibrations(eight)
    except (PrecisionUnavailable, NotCalibrated) as error:
        return "float32", f"nobody is enrolled, and int8 is not to be had: {error.detail}"
    return "int8", "nobody is enrolled, and this CPU has VNNI"
