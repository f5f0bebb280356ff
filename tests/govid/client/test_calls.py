"""Every call against a real server."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import get_args

import msgspec
import PIL.Image
import pytest

import govid.client
from govid.client import AsyncClient, Client, Decision, PackedTemplate, Verdict, problems
from govid.ledger.receipts import Receipt
from tests.conftest import Served
from tests.support import BIDEN, OBAMA, OBAMA_LATER, SAMPLES, wait_until

BOB, TWIN = "client ü bob", "client-twin"


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client("all") as client:
        yield client
        for subject in {BOB, TWIN} & set(client.subjects(after="client").subjects):
            client.delete(subject)


def test_a_subject_from_enrolment_to_deletion(client: Client) -> None:
    made = client.enrol(BOB, SAMPLES / "obama-2012.jpg", groups=["staff"])
    assert (made.subject_id, made.held) == (BOB, False)
    with pytest.raises(problems.SubjectExists) as again:
        client.enrol(BOB, OBAMA)
    assert again.value.request_id
    assert again.value.remedy

    answer = client.verify(BOB, OBAMA_LATER)
    assert answer.decision is Decision.MATCH
    template = client.embed(OBAMA_LATER)
    assert client.verify(BOB, template).score == answer.score
    assert (
        client.verify(BOB, PackedTemplate(template.model_id, template.embedding)).decision is Decision.MATCH
    )
    assert client.verify(BOB, BIDEN).decision is Decision.NON_MATCH
    assert client.compare(OBAMA, OBAMA_LATER, use_case="hotel_checkin").use_case == "hotel_checkin"

    found = client.identify(OBAMA_LATER, groups=["staff"], max_candidates=1)
    assert [one.subject_id for one in found.candidates] == [BOB]
    assert client.identify(template, subjects=["nobody"]).decision is Decision.NON_MATCH

    client.add_reference(BOB, OBAMA_LATER, keep_photo_days=0)
    with pytest.raises(problems.InvalidParameter):
        client.add_reference(BOB, OBAMA_LATER, keep_photo_days=8)
    held = client.subject(BOB)
    assert (len(held.references), held.groups) == (2, ("staff",))
    assert [bool(one.photo_kept_until) for one in held.references] == [True, False]
    assert BOB in client.subjects(after="client", limit=10).subjects
    assert client.uses(BOB, limit=3).uses[0].operation == "add_reference"
    assert client.audit(request_id=answer.request_id).rows[0].record.outcome == "MATCH"

    assert client.set_groups(BOB, ["desk", "guests"]).groups == ("desk", "guests")
    assert client.identify(OBAMA_LATER, groups=["staff"]).decision is Decision.NON_MATCH
    gone = client.delete_reference(BOB, held.references[0].reference_id)
    assert gone.reference_id == made.reference_id
    with pytest.raises(problems.UnknownReference):
        client.delete_reference(BOB, made.reference_id)
    with pytest.raises(problems.LastReference):
        client.delete_reference(BOB, held.references[1].reference_id)
    assert client.set_groups(BOB, []).groups == client.subject(BOB).groups == ()

    handed_over = client.export_subject(BOB)
    assert json.loads(handed_over).keys() == {"export", "proof"}
    assert BOB in handed_over.decode()

    assert client.delete(BOB).subject_id == BOB
    with pytest.raises(problems.UnknownSubject):
        client.verify(BOB, OBAMA)


def test_a_receipt_is_checked_here_and_rated_there(client: Client) -> None:
    client.enrol(BOB, OBAMA)
    answer = client.verify(BOB, OBAMA_LATER)
    claims = client.verify_receipt(answer)
    assert (claims.jti, claims.decision, claims.caller) == (answer.request_id, "MATCH", "all")

    keys = client.receipt_keys()
    with Client("http://localhost:1") as offline:
        assert isinstance(offline.verify_receipt(answer.receipt, keys=keys), Receipt)
        head, body, signed = answer.receipt.split(".")
        other = client.verify(BOB, BIDEN)
        for forged in (
            f"{head}.{body}x.{signed}",
            f"{head}.{other.receipt.split('.')[1]}.{signed}",
            "nonsense",
            "",
        ):
            with pytest.raises(problems.InvalidReceipt):
                offline.verify_receipt(forged, keys=keys)
    with pytest.raises(problems.InvalidReceipt, match="another decision"):
        client.verify_receipt(msgspec.structs.replace(other, decision=Decision.MATCH), keys=keys)

    rated = client.feedback(answer.receipt, "bad", "我没有去过那里")
    assert rated.complaint_id is not None
    with pytest.raises(problems.FeedbackExists):
        client.feedback(answer.receipt, "bad")
    with pytest.raises(problems.InvalidReceipt):
        client.feedback("nonsense", "bad")
    assert client.complaints(after=rated.complaint_id - 1).complaints[0].comment == "我没有去过那里"
    client.answer_complaint(rated.complaint_id, "looked at")
    (answered,) = client.complaints(after=rated.complaint_id - 1, limit=1, open_only=False).complaints
    assert answered.answer == "looked at"
    client.answer_complaint(rated.complaint_id, "looked at again", correction=True)
    found = client.answers(answer.receipt)
    assert (found.complaint_id, found.state) == (rated.complaint_id, "answered")
    assert [one.answer for one in found.answers] == ["looked at", "looked at again"]
    with pytest.raises(problems.InvalidReceipt):
        client.answers("nonsense")


def test_a_case_is_decided(client: Client) -> None:
    client.enrol(BOB, OBAMA)
    twin = client.enrol(TWIN, OBAMA_LATER)
    assert twin.held
    assert twin.case_id is not None
    with pytest.raises(problems.SubjectHeld):
        client.verify(TWIN, OBAMA_LATER)
    assert twin.case_id in {case.case_id for case in client.cases().cases}
    assert set(client.case(twin.case_id).subjects) == {BOB, TWIN}
    photo = client.case_photo(twin.case_id, twin.reference_id)
    assert PIL.Image.open(BytesIO(photo)).format == "JPEG"
    with pytest.raises(problems.PhotoNotKept):
        client.case_photo(twin.case_id, 10**9)
    decided = client.decide(twin.case_id, Verdict.TWINS, subjects=(BOB, TWIN), note="birth records")
    assert decided.closed_at is not None
    assert twin.case_id in {case.case_id for case in client.cases(state="closed").cases}
    assert client.verify(TWIN, OBAMA_LATER).decision is Decision.MATCH


def test_a_dedup_job_is_started_looked_at_and_exported(client: Client) -> None:
    client.enrol(BOB, OBAMA)
    job = client.start_dedup()
    with pytest.raises(problems.UnknownJob):
        client.start_dedup(since_job=job.job_id + 1)
    wait_until(lambda: client.dedup_job(job.job_id).state == "done")
    assert client.dedup_jobs(limit=1).jobs == (client.dedup_job(job.job_id),)
    assert client.dedup_jobs(before=job.job_id).jobs == ()
    assert client.export_dedup(job.job_id, format="csv").startswith(b"subject_a,")
    for line in client.export_dedup(job.job_id).splitlines():
        assert json.loads(line)["score"] >= job.threshold
    for call in (client.cancel_dedup, client.resume_dedup):
        with pytest.raises(problems.JobEnded):
            call(job.job_id)


def test_the_installation(client: Client) -> None:
    assert client.healthz().status == "alive"
    assert set(client.readyz().checks.values()) == {"ok"}
    assert b"govid_" in client.metrics()
    by_name = {one.use_case.name: one for one in client.use_cases()}
    assert by_name["general"].available
    assert not by_name["portal_login"].available
    assert by_name["portal_login"].largest_gallery is None
    assert client.checkpoints(limit=1).next_after is None
    lowest = client.models().calibration_lowest_fmr
    assert by_name["general"].largest_gallery == pytest.approx(1e-2 / lowest, abs=1)
    assert by_name["security_check"].largest_gallery == pytest.approx(1e-3 / lowest, abs=1)
    assert client.gallery().dimension == client.models().template_dimension


def test_every_type_that_a_method_answers_comes_from_one_place() -> None:
    answered = set()
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_"):
            said = inspect.get_annotations(method, eval_str=True).get("return")
            answered |= {one for one in (said, *get_args(said)) if inspect.isclass(one)}
    ours = {one.__name__ for one in answered if one.__module__.startswith("govid.")}
    assert {"AuditPage", "ComplaintPage", "Receipt"} <= ours <= set(govid.client.__all__)


def test_who_may_not_is_told_so(served: Served) -> None:
    with served.client("desk") as desk, pytest.raises(problems.NotAllowed):
        desk.identify(OBAMA)
    with Client(served.address) as nobody, pytest.raises(problems.Unauthenticated):
        nobody.use_cases()


def test_async_calls_at_the_same_time(served: Served, client: Client) -> None:
    client.enrol(BOB, OBAMA)

    async def both() -> list[Decision]:
        async with AsyncClient(served.address, api_key=served.keys["all"]) as waiting:
            probes = [OBAMA_LATER, Path(SAMPLES / "biden-2010.jpg")]
            answers = await asyncio.gather(*(waiting.verify(BOB, probe) for probe in probes))
            assert (await waiting.verify_receipt(answers[0])).decision == "MATCH"
            return [answer.decision for answer in answers]

    assert asyncio.run(both()) == [Decision.MATCH, Decision.NON_MATCH]
