"""An evaluation as one HTML file that loads nothing: it opens from a disk, prints, and keeps its secrets.

The policy in the file forbids scripts and every address; the style is allowed by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from govid.svg import legend_key
from lfw_eval import charts
from lfw_eval.results import Discard, Evaluation, GroupRate, GroupTable, PairList, PipelineResult
from lfw_eval.text import group_rate, percent

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .4rem 0; max-width: 50rem; }
.note { color: #555; font-size: .9rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .9rem .25rem 0; }
th, td { text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #888; font-weight: 600; }
code { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; }
figure { margin: .5rem 0; }
figcaption { font-size: .9rem; color: #444; }
figure svg { width: 100%; height: auto; display: block; }
svg.key { vertical-align: middle; margin-right: .4rem; }
td:first-child { white-space: nowrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem 2rem; }
.legend { list-style: none; padding: 0; margin: .4rem 0; }
.legend li { display: inline-block; margin-right: 2rem; }
.errors img { width: 112px; height: 112px; margin-right: 4px; }
.few { color: #777; }
@media print {
  body { margin: 0; max-width: none; font-size: 11px; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .charts { grid-template-columns: 1fr 1fr; }
}
"""


def as_html(evaluation: Evaluation, faces: Mapping[str, str]) -> str:
    """The report.

    Args:
        faces: data URIs by name of the photo; empty unless the user asked for faces.
    """
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    body = "".join(
        [
            _head(evaluation),
            _pair_lists(evaluation),
            *(_all_pairs(result) for result in evaluation.pipelines),
            _discards(evaluation),
            *(_errors(result, faces) for result in evaluation.pipelines),
            _failures(evaluation),
            _times(evaluation),
            _evidence(evaluation),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escape(f'Face verification on {evaluation.data_set}')}</title>"
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _head(evaluation: Evaluation) -> str:
    listed = f"{evaluation.pairs:,} pairs of {evaluation.pair_list}, " if evaluation.pair_list else ""
    return (
        f"<h1>Face verification on {escape(evaluation.data_set)}</h1>"
        f"<p>{escape(listed)}{evaluation.photos:,} photos. {escape(evaluation.created)}, "
        f"govid {escape(evaluation.version)}.</p>"
    )


def _pair_lists(evaluation: Evaluation) -> str:
    found = [(result.label, result.pair_list) for result in evaluation.pipelines if result.pair_list]
    if not found:
        return ""
    first = found[0][1]
    head = ["pipeline", "accuracy", "standard error over folds", "difference to the first", "EER"]
    head += [f"FNMR at FMR {rate.fmr_target:g}" for rate in first.error_rates]
    rows = [
        [
            f"{legend_key(number)}{escape(label)}",
            percent(one.accuracy),
            "" if (error := one.accuracy_standard_error) is None else f"{error * 100:.2f}",
            percent(one.accuracy_difference) if one.accuracy_difference else "",
            percent(one.equal_error_rate),
            *(
                percent(rate.fnmr) + ("" if rate.supported else " (too few pairs)")
                for rate in one.error_rates
            ),
        ]
        for number, (label, one) in enumerate(found)
    ]
    non_mated = sum(first.histogram.non_mated)
    curves = [(label, one.det) for label, one in found]
    return (
        "<h2>Summary</h2>"
        + _table(head, rows)
        + _note(
            "In brackets 95 % intervals by bootstrap over people (1,000 replicates): the comparisons of one "
            "person are no independent evidence. Each fold is judged by the threshold of the other folds. A "
            "photo without a template and a malformed line count as errors."
        )
        + _legend([label for label, _ in found])
        + '<div class="charts">'
        + _figure(charts.det(curves, non_mated), "DET: lower is better")
        + _figure(charts.roc(curves, non_mated), "ROC: higher is better")
        + "".join(
            _figure(
                charts.scores(one.histogram), f"Scores of {label}: mated solid blue, non-mated dashed red"
            )
            for label, one in found
        )
        + "</div>"
        + _points(found)
    )


def _points(found: Sequence[tuple[str, PairList]]) -> str:
    rows = [
        [
            escape(label), f"{rate.fmr_target:g}", f"{rate.fmr:.2g}", percent(rate.fnmr),
            f"{rate.threshold:.4f}", "" if rate.supported else "too few non-mated pairs to mean it",
        ]
        for label, one in found
        for rate in one.error_rates
    ]  # fmt: skip
    head = ["pipeline", "FMR allowed", "FMR reached", "FNMR", "threshold", ""]
    return "<h2>FNMR at FMR</h2>" + _table(head, rows)


def _all_pairs(result: PipelineResult) -> str:
    found = result.all_pairs
    if not found:
        return ""
    counts = (
        f"{found.people:,} people, {found.photos:,} photos, {found.mated_comparisons:,} mated comparisons "
        f"({found.mated_with_a_failure:,} with a photo that gave no template, counted as false non-matches), "
        f"{found.non_mated_comparisons:,} non-mated comparisons."
    )
    curves = [(result.label, found.det)]
    return (
        f"<h2>All photos with each other: {escape(result.label)}</h2><p>{counts}</p>"
        + _list(found.notes)
        + '<div class="charts">'
        + _figure(charts.det(curves, found.non_mated_comparisons), "DET: lower is better")
        + _figure(charts.roc(curves, found.non_mated_comparisons), "ROC: higher is better")
        + _figure(charts.scores(found.histogram), "Scores: mated solid blue, non-mated dashed red")
        + "</div>"
        + "".join(map(_groups, found.tables))
        + _note(
            "Each person counts the same, however many photos there are: FNMR is a mean over people, FMR "
            "over pairs of people. So everybody's rate need not be the one the threshold was read at, which "
            "counts every comparison. 95 % intervals over people. «Too few to say»: under ten people, "
            "under 30 mated comparisons, or under three false matches to expect."
        )
    )


def _groups(table: GroupTable) -> str:
    head = ["attribute", "group", "rate", "errors", "comparisons", "people", "photos"]
    return (
        f"<h3>Threshold {table.threshold:.4f}: {escape(table.basis)}</h3>"
        "<p>FNMR</p>" + _table(head, [_group_row(row, "FNMR") for row in table.fnmr])
        + "<p>FMR within a group</p>" + _table(head, [_group_row(row, "FMR") for row in table.fmr])
        + ("<p>FMR between groups</p>" + _table(head, [_group_row(row, "FMR") for row in table.fmr_across])
           if table.fmr_across else "")
    )  # fmt: skip


def _group_row(row: GroupRate, kind: str) -> list[str]:
    name = row.group if row.group == row.other else f"{row.group} × {row.other}"
    rate = group_rate(row, kind)
    shown = rate if row.enough else f'<span class="few">{rate}</span>'
    counts = [f"{number:,}" for number in (row.events, row.comparisons, row.people, row.photos)]
    return [escape(row.attribute), escape(name), shown, *counts]


def _discards(evaluation: Evaluation) -> str:
    found = [
        (result.label, curve)
        for result in evaluation.pipelines
        if result.pair_list
        for curve in result.pair_list.discard
    ]
    if not found:
        return ""
    figures = "".join(
        _figure(charts.error_versus_discard(curve), f"{curve.measure}, {label}: {_verdict(curve)}")
        for label, curve in found
    )
    return (
        "<h2>Error versus discard</h2>"
        + _note(
            "FNMR at a fixed threshold after the mated pairs with the lowest quality were left out. Grey: "
            "95 % of random choices of as many. A measure whose line stays in the grey is no reason to "
            "refuse a photo. A pair with a failure to acquire is never left out."
        )
        + f'<div class="charts">{figures}</div>'
    )


def _verdict(curve: Discard) -> str:
    return (
        f"FNMR {curve.fnmr[0] * 100:.2f} % to {curve.fnmr[-1] * 100:.2f} %, "
        + ("lower than by chance" if curve.helps else "no lower than by chance")
    )  # fmt: skip


def _errors(result: PipelineResult, faces: Mapping[str, str]) -> str:
    if not result.pair_list:
        return ""
    found = result.pair_list
    rows = [
        [
            error.kind,
            *([_faces(error.first, error.second, faces)] if faces else []),
            f"<code>{escape(error.first)}</code><br><code>{escape(error.second)}</code>",
            f"{error.score:.4f}",
            f"{error.threshold:.4f}",
        ]
        for error in found.errors
    ]
    head = ["kind", *(["faces"] if faces else []), "photos", "score", "threshold"]
    return (
        f"<h2>Worst errors: {escape(result.label)}</h2>"
        f"<p>{found.errors_in_all} pairs are decided wrongly, {found.pairs_with_a_failure} of them because a "
        "photo or a line could not be used.</p>" + (_table(head, rows, "errors") if rows else "")
    )


def _faces(first: str, second: str, faces: Mapping[str, str]) -> str:
    return "".join(
        f'<img src="{escape(faces[name])}" alt="{escape(name)}" width="112" height="112">'
        for name in (first, second)
        if faces.get(name)
    )


def _failures(evaluation: Evaluation) -> str:
    rows = [
        [escape(result.label), f"<code>{escape(photo)}</code>", escape(reason)]
        for result in evaluation.pipelines
        for photo, reason in result.failures_to_acquire.items()
    ]
    table = _table(["pipeline", "photo", "reason"], rows) if rows else "<p>None.</p>"
    malformed = f"<h3>Malformed lines</h3>{_list(evaluation.malformed)}" if evaluation.malformed else ""
    return f"<h2>Failures to acquire</h2>{table}{malformed}"


def _times(evaluation: Evaluation) -> str:
    stages = list(dict.fromkeys(name for r in evaluation.pipelines for name in r.milliseconds_by_stage))
    rows = [
        [
            escape(result.label),
            *(f"{result.milliseconds_by_stage.get(stage, 0):.2f}" for stage in stages),
            str(result.photos_timed),
        ]
        for result in evaluation.pipelines
    ]
    return (
        "<h2>Time</h2>"
        + _table(["pipeline", *map(escape, stages), "photos"], rows)
        + _note(f"Mean milliseconds of a photo, one after the other. {evaluation.machine}.")
    )


def _evidence(evaluation: Evaluation) -> str:
    rows = [
        [escape(result.label), f"<code>{escape(model_id)}</code>", f"<code>{digest}</code>"]
        for result in evaluation.pipelines
        for model_id, digest in result.models.items()
    ]
    templates = [
        [escape(r.label), f"<code>{escape(r.model_id)}</code>", f"<code>{escape(r.pipeline)}</code>"]
        for r in evaluation.pipelines
    ]
    return (
        "<h2>Evidence</h2>"
        + _table(["pipeline", "model file", "SHA-256"], rows)
        + _table(["pipeline", "template", "made by"], templates)
        + f"<p>Photos: SHA-256 over names and contents <code>{evaluation.data_set_digest}</code></p>"
        + f"<p>Command: <code>{escape(evaluation.command)}</code></p>"
        + f"<p>Machine: {escape(evaluation.machine)}</p>"
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Cells are HTML already: whoever makes one escapes what is in it."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    attribute = f' class="{kind}"' if kind else ""
    return f"<table{attribute}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _list(entries: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
    return f"<ul>{items}</ul>" if items else ""


def _legend(labels: Iterable[str]) -> str:
    items = "".join(f"<li>{legend_key(number)}{escape(label)}</li>" for number, label in enumerate(labels))
    return f'<ul class="legend">{items}</ul>'


def _figure(chart: str, caption: str) -> str:
    return f"<figure>{chart}<figcaption>{escape(caption)}</figcaption></figure>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'
