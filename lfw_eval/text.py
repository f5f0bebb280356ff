"""An evaluation on a terminal."""

from __future__ import annotations

from lfw_eval.results import AllPairs, Estimate, Evaluation, GroupRate, PairList, PipelineResult


def as_text(evaluation: Evaluation) -> str:
    """All pipelines, each with its errors, and what the figures rest on."""
    listed = f"{evaluation.pair_list}, {evaluation.pairs:,} pairs of " if evaluation.pair_list else ""
    lines = [f"{evaluation.data_set}: {listed}{evaluation.photos:,} photos"]
    lines += [f"malformed  {problem}" for problem in evaluation.malformed]
    for pipeline in evaluation.pipelines:
        lines += ["", *_pipeline(pipeline)]
    lines += ["", f"machine    {evaluation.machine}", f"data       sha256 {evaluation.data_set_digest}"]
    return "\n".join(lines)


def percent(estimate: Estimate, digits: int = 2) -> str:
    """A value in percent with its 95 % interval."""
    value, low, high = (f"{part * 100:.{digits}f}" for part in (estimate.value, estimate.low, estimate.high))
    # No break inside: a table cell keeps the value and its interval together.
    return f"{value}\u00a0% [{low},\u00a0{high}]"


def scientific(estimate: Estimate) -> str:
    """A small rate with its 95 % interval."""
    return f"{estimate.value:.2g} [{estimate.low:.2g},\u00a0{estimate.high:.2g}]"


def _pipeline(result: PipelineResult) -> list[str]:
    lines = [f"{result.label}: {result.model_id}, {result.pipeline}"]
    if result.pair_list:
        lines += _pair_list(result.pair_list)
    failures = result.failures_to_acquire
    touched = (
        f", {result.pair_list.pairs_with_a_failure} pairs counted as errors for it"
        if result.pair_list
        else ""
    )
    lines.append(f"failures   {len(failures)} photos without a template{touched}")
    lines += [f"             {slug}: {photo}" for photo, slug in failures.items()]
    if result.all_pairs:
        lines += _all_pairs(result.all_pairs)
    stages = ", ".join(f"{stage} {spent:.2f}" for stage, spent in result.milliseconds_by_stage.items())
    lines.append(f"time       ms a photo, mean of {result.photos_timed} one by one: {stages}")
    lines += [f"model      {model_id} sha256 {digest}" for model_id, digest in result.models.items()]
    return lines


def _pair_list(result: PairList) -> list[str]:
    error = result.accuracy_standard_error
    folds = "" if error is None else f", standard error over the folds {error * 100:.2f}"
    lines = [f"accuracy   {percent(result.accuracy)} (95 % over people{folds})"]
    if result.accuracy_difference:
        lines.append(f"             difference to the first: {percent(result.accuracy_difference)}")
    if change := result.score_change:
        lines.append(
            f"             scores against the first: mean change {change.mean:+.4f}, standard deviation "
            f"{change.deviation:.4f}, largest {change.largest:.4f}"
        )
    lines += [
        f"FNMR       {percent(rate.fnmr)} at FMR {rate.fmr_target:g}, threshold {rate.threshold:.4f}"
        + ("" if rate.supported else " (too few pairs to mean it)")
        for rate in result.error_rates
    ]
    lines.append(f"EER        {percent(result.equal_error_rate)}")
    return lines


def _all_pairs(result: AllPairs) -> list[str]:
    lines = [
        f"all pairs  {result.people:,} people, {result.photos:,} photos: {result.mated_comparisons:,} mated "
        f"({result.mated_with_a_failure:,} failed), {result.non_mated_comparisons:,} non-mated comparisons"
    ]
    lines += [f"note       {note}" for note in result.notes]
    lines.append("rates      each person counts the same; 95 % intervals over people")
    for table in result.tables:
        lines.append(f"  threshold {table.threshold:.4f}: {table.basis}")
        for title, rows in (("FNMR", table.fnmr), ("FMR", table.fmr)):
            lines += [
                f"    {title:5}{_group(row):32}{group_rate(row, title):32}{_counts(row)}" for row in rows
            ]
    return lines


def _group(row: GroupRate) -> str:
    return row.group if row.attribute == "all" else f"{row.attribute}={row.group}"


def group_rate(row: GroupRate, kind: str) -> str:
    """The rate with its interval, or that there is too little to say one."""
    if not row.enough:
        return "too few to say"
    return percent(row.rate) if kind == "FNMR" else scientific(row.rate)


def _counts(row: GroupRate) -> str:
    return f"{row.events:,} of {row.comparisons:,} comparisons, {row.people:,} people"
