"""A photo, and then a decision: govid beside the engines people use instead, one thread each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from benchmarks import photos, roster
from benchmarks.desk import enrolled, subject
from benchmarks.engines import Decided, decide, ours
from benchmarks.engines import Engine as AnyEngine
from benchmarks.harness import Call, Contender, Options, Pace, compare, main
from benchmarks.results import Table
from govid import Engine
from govid.errors import Refusal, UnknownSubject
from govid.results import Verification
from govid.types import PackedTemplate

# Each decision is signed for by a record on disk, as a service has to; no peer does that.
_RECORDED = "the same, and the reference read from SQLite and the audit record written and synced"

Task = Callable[[AnyEngine, photos.Question], Call]
Recorded = Callable[[Engine, photos.Question], Call]


def claim(options: Options) -> list[Table]:
    """Photo to decision, two photos to decision, ready template to decision."""
    questions = photos.questions(options.data, options.of_each)
    # An engine is loaded for its first table and kept for the others.
    makers = {name: cache(make) for name, make in roster.ENGINES.items()}
    photo_pace, pace = options.photo_pace, options.pace
    tasks: list[tuple[str, str, str, Pace, Task, Recorded]] = [
        ("photo_to_decision", "Photo to decision, reference stored", "ms", photo_pace, _photo, _verify),
        ("two_photos", "Two photos to decision", "ms", photo_pace, _two_photos, _compare),
        ("template_to_decision", "Ready template to decision", "µs", pace, _template, _verify_template),
    ]
    with enrolled(questions) as desk:

        def contenders(task: Task, recorded: Recorded) -> list[Contender]:
            def calls(make: Callable[[], AnyEngine]) -> list[Call]:
                return [task(make(), question) for question in questions]

            first, *others = (
                Contender(_title(name), roster.SETTINGS[name], partial(calls, make))
                for name, make in makers.items()
            )
            with_record = Contender(
                "govid, with record",
                _RECORDED,
                lambda: [recorded(desk, question) for question in questions],
                lambda reply: ours.verdict(reply.decision) if reply else None,
            )
            return [first, with_record, *others]

        def right(question: int, decided: Decided) -> bool:
            return decided is questions[question].mated

        return [
            compare(name, title, unit, contenders(task, recorded), right, pace, strict=False)
            for name, title, unit, pace, task, recorded in tasks
        ]


def _title(name: str) -> str:
    return f"{name}, no record" if name.startswith("govid") else name


# --- any engine, without records -----------------------------------------------------------------------


def _photo(engine: AnyEngine, question: photos.Question) -> Call:
    return partial(decide, engine, engine.template(question.reference), question.probe)


def _two_photos(engine: AnyEngine, question: photos.Question) -> Call:
    return partial(lambda: decide(engine, engine.template(question.reference), question.probe))


def _template(engine: AnyEngine, question: photos.Question) -> Call:
    reference, probe = engine.template(question.reference), engine.template(question.probe)
    if reference is None or probe is None:
        return partial(_no_decision)
    return partial(engine.same, reference, probe)


# --- govid with its records ----------------------------------------------------------------------------


def _verify(desk: Engine, question: photos.Question) -> Call:
    return partial(_reply, desk.verify, subject(question.reference), question.probe)


def _compare(desk: Engine, question: photos.Question) -> Call:
    return partial(_reply, desk.compare, question.reference, question.probe)


def _verify_template(desk: Engine, question: photos.Question) -> Call:
    try:
        made = desk.embed(question.probe)
    except Refusal:
        return partial(_no_decision)
    return partial(
        _reply, desk.verify, subject(question.reference), PackedTemplate(made.model_id, made.embedding)
    )


def _reply(function: Callable[..., Verification], *arguments: Any) -> Verification | None:  # noqa: ANN401
    try:
        return function(*arguments)
    except (Refusal, UnknownSubject):
        return None


def _no_decision() -> None:
    """A photo that gave no template."""


if __name__ == "__main__":
    main(claim)
