"""The steps of a migration, each with its audit record: start, cut over, roll back, finish."""

from __future__ import annotations

from govid.config import Settings
from govid.errors import MigrationRefused
from govid.faces import FacePipeline
from govid.migration import report as reports
from govid.migration.models import check_use_cases, fitting, named, settings_of
from govid.migration.reembed import audit_of
from govid.migration.report import Report
from govid.store import Store, dedup, migration, shadow
from govid.store.audit import append as append_audit
from govid.store.database import Connection


def start(store: Store, settings: Settings, target: Settings, request_id: str) -> Report:
    """Begin a migration from the model of the settings to another one. Nothing changes for anybody yet.

    Raises:
        MigrationRefused: there is one already, it is the same model, or a use case would be lost.
        OperatorError: the new model is missing, cannot run here, or is not calibrated as far as needed.
    """
    old, new = named(settings), named(target)
    if old.model_id == new.model_id:
        raise MigrationRefused(
            f"the settings name {new.model_id} already: name another by --profile, --precision or --embedder"
        )
    check_use_cases(target, settings)
    FacePipeline(target)  # loads and tries what there is to load
    with store.database.writing() as connection:
        now = migration.start(connection, old, new)
        append_audit(connection, audit_of(now, "STARTED", request_id, f"from {old.model_id}"))
    return report(store, settings)


def report(store: Store, settings: Settings) -> Report:
    """The migration under way, or else the last one.

    Raises:
        NoMigration: there never was one.
    """
    with store.database.reading() as connection:
        now = migration.newest(connection)
        return reports.report(connection, now, fitting(settings_of(settings, now.target)))


def cut_over(store: Store, settings: Settings, request_id: str, force: str | None = None) -> Report:
    """Let the templates of the new model count, for all readers in the same moment.

    Args:
        force: why it is done although requirements are not met.

    Raises:
        NoMigration.
        MigrationRefused: a requirement is not met, or a dedup job runs.
    """
    with store.database.reading() as connection:
        migration.required(connection)
    found = report(store, settings)
    short = reports.shortcomings(found, settings)
    if short and force is None:
        raise MigrationRefused("; ".join(short))
    with store.database.writing() as connection:
        now = _steady(connection)
        if now.migration_id != found.migration_id or now.serves == "target":
            raise MigrationRefused(f"{now.serving.model_id} counts already")
        migration.enter(connection, now, "cut_over", "target")
        note = f"coverage {found.coverage:.6f}, compared {found.compared}, changed {found.changed.count}"
        if short:
            note += f"; forced: {force}; {'; '.join(short)}"
        append_audit(connection, audit_of(now, "CUT_OVER", request_id, note))
    return report(store, settings)


def roll_back(store: Store, settings: Settings, request_id: str) -> tuple[Report, int]:
    """Let the templates of the old model count again; what is given up before a cut-over rolls back, too.

    Returns:
        The report, and how many references have no template of the old model.

    Raises:
        NoMigration, MigrationRefused: it is being finished, or a dedup job runs.
    """
    with store.database.writing() as connection:
        now = _steady(connection)
        migration.enter(connection, now, "rolled_back", "source")
        lost = shadow.without_old(connection, now.source.model_id)
        note = f"{lost} references without a template of {now.source.model_id}"
        append_audit(connection, audit_of(now, "ROLLED_BACK", request_id, note))
    return report(store, settings), lost


def finish(store: Store, settings: Settings, request_id: str) -> Report:
    """Erase the templates of the model that lost. Killed, it goes on when it is called again.

    Raises:
        NoMigration.
        MigrationRefused: neither did the new model take over nor was it rolled back.
    """
    with store.database.writing() as connection:
        connection.exclusive("gallery_change")
        now = migration.required(connection)
        if now.state not in {"cut_over", "rolled_back", "finishing"}:
            raise MigrationRefused(f"it is {now.state}: cut over or roll back first")
        migration.enter(connection, now, "finishing")
    left = True
    while left:
        with store.database.writing() as connection:
            left = shadow.settle(connection, keep=now.serves == "target") > 0
    with store.database.writing() as connection:
        connection.exclusive("gallery_change")
        now = migration.required(connection)
        migration.enter(connection, now, "finished")
        shadow.forget_obstacles(connection)
        append_audit(connection, audit_of(now, "FINISHED", request_id, f"{now.serving.model_id} counts"))
    store.database.scrub()
    return report(store, settings)


def _steady(connection: Connection) -> migration.MigrationRow:
    """The migration under way, while nobody enrols and no dedup job begins."""
    connection.exclusive("gallery_change")
    connection.exclusive("dedup_job")
    now = migration.required(connection)
    if now.state == "finishing":
        raise MigrationRefused("it is being finished, and there is no way back")
    if (job := dedup.running_with(connection, now.serving.model_id)) is not None:
        raise MigrationRefused(f"dedup job {job} compares templates of one model: let it end, or cancel it")
    return now
