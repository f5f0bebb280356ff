"""``govid dedup``: find people who are enrolled twice; ``govid cases``: decide whether they are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from govid import cores
from govid.audit import new_request_id
from govid.commands.context import json_option, model_settings, settings_of, show, store, written

if TYPE_CHECKING:
    from govid.adjudication import Adjudication, Case, CaseSummary
    from govid.dedup.jobs import Dedup
    from govid.dedup.results import DedupJob

# Below whatever a person waits for on this machine, a server among it.
_NICE = 10
_VERDICTS = ("same", "different", "twins", "fraud")


@contextmanager
def _dedup(context: click.Context) -> Iterator[Dedup]:
    from govid.dedup import jobs

    chosen = model_settings(context)
    with store(chosen) as opened:
        yield jobs.opened(chosen, opened)


@contextmanager
def _adjudication(context: click.Context) -> Iterator[Adjudication]:
    from govid.adjudication import Adjudication

    chosen = settings_of(context)
    with store(chosen) as opened:
        yield Adjudication(opened.database, required=chosen.adjudicators_required)


# --- jobs -------------------------------------------------------------------------------------------------


@click.group()
def dedup() -> None:
    """Compare all references with all others, and open a case for each suspected duplicate."""


_threads = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=cores.available,
    help="Threads that compare (default: one per core).",
)


@dedup.command()
@click.option("--since", "since_job", type=int, help="Only what became active since job JOB was planned.")
@click.option("--since-reference", type=int, help="Only what became active after this reference.")
@click.option("--plan-only", is_flag=True, help="Leave the work to a server or to `govid dedup resume`.")
@_threads
@json_option
@click.pass_context
def start(
    context: click.Context,
    /,
    since_job: int | None,
    since_reference: int | None,
    plan_only: bool,
    threads: int,
    as_json: bool,
) -> None:
    """Start a job and work on it. Interrupted or killed, it goes on with `govid dedup resume`."""
    with _dedup(context) as jobs:
        request_id = new_request_id()
        job = jobs.start(since_job=since_job, since_reference=since_reference, request_id=request_id)
        if not plan_only:
            job = _worked(jobs, job, request_id, threads, as_json)
        show(job, as_json, _text(job))


@dedup.command()
@click.argument("job_id", type=int)
@_threads
@json_option
@click.pass_context
def resume(context: click.Context, /, job_id: int, threads: int, as_json: bool) -> None:
    """Work on job JOB_ID where it stands, alone or together with other machines that share the store."""
    with _dedup(context) as jobs:
        request_id = new_request_id()
        job = jobs.resume(job_id, request_id=request_id)
        job = _worked(jobs, job, request_id, threads, as_json)
        show(job, as_json, _text(job))


@dedup.command()
@click.argument("job_id", type=int, required=False)
@json_option
@click.pass_context
def status(context: click.Context, /, job_id: int | None, as_json: bool) -> None:
    """How far job JOB_ID is, or the last 100 jobs, the newest first."""
    with _dedup(context) as jobs:
        if job_id is not None:
            job = jobs.job(job_id)
            show(job, as_json, _text(job))
            return
        page = jobs.jobs(limit=100)
        show(page, as_json, "\n".join(_text(job) for job in page.jobs) or "no jobs")


@dedup.command()
@click.argument("job_id", type=int)
@json_option
@click.pass_context
def cancel(context: click.Context, /, job_id: int, as_json: bool) -> None:
    """Stop job JOB_ID, whoever works on it; what it found stays."""
    with _dedup(context) as jobs:
        job = jobs.cancel(job_id, request_id=new_request_id())
        show(job, as_json, _text(job))


@dedup.command()
@click.argument("job_id", type=int)
@click.option("--format", "kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file (default: stdout).")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_context
def export(context: click.Context, /, job_id: int, kind: str, out: Path | None, as_json: bool) -> None:
    """The pairs of job JOB_ID: ids and scores, as CSV or as one JSON object a line."""
    from govid.dedup.export import lines

    with _dedup(context) as jobs:
        jobs.job(job_id)
        found = lines(jobs.export(job_id), "json" if as_json else kind)
        if out is None or str(out) == "-":
            with click.open_file("-", "wb") as target:
                target.writelines(found)
            return
        with written(out) as file:
            file.writelines(found)


def _worked(jobs: Dedup, job: DedupJob, request_id: str, threads: int, as_json: bool) -> DedupJob:
    """Work on a job, with a bar for a person."""
    os.nice(_NICE)
    bar = tqdm(total=job.blocks, initial=job.blocks_done, unit="block", disable=as_json)
    shown = [time.monotonic()]

    def advance() -> None:
        # Called often, from each thread; the store is asked once a second.
        if (now := time.monotonic()) >= shown[0] + 1 and not as_json:
            shown[0] = now
            bar.update(jobs.job(job.job_id).blocks_done - bar.n)

    with bar:
        ended = jobs.work(job.job_id, request_id=request_id, threads=threads, pause=advance)
        bar.update(ended.blocks_done - bar.n)
    return ended


def _text(job: DedupJob) -> str:
    percent = 100 * job.blocks_done / job.blocks if job.blocks else 100
    eta = "" if job.eta_seconds is None else f", about {job.eta_seconds:.0f} s left"
    bound = "" if job.supported else " at most, as far as the calibration reaches"
    return (
        f"job {job.job_id} ({job.kind}) {job.state}: {percent:.0f} %{eta}\n"
        f"  {job.pairs} pairs with a score from {job.threshold:.4f} in {job.compared} comparisons, "
        f"{job.cases} cases\n"
        f"  pairs of strangers expected among them: {job.expected_false_pairs:.3g}{bound}"
    )


# --- cases ------------------------------------------------------------------------------------------------


@click.group()
def cases() -> None:
    """Suspected duplicates that wait for a person."""


@cases.command(name="list")
@click.option("--closed", is_flag=True, help="Those that are decided.")
@click.option("--after", type=int, default=0, help="Cases behind this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
@click.pass_context
def list_(context: click.Context, /, closed: bool, after: int, limit: int, as_json: bool) -> None:
    """Open cases, the oldest first."""
    with _adjudication(context) as queue:
        page = queue.page(closed=closed, after=after, limit=limit)
    show(page, as_json, "\n".join(_line(case) for case in page.cases) or "no cases")


@cases.command(name="show")
@click.argument("case_id", type=int)
@json_option
@click.pass_context
def show_(context: click.Context, /, case_id: int, as_json: bool) -> None:
    """Case CASE_ID: its pairs, and what was said of them."""
    with _adjudication(context) as queue:
        case = queue.case(case_id)
    show(case, as_json, _case(case))


@cases.command()
@click.argument("case_id", type=int)
@click.argument("verdict", type=click.Choice(_VERDICTS))
@click.option("--by", "adjudicator", required=True, help="Who decides.")
@click.option("--note", default="", help="Why.")
@click.option("--subjects", nargs=2, help="Two subjects of the case; without, all that are not settled.")
@json_option
@click.pass_context
def decide(
    context: click.Context,
    /,
    case_id: int,
    verdict: str,
    adjudicator: str,
    note: str,
    subjects: tuple[str, str] | None,
    as_json: bool,
) -> None:
    """Say of case CASE_ID what its subjects are to each other. Nothing is merged or deleted by it."""
    from govid.adjudication import Verdict

    with _adjudication(context) as queue:
        case = queue.decide(
            case_id,
            Verdict(verdict),
            adjudicator=adjudicator,
            note=note,
            subjects=subjects,
            request_id=new_request_id(),
        )
    show(case, as_json, _case(case))


def _line(case: CaseSummary) -> str:
    state = "closed" if case.closed_at is not None else "disputed" if case.disputed else "open"
    held = f", {case.held!r} is held" if case.held else ""
    more = f" of {case.cluster_subjects}" if (case.cluster_subjects or 0) > len(case.subjects) else ""
    names = ", ".join(repr(subject) for subject in case.subjects)
    return f"case {case.case_id} {state}: {names}{more}; highest score {case.highest_score:.4f}{held}"


def _case(case: Case) -> str:
    lines = [_line(case)]
    lines += [
        f"  {pair.subject_a!r} and {pair.subject_b!r}: score {pair.score:.4f}"
        f"{'' if pair.present else ' (deleted)'}"
        for pair in case.pairs
    ]
    lines += [
        f"  {word.adjudicator!r} on {word.subject_a!r} and {word.subject_b!r}: {word.verdict} {word.note!r}"
        for word in case.verdicts
    ]
    lines += [f"  settled: {p.subject_a!r} and {p.subject_b!r} are {p.verdict}" for p in case.settled]
    return "\n".join(lines)
