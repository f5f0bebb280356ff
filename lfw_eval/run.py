"""One evaluation from its options to its results."""

from __future__ import annotations

import datetime as dt
import platform
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from govid import __version__, _core, config
from govid.doctor import cpu_name
from lfw_eval.compare_all import compare_all
from lfw_eval.contenders import Contender, LocalModel, contenders
from lfw_eval.crops import crop_uri
from lfw_eval.data import VIEW_2, DataError, DataSet, locate
from lfw_eval.embeddings import Embeddings, embed_all, stage_times
from lfw_eval.evaluate import Replicates, evaluate_pairs, score_change
from lfw_eval.metadata import Metadata, read_metadata
from lfw_eval.protocol import Pair, read_pairs
from lfw_eval.results import AllPairs, Evaluation, PairList, PipelineResult


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The command line, as typed."""

    data: Path | None
    pairs: str
    compare: str | None
    model: Path | None
    dimension: int | None
    channels: str
    mean: float
    scale: float
    metadata: Path | None
    development: bool
    cache: bool
    strict: bool
    fail_under: float | None
    as_json: bool
    out: Path | None
    report: Path | None
    show_faces: bool


def run(options: Options) -> tuple[Evaluation, dict[str, str]]:
    """Evaluate. Returns the evaluation and, if asked for, crops as data URIs by name of the photo.

    Raises:
        DataError, OperatorError.
    """
    settings = config.load(config.Settings)[0]
    data, pairs = _read(options)
    metadata = Metadata({}, ())
    photos = [photo for pair in pairs for photo in pair.photos]
    everything = bool(options.metadata or not pairs)
    if everything:
        people = data.people()
        photos += [photo for mine in people.values() for photo in mine]
        if options.metadata:
            metadata = read_metadata(options.metadata, people, strict=options.strict)
    photos = list(dict.fromkeys(photos))

    model = None
    if options.model:
        model = LocalModel(options.model, options.dimension, options.channels, options.mean, options.scale)
    profiles = [name.strip() for name in options.compare.split(",")] if options.compare else []
    if not profiles and not model:
        profiles = [settings.profile]
    results: list[PipelineResult] = []
    crops: dict[str, str] = {}
    baseline: Replicates | None = None
    first: tuple[config.Settings, Embeddings] | None = None
    for contender in contenders(settings, profiles, model):
        if not options.as_json:
            click.echo(f"{contender.label}: {len(photos):,} photos", err=True)
        folder = settings.evaluation_dir if options.cache else None
        embeddings = embed_all(
            contender.faces, photos, folder, progress=not options.as_json, strict=options.strict
        )
        listed_result: PairList | None = None
        if pairs:
            listed_result, own = evaluate_pairs(pairs, embeddings, data.photos, baseline)
            baseline = own if baseline is None else baseline
            if first and _alike(first[0], contender.settings):
                listed_result = msgspec.structs.replace(
                    listed_result, score_change=score_change(pairs, embeddings, first[1])
                )
            first = first or (contender.settings, embeddings)
        all_result: AllPairs | None = None
        if everything:
            all_result = compare_all(contender.faces, data, embeddings, metadata, settings.calibrations_dir)
        results.append(_result(contender, data, embeddings, listed_result, all_result))
        if options.show_faces and listed_result:
            for error in listed_result.errors:
                for name in (error.first, error.second):
                    crops[name] = crops.get(name) or crop_uri(contender.faces, data.photos / name)
    return Evaluation(
        command=shlex.join(["python", "-m", "lfw_eval", *sys.argv[1:]]),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        version=__version__,
        machine=f"{cpu_name()}, SIMD {_core.isa()}, {platform.system()}",
        data_set=data.photos.name,
        data_set_digest=data.digest(sorted(photos)),
        pair_list=options.pairs if pairs else "",
        pairs=len(pairs),
        photos=len(photos),
        malformed=tuple(pair.problem for pair in pairs if pair.problem),
        pipelines=tuple(results),
    ), crops


def _alike(first: config.Settings, other: config.Settings) -> bool:
    """Whether the settings differ in precision or runtime alone: then their scores have one scale."""
    return msgspec.structs.replace(other, precision=first.precision, runtime=first.runtime) == first


def _read(options: Options) -> tuple[DataSet, list[Pair]]:
    """The data set and its pair list; no pairs where all photos are to be compared with each other."""
    data = locate(options.data)
    file = data.root / options.pairs
    # A folder without the usual list is no LFW.
    listed = options.pairs != VIEW_2 or file.exists()
    if not listed and (options.development or options.fail_under is not None):
        raise DataError(f"{file}: --development and --fail-under need a pair list")
    pairs = read_pairs(file, data, strict=options.strict) if listed else []
    if options.development:
        named = frozenset(photo.parent.name for pair in pairs for photo in pair.photos)
        return replace(data, without=named), []
    return data, pairs


def _result(
    contender: Contender,
    data: DataSet,
    embeddings: Embeddings,
    pair_list: PairList | None,
    all_pairs: AllPairs | None,
) -> PipelineResult:
    times, timed = stage_times(contender.faces, list(embeddings.by_photo))
    return PipelineResult(
        label=contender.label,
        model_id=contender.faces.model_id,
        pipeline=contender.faces.name,
        models={spec.model_id: spec.digest for spec in contender.faces.models},
        failures_to_acquire={
            photo.relative_to(data.photos).as_posix(): slug for photo, slug in embeddings.failures.items()
        },
        milliseconds_by_stage=times,
        photos_timed=timed,
        pair_list=pair_list,
        all_pairs=all_pairs,
    )
