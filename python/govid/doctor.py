"""What an operator wants to know first: the machine, the models, the records, and what is wrong."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from govid import __version__, _core, config, cores, models, precision, profiles
from govid.auto_precision import settled_here
from govid.errors import GovidError
from govid.faces import FacePipeline
from govid.ledger.rotation import current_signer, known_keys
from govid.migration.models import calibrations, check_settings, settings_naming
from govid.retention import check_clock
from govid.runtime import embedder_runtime, live_isa
from govid.store import Store, migration, shadow
from govid.store.audit import AuditFilter, AuditLog
from govid.store.database import Connection
from govid.store.migration import Model
from govid.store.opening import open_store
from govid.vault import rotation
from govid.vault.journal import ErasureJournal

_LOW_DISK = 1 << 30
_CLOCK_SECONDS = 60
"""More than clocks of several servers differ that are kept right."""


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model file."""

    model_id: str
    state: str
    digest: str
    licence: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. ``problems`` is empty on a sound installation."""

    version: str
    python: str
    cpu: str
    cores: int
    simd: str
    simd_available: list[str]
    runtime: str
    precision: str
    precision_is_auto: bool
    precisions_available: list[str]
    advice: list[str]
    providers_available: list[str]
    providers_configured: list[str]
    models: list[ModelReport]
    calibration: str
    storage: dict[str, str]
    hardening: Annotated[list[str], Meta(description="What a server for others than this machine lacks")]
    problems: list[str]

    def text(self) -> str:
        """For people."""
        lines = [
            f"govid       {self.version}, Python {self.python}",
            f"CPU         {self.cpu}, {self.cores} cores",
            f"SIMD        {self.simd} of {', '.join(self.simd_available)}",
            f"runtime     {', '.join(self.providers_configured)} of {', '.join(self.providers_available)}; "
            f"embedders in {self.runtime}",
            f"precision   {self.precision}{' (auto)' * self.precision_is_auto}"
            f" of {', '.join(self.precisions_available)}",
        ]
        lines += [f"model       {m.model_id}: {m.state}; {m.licence}; sha256 {m.digest}" for m in self.models]
        lines.append(f"calibration {self.calibration}")
        lines += [f"storage     {name}: {value}" for name, value in self.storage.items()]
        lines += [f"advice      {advice}" for advice in self.advice]
        lines += [f"HARDENING   {piece}" for piece in self.hardening]
        lines += [f"PROBLEM     {problem}" for problem in self.problems]
        if not self.problems:
            lines.append(
                "works; before it serves others: what HARDENING says" if self.hardening else "all well"
            )
        return "\n".join(lines)


def examine(settings: config.Settings, hardening: Sequence[str] = ()) -> Report:
    """Look at everything.

    It opens the records as the start of a server does, and changes as much: an empty data folder is made
    ready, the tables of an older version are brought forward, and its templates sealed.

    Args:
        hardening: what the server lacks, which this package does not know.
    """
    import onnxruntime  # noqa: PLC0415 - half a second that only this command pays

    problems: list[str] = []

    def note(error: GovidError) -> str:
        if (said := _problem(error)) not in problems:
            problems.append(said)
        return error.slug

    is_auto = settings.precision == "auto"
    try:
        settings = settled_here(settings)
    except GovidError as error:
        note(error)
        settings = msgspec.structs.replace(settings, precision="float32")
    runtime = "unknown"
    try:
        runtime = embedder_runtime(settings)
        precision.check(settings)
    except GovidError as error:
        note(error)
    found = []
    specs = models.SHARED
    try:
        specs = profiles.active(settings)[0].models
    except GovidError as error:
        note(error)
    for spec in specs:
        try:
            models.verified(spec, settings.models_dir)
            state = "verified"
        except GovidError as error:
            state = note(error)
        found.append(
            ModelReport(model_id=spec.model_id, state=state, digest=spec.digest, licence=spec.licence)
        )
    calibrated = "unknown"
    if not problems:
        try:
            table = calibrations(settings)[FacePipeline(settings).profile.name]
            calibrated = (
                f"{table.calibration_id}, {table.non_mated_comparisons:,} non-mated comparisons, "
                f"FMR down to {table.lowest_fmr:.1e}"
            )
        except GovidError as error:
            calibrated = note(error)
    return Report(
        version=__version__,
        python=platform.python_version(),
        cpu=cpu_name(),
        cores=cores.available(),
        simd=live_isa(),
        simd_available=_core.available_isas(),
        runtime=runtime,
        precision=settings.precision,
        precision_is_auto=is_auto,
        precisions_available=precision.available(settings),
        advice=precision.advice(settings),
        providers_available=onnxruntime.get_available_providers(),
        providers_configured=list(settings.providers),
        models=found,
        calibration=calibrated,
        storage=_storage(settings, problems),
        hardening=list(hardening),
        problems=problems,
    )


def _storage(settings: config.Settings, problems: list[str]) -> dict[str, str]:
    folder = Path(settings.data_dir)
    storage = {"folder": str(folder.resolve())}
    try:
        store = open_store(settings)
        storage["store"] = store.database.name
        counts = store.counts()
        behind = _clock_behind(store)
        with store.database.reading() as connection:
            now, serving = migration.current(connection), migration.serving(connection)
            left_out = _left_out(settings, connection)
            problems += _named(lambda: check_clock(connection, time.time()))
        problems += [said for said in _named(lambda: check_settings(store, settings)) if said not in problems]
        sealed = rotation.status(store.database, store.vault)
        # Where none was ever in use, the first start makes one.
        problems += _named(lambda: known_keys(settings.signing_key, AuditLog(store.database)))
        problems += _named(lambda: _check_erasures(settings, store))
        store.close()
        free = shutil.disk_usage(folder).free
    except GovidError as error:
        problems.append(_problem(error))
        return {**storage, "records": error.slug}
    storage["records"] = (
        f"{counts.subjects} subjects, {counts.references} references, {counts.audit_records} audit records"
    )
    if serving is not None:
        needed = now.serving if now else settings_naming(settings, serving) or Model(serving, "", "", "")
        storage["templates"] = f"of {serving}; a server needs {needed.settings}"
    if now is not None:
        storage["migration"] = f"to {now.target.model_id}, {now.state}"
    storage["keys"] = f"{sealed.keys}, current {sealed.current_key}"
    if not sealed.sealed:
        problems.append(
            f"{sealed.clear_references} templates lie in clear, or free pages may hold some: "
            "`govid vault encrypt`"
        )
    if left_out:
        problems.append(f"{left_out} references were made by another model or profile: enrol them anew")
    if behind > _CLOCK_SECONDS:
        problems.append(
            f"the clock is {behind:.0f} s behind the last row of the audit: set it (chrony, ntpd)"
        )
    storage["free"] = f"{free / 1e9:.1f} GB"
    if free < _LOW_DISK:
        problems.append(f"less than {_LOW_DISK >> 30} GB free at {folder}: writes will soon be refused")
    return storage


def _named(check: Callable[[], object]) -> list[str]:
    """The problem that a check raises, if any."""
    try:
        check()
    except GovidError as error:
        return [_problem(error)]
    return []


def _check_erasures(settings: config.Settings, store: Store) -> None:
    """Refuse what the start of a server refuses; raises StoreUnavailable."""
    if not settings.erasures_file.exists():
        return
    log = AuditLog(store.database)
    journal = ErasureJournal(
        settings.erasures_file,
        store.database,
        lambda: current_signer(settings.signing_key, log, create=False),
    )
    journal.catch_up()
    journal.check()


def _clock_behind(store: Store) -> float:
    """Seconds by which the last row of the audit lies in the future."""
    rows = AuditLog(store.database).rows(AuditFilter(), limit=1)
    return rows[0].record.time - time.time() if rows else 0.0


def _left_out(settings: config.Settings, connection: Connection) -> int:
    """References that no search of these settings covers."""
    try:
        profile = profiles.active(settings)[0]
    except GovidError:
        return 0  # named as a problem already
    kept = shadow.by_model(connection)
    return sum(count for model_id, count in kept.items() if not profiles.serves(model_id, profile))


def _problem(error: GovidError) -> str:
    return f"{error.slug}: {error.detail}. {error.remedy}"


def cpu_name() -> str:
    """Model name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
