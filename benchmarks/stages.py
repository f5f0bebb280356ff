"""Where the milliseconds of one verification go, as the reply and Server-Timing say it."""

from __future__ import annotations

import contextlib
import statistics

from benchmarks import photos
from benchmarks.desk import enrolled, subject
from benchmarks.engines import ours
from benchmarks.harness import Options, main
from benchmarks.results import Row, Table, row
from govid.errors import Refusal, UnknownSubject

USE_CASES = {"fast": "general", "high_assurance": "id_document_appointment"}


def claim(options: Options) -> list[Table]:
    """Median milliseconds of each stage, for both profiles."""
    return [_table(options, profile, use_case) for profile, use_case in USE_CASES.items()]


def _table(options: Options, profile: str, use_case: str) -> Table:
    questions = photos.questions(options.data, options.of_each)
    rounds: list[dict[str, float]] = []
    asked = right = answered = 0
    with enrolled(questions, profile=profile) as engine:
        for _ in range(options.photo_pace.rounds):
            replies = []
            for question in questions:
                asked += 1
                with contextlib.suppress(Refusal, UnknownSubject):
                    reply = engine.verify(subject(question.reference), question.probe, use_case=use_case)
                    replies.append(reply.stages)
                    decided = ours.verdict(reply.decision)
                    right += decided is question.mated
                    answered += decided is not None
            rounds.append(_medians(replies))
    rows: list[Row] = [
        row(stage, [each[stage] for each in rounds], base=None, calls=asked) for stage in rounds[0]
    ]
    total = [sum(each.values()) for each in rounds]
    rows.append(
        row(
            "all stages",
            total,
            base=None,
            calls=asked,
            asked=asked,
            right=right,
            unanswered=asked - answered,
        )
    )
    return Table(
        name=f"stages_{profile}", title=f"One verification by stage, profile {profile}", unit="ms", rows=rows
    )


def _medians(replies: list[dict[str, float]]) -> dict[str, float]:
    return {stage: statistics.median(reply[stage] for reply in replies) for stage in replies[0]}


if __name__ == "__main__":
    main(claim)
