"""Guessing at one face, and finding out who is enrolled."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from govid.adjudication import Adjudication
from govid.callers import Scope, Sight
from govid.config import Settings
from govid.duplicates import DuplicateCheck
from govid.errors import SubjectHeld, UnknownSubject
from govid.ledger.chain import link
from govid.migration import companion
from govid.pipeline import Engine
from govid.store import Gate, NewReference, Stored
from govid.store.audit import AuditFilter
from govid.types import PackedTemplate, Template
from tests import support
from tests.govid.store.support import AUDIT
from tests.server.access import bearer, caller, make_keys
from tests.support import BIDEN, OBAMA, OBAMA_LATER, b64

# What takes more than a microsecond or two: the store, the core, signatures and digests.
COSTLY = ("sqlite3.", "govid._core", "cryptography.", "_hashlib.")
ATTEMPTS = Settings().lockout_attempts


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return support.data_dir(tmp_path_factory.mktemp("lockout") / "var")


@pytest.fixture(scope="module")
def keys(folder: Path) -> dict[str, str]:
    return make_keys(
        folder,
        caller("hotel", Scope.VERIFY, Scope.IDENTIFY),
        caller("desk", Scope.VERIFY, Scope.IDENTIFY, sees=Sight.COARSE),
        caller("laboratory", Scope.VERIFY, Scope.IDENTIFY, sees=Sight.EXACT),
        caller("auditor", Scope.AUDIT),
        caller("revision", Scope.AUDIT, sees=Sight.COARSE),
        caller("inspector", Scope.AUDIT, sees=Sight.EXACT),
        caller("registry", Scope.ENROL, Scope.VERIFY),
        caller("scraper", Scope.METRICS),
    )


@pytest.fixture(scope="module")
def api(folder: Path, keys: dict[str, str]) -> Iterator[httpx.Client]:
    with support.server(folder) as (client, _):
        yield client


@pytest.fixture(scope="module")
def stranger(api: httpx.Client, keys: dict[str, str]) -> dict[str, str]:
    """The template of somebody who is not enrolled."""
    made = api.post("/v1/embed", files={"photo": BIDEN}, headers=bearer(keys["registry"])).json()
    return {"model_id": made["model_id"], "embedding": made["embedding"]}


def enrol(api: httpx.Client, keys: dict[str, str], subject: str) -> None:
    body = {"subject_id": subject, "photo": b64(OBAMA)}
    api.post("/v1/subjects", json=body, headers=bearer(keys["registry"])).raise_for_status()


def verify(api: httpx.Client, key: str, subject: str, **probe: object) -> httpx.Response:
    return api.post("/v1/verify", json={"subject_id": subject, **probe}, headers=bearer(key))


@pytest.mark.parametrize("enrolled", [True, False], ids=["enrolled", "unknown"])
def test_parallel_attempts_get_no_more_answers_than_others(
    api: httpx.Client, keys: dict[str, str], stranger: dict[str, str], enrolled: bool
) -> None:
    """And a lock tells nothing of whether the subject exists."""
    subject = f"parallel-{enrolled}"
    if enrolled:
        enrol(api, keys, subject)
    with ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(lambda _: verify(api, keys["hotel"], subject, template=stranger), range(24)))
    assert Counter(reply.status_code for reply in replies) == {200: ATTEMPTS, 429: 24 - ATTEMPTS}
    locked = next(reply for reply in replies if reply.status_code == 429)
    assert locked.json()["slug"] == "subject-locked"
    assert 0 < int(locked.headers["retry-after"]) <= Settings().lockout_lock_seconds
    # Neither the right face nor another party gets an answer now.
    for name in ("hotel", "desk", "registry"):
        assert verify(api, keys[name], subject, photo=b64(OBAMA_LATER)).json()["slug"] == "subject-locked"


def test_the_right_face_starts_the_count_anew(
    api: httpx.Client, keys: dict[str, str], stranger: dict[str, str]
) -> None:
    enrol(api, keys, "anew")
    for _ in range(2):
        for _ in range(ATTEMPTS - 1):
            assert verify(api, keys["hotel"], "anew", template=stranger).json()["decision"] == "NON_MATCH"
        assert verify(api, keys["hotel"], "anew", photo=b64(OBAMA_LATER)).json()["decision"] == "MATCH"


def test_who_is_locked_out_by_another_is_let_in_again_by_the_operator_alone(
    folder: Path, api: httpx.Client, keys: dict[str, str], stranger: dict[str, str]
) -> None:
    enrol(api, keys, "victim")
    for _ in range(ATTEMPTS):
        verify(api, keys["hotel"], "victim", template=stranger)
    assert verify(api, keys["desk"], "victim", photo=b64(OBAMA_LATER)).status_code == 429
    command = [support.GOVID, "--data-dir", str(folder), "subject", "unlock", "victim", "--json"]
    lifted = subprocess.run(command, check=True, capture_output=True)
    assert json.loads(lifted.stdout) == {"subject_id": "victim", "failures": ATTEMPTS}
    assert verify(api, keys["desk"], "victim", photo=b64(OBAMA_LATER)).json()["decision"] == "MATCH"
    asked = {"subject_id": "victim", "operation": "unlock"}
    (row,) = api.get("/v1/audit", params=asked, headers=bearer(keys["inspector"])).json()["rows"]
    assert row["record"]["outcome"] == "UNLOCKED"


def test_a_refused_photo_is_no_attempt(api: httpx.Client, keys: dict[str, str]) -> None:
    for _ in range(ATTEMPTS + 1):
        reply = verify(api, keys["hotel"], "refused", photo=b64(b"no photo"))
        assert reply.json()["slug"] == "photo-not-an-image"


def test_a_restart_lifts_no_lock(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    keys = make_keys(folder, caller("hotel", Scope.VERIFY))
    # A lock does not end before its window.
    lock = {
        "GOVID_LOCKOUT_LOCK_SECONDS": "600",
        "GOVID_LOCKOUT_WINDOW_SECONDS": "600",
        "GOVID_LOCKOUT_ATTEMPTS": "2",
    }
    with support.server(folder, **lock) as (client, _):
        for _ in range(2):
            assert verify(client, keys["hotel"], "who", photo=b64(BIDEN)).status_code == 200
    with support.server(folder, **{**lock, "GOVID_LOCKOUT_LOCK_SECONDS": "6000"}) as (client, _):
        locked = verify(client, keys["hotel"], "who", photo=b64(BIDEN))
        assert locked.status_code == 429
        assert int(locked.headers["retry-after"]) <= 600, "nor is it made longer"
        with closing(sqlite3.connect(folder / "govid.sqlite3")) as records, records:
            records.execute("UPDATE failed_attempts SET expires_at = expires_at - 600")
        assert verify(client, keys["hotel"], "who", photo=b64(BIDEN)).status_code == 200


def claims(reply: dict[str, Any]) -> dict[str, Any]:
    """The claims of a reply's receipt without what differs between any two."""
    payload = reply["receipt"].split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: value for name, value in found.items() if name not in {"jti", "iat", "subject", "audit"}}


def shape(reply: httpx.Response) -> dict[str, Any]:
    """A reply without what differs between any two."""
    body = {name: value for name, value in reply.json().items() if name not in {"request_id", "subject_id"}}
    body["receipt"] = claims(body)
    head = {name: value for name, value in reply.headers.items() if name not in {"x-request-id", "date"}}
    head["content-length"] = str(int(head["content-length"]) - len(reply.json()["subject_id"]))
    return {"status": reply.status_code, "head": head, "body": body}


@pytest.mark.parametrize("party", ["hotel", "desk"])
def test_an_unknown_subject_looks_like_a_stranger(
    api: httpx.Client, keys: dict[str, str], party: str
) -> None:
    enrol(api, keys, f"known-{party}")
    known = verify(api, keys[party], f"known-{party}", photo=b64(BIDEN))
    unknown = verify(api, keys[party], f"nobody-{party}-at-all", photo=b64(BIDEN))
    assert shape(known) == shape(unknown)
    assert unknown.json()["decision"] == "NON_MATCH"
    for hidden in ("score", "threshold", "fmr_at_score", "fmr_is_upper_bound", "comparisons", "milliseconds"):
        assert unknown.json()[hidden] is None
    assert unknown.json()["stages"] == {}
    assert "server-timing" not in unknown.headers
    # Nor does a search among named subjects tell.
    found = [
        api.post(
            "/v1/identify",
            json={"photo": b64(BIDEN), "subjects": [subject]},
            headers=bearer(keys[party]),
        ).json()
        for subject in (f"known-{party}", f"nobody-{party}")
    ]
    for one in found:
        del one["request_id"]
        one["receipt"] = claims(one)
    assert found[0] == found[1]


@pytest.mark.parametrize("missing", ["unknown-subject", "subject-held", "reference-too-old"])
def test_a_receipt_hides_why_nothing_was_compared_and_the_audit_does_not(
    api: httpx.Client, keys: dict[str, str], folder: Path, missing: str
) -> None:
    if missing != "unknown-subject":
        enrol(api, keys, missing)
        change = "subject SET held = 1" if missing == "subject-held" else "reference SET created_at = 1"
        with closing(sqlite3.connect(folder / "govid.sqlite3")) as records, records:
            records.execute(f"UPDATE {change} WHERE subject_id = ?", (missing,))
    enrol(api, keys, f"beside-{missing}")
    probe = {"photo": b64(BIDEN), "use_case": "hotel_checkin"}
    stranger = verify(api, keys["hotel"], f"beside-{missing}", **probe)
    hidden = verify(api, keys["hotel"], missing, **probe)
    assert shape(hidden) == shape(stranger)
    assert claims(hidden.json())["decision"] == "NON_MATCH"
    asked = {"request_id": hidden.json()["request_id"]}
    (row,) = api.get("/v1/audit", params=asked, headers=bearer(keys["auditor"])).json()["rows"]
    assert row["record"]["outcome"] == missing
    payload = hidden.json()["receipt"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["audit"] == row["digest"]
    # The receipt serves a complaint like any other.
    said = {"receipt": hidden.json()["receipt"], "rating": "bad"}
    rated = api.post(f"/v1/receipts/{asked['request_id']}/feedback", json=said)
    assert rated.status_code == 201


def test_an_auditor_sees_as_much_of_a_score_as_was_granted(api: httpx.Client, keys: dict[str, str]) -> None:
    """One who probes and reads the audit would climb by it."""
    enrol(api, keys, "audited")
    for photo, near in ((OBAMA_LATER, True), (BIDEN, False)):
        asked = {"request_id": verify(api, keys["hotel"], "audited", photo=b64(photo)).json()["request_id"]}
        blind, coarse, exact = (
            api.get("/v1/audit", params=asked, headers=bearer(keys[name])).json()["rows"][0]["record"]
            for name in ("auditor", "revision", "inspector")
        )
        assert "score" not in blind
        assert isinstance(exact["score"], float)
        assert ("score" in coarse) == near
        if near:
            assert 0 <= exact["score"] - coarse["score"] < 0.05


def test_a_use_case_that_shows_decisions_shows_nobody_a_score(
    api: httpx.Client, keys: dict[str, str], folder: Path
) -> None:
    support.use_case(folder, "blind", 'shows = "decision"\n')
    enrol(api, keys, "blind")
    asker = bearer(keys["laboratory"])
    support.wait_until(lambda: '"blind"' in api.get("/v1/use-cases", headers=asker).text)
    for address, subject in (("verify", {"subject_id": "blind"}), ("identify", {})):
        reply = api.post(
            f"/v1/{address}",
            json={"photo": b64(OBAMA_LATER), "use_case": "blind", **subject},
            headers=bearer(keys["laboratory"]),
        )
        shown = reply.json()
        assert (shown["decision"], shown["shows"], shown["threshold"]) == ("MATCH", "decision", None)
        assert shown.get("score") is None
        assert shown["milliseconds"] is None
        for candidate in shown.get("candidates", ()):
            hidden = (candidate[name] for name in ("score", "fpir_at_score", "fpir_is_upper_bound"))
            assert set(hidden) == {None}
        asked = {"request_id": shown["request_id"]}
        (row,) = api.get("/v1/audit", params=asked, headers=bearer(keys["inspector"])).json()["rows"]
        assert {"score", "threshold", "salt"}.isdisjoint(row["record"])


def test_a_digest_cannot_be_found_by_trying(api: httpx.Client, keys: dict[str, str], folder: Path) -> None:
    """Receipts show it, and of a caller's own row only the score, or whether there was one, is not known."""
    enrol(api, keys, "tried")
    decided = verify(api, keys["hotel"], "tried", photo=b64(BIDEN)).json()
    asked = {"request_id": decided["request_id"]}
    for name in ("auditor", "revision", "inspector"):
        (row,) = api.get("/v1/audit", params=asked, headers=bearer(keys[name])).json()["rows"]
        assert ("salt" in row["record"]) == (name == "inspector")
    with closing(sqlite3.connect(folder / "govid.sqlite3")) as records:
        found = records.execute(
            "SELECT record, digest, (SELECT digest FROM audit AS before"
            " WHERE before.audit_id < audit.audit_id ORDER BY before.audit_id DESC LIMIT 1)"
            " FROM audit WHERE request_id = ?",
            (decided["request_id"],),
        ).fetchone()
        salts = [json.loads(text)["salt"] for (text,) in records.execute("SELECT record FROM audit")]
    record = json.loads(found[0])
    assert link(found[2], found[0].encode()) == found[1]
    del record["salt"]
    assert link(found[2], json.dumps(record, separators=(",", ":")).encode()) != found[1]
    assert len(set(salts)) == len(salts)
    assert {len(bytes.fromhex(salt)) for salt in salts} == {16}


def test_metrics_tell_nothing_of_a_stranger(api: httpx.Client, keys: dict[str, str]) -> None:
    """Neither how near a photo came, nor whether there was somebody to come near to."""
    enrol(api, keys, "measured")

    def scores() -> list[str]:
        text = api.get("/metrics", headers=bearer(keys["scraper"])).text
        return [line for line in text.splitlines() if line.startswith("govid_comparison_score")]

    before = scores()
    for subject in ("measured", "nobody-measured"):
        decided = verify(api, keys["hotel"], subject, photo=b64(BIDEN), use_case="hotel_checkin").json()
        assert decided["decision"] == "NON_MATCH"
        assert scores() == before
    verify(api, keys["hotel"], "measured", photo=b64(OBAMA_LATER), use_case="hotel_checkin")
    support.wait_until(lambda: scores() != before)


def test_nobody_plants_a_face_on_somebody_else(api: httpx.Client, keys: dict[str, str]) -> None:
    enrol(api, keys, "planted")
    asker = bearer(keys["registry"])
    reply = api.post("/v1/subjects/planted/references", json={"photo": b64(BIDEN)}, headers=asker)
    assert (reply.status_code, reply.json()["slug"]) == (409, "unlike-subject")
    assert verify(api, keys["registry"], "planted", photo=b64(BIDEN)).json()["decision"] == "NON_MATCH"
    asked = {"request_id": reply.headers["x-request-id"]}
    (row,) = api.get("/v1/audit", params=asked, headers=bearer(keys["inspector"])).json()["rows"]
    assert (row["record"]["outcome"], row["record"]["subject_id"]) == ("unlike-subject", "planted")
    own = api.post("/v1/subjects/planted/references", json={"photo": b64(OBAMA_LATER)}, headers=asker)
    assert own.status_code == 201


def test_nobody_matches_who_was_deleted_meanwhile(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The photo takes time, and a deletion may be answered in it."""
    probe = engine._inquiries.probe

    def slow(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        made = probe(*arguments, **options)
        engine.delete("leaving")
        return made

    for sight in (Sight.DECISION, Sight.EXACT):
        engine.enrol("leaving", OBAMA)
        asker = caller("hotel", Scope.VERIFY, sees=sight)
        with monkeypatch.context() as patched:
            patched.setattr(engine._inquiries, "probe", slow)
            if asker.knows_subjects:
                with pytest.raises(UnknownSubject):
                    engine.verify("leaving", OBAMA_LATER, caller=asker)
            else:
                assert engine.verify("leaving", OBAMA_LATER, caller=asker).decision == "NON_MATCH"
        last, before = engine.ledger.rows(AuditFilter(subject_id="leaving"), limit=2).rows
        assert (before.record.outcome, last.record.outcome) == ("DELETED", "unknown-subject")


@pytest.mark.parametrize("sight", [Sight.DECISION, Sight.EXACT])
def test_nobody_matches_a_reference_that_was_deleted_meanwhile(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, sight: Sight
) -> None:
    """A wrong photo is taken out of a subject, while somebody is let in by it."""
    probe = engine._inquiries.probe
    engine.enrol("mixed", OBAMA)
    made = engine.embed(BIDEN)
    template = Template(made.model_id, np.frombuffer(made.embedding, "<f4"))
    planted = NewReference("mixed", template, (), time.time())
    wrong = engine.store.add_reference(planted, AUDIT, None, lambda *_: b"", max_references=2)
    assert isinstance(wrong, Stored)
    asker = caller("hotel", Scope.VERIFY, sees=sight)
    assert engine.verify("mixed", BIDEN, caller=asker).decision == "MATCH"

    def slow(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        made = probe(*arguments, **options)
        engine.delete_reference("mixed", wrong.reference.reference_id)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(engine._inquiries, "probe", slow)
        assert engine.verify("mixed", BIDEN, caller=asker).decision == "NON_MATCH"
    last, before = engine.ledger.rows(AuditFilter(subject_id="mixed"), limit=2).rows
    assert (before.record.operation, before.record.outcome) == ("delete_reference", "DELETED")
    assert (last.record.outcome, last.record.comparisons) == ("NON_MATCH", 1)
    assert engine.verify("mixed", OBAMA_LATER, caller=asker).decision == "MATCH"


@pytest.mark.parametrize("raced", [False, True])
def test_nobody_is_let_in_by_deleting_the_photo_that_he_looks_like(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, raced: bool
) -> None:
    """Whoever may enrol enrols one person twice, and takes the one photo away that gives it away."""
    with Engine(msgspec.structs.replace(settings, on_duplicate="hold", adjudicators_required=1)) as engine:
        first = engine.enrol("first", OBAMA).reference_id
        engine.add_reference("first", OBAMA_LATER)
        gate = DuplicateCheck.gate

        def slow(self: DuplicateCheck, *, can_hold: bool) -> Gate:
            if len(engine.subject("first").references) == 2:
                engine.delete_reference("first", first)
            return gate(self, can_hold=can_hold)

        if raced:
            monkeypatch.setattr(DuplicateCheck, "gate", slow)
        second = engine.enrol("second", OBAMA)
        if not raced:
            engine.delete_reference("first", first)
        queue = Adjudication(engine.store.database)
        (case,) = queue.page().cases
        assert (second.held, case.case_id, case.held) == (True, second.case_id, "second")
        with pytest.raises(SubjectHeld):
            engine.verify("second", OBAMA)
        (pair,) = queue.case(case.case_id).pairs
        (left,) = engine.subject("first").references
        assert (pair.present, left.reference_id) == (True, min(pair.reference_a, pair.reference_b))


@pytest.mark.parametrize("whole", [True, False], ids=["subject", "reference"])
def test_no_search_names_who_was_deleted_before_its_record(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    decided = engine._inquiries.decided
    first = engine.enrol("found", OBAMA).reference_id
    engine.add_reference("found", OBAMA_LATER)
    left = [lambda: engine.delete("found") if whole else engine.delete_reference("found", first)]

    def slow(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        if left:
            left.pop()()
        return decided(*arguments, **options)

    monkeypatch.setattr(engine._inquiries, "decided", slow)
    found = engine.identify(OBAMA)
    (row,) = engine.ledger.rows(AuditFilter(operation="identify")).rows
    if whole:
        assert (found.candidates, row.record.outcome) == ((), "NON_MATCH")
    else:
        (candidate,) = found.candidates
        assert candidate.score is not None
        assert candidate.score < 0.99, "by the reference that is left"
        assert row.record.score == candidate.score


def test_nobody_matches_by_the_face_of_an_earlier_subject_of_the_name(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = engine._inquiries.probe
    engine.enrol("name", OBAMA)

    def slow(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        made = probe(*arguments, **options)
        with monkeypatch.context() as quick:
            quick.setattr(engine._inquiries, "probe", probe)
            engine.delete("name")
            engine.enrol("name", BIDEN)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(engine._inquiries, "probe", slow)
        assert engine.verify("name", OBAMA_LATER).decision == "NON_MATCH"


def test_nobody_deletes_or_regroups_by_the_path_of_somebody_else(
    api: httpx.Client, keys: dict[str, str]
) -> None:
    """A reference is deleted by the name of its own subject alone, and what is no reference is none."""
    asker = bearer(keys["registry"])
    for name in ("own", "others"):
        enrol(api, keys, name)
    found = api.get("/v1/subjects/others", headers=asker).json()
    (theirs,) = (one["reference_id"] for one in found["references"])
    unknown = api.delete("/v1/subjects/nobody/references/1", headers=asker)
    assert (unknown.status_code, unknown.json()["slug"]) == (404, "unknown-reference")
    same = ("slug", "title", "remedy", "status")
    for reference in (theirs, 10**18, theirs + 999):
        reply = api.delete(f"/v1/subjects/own/references/{reference}", headers=asker)
        assert [reply.json()[name] for name in same] == [unknown.json()[name] for name in same]
    for path in (
        "own/references/0",
        "own/references/-1",
        f"own/references/{10**30}",
        "own/references/1%2f1",
        "own/references/x",
        "own/references/1%20OR%201=1",
        "%2e%2e/references/1",
    ):
        assert api.delete(f"/v1/subjects/{path}", headers=asker).status_code in {400, 404, 422}
    last = api.delete(f"/v1/subjects/others/references/{theirs}", headers=asker)
    assert (last.status_code, last.json()["slug"]) == (409, "last-reference")
    assert api.get("/v1/subjects/others", headers=asker).json() == found
    for body in (
        {"groups": ["../x"]},
        {"groups": [f"g{n}" for n in range(17)]},
        {"groups": "x"},
        {},
        {"group": []},
    ):
        reply = api.put("/v1/subjects/own/groups", json=body, headers=asker)
        assert reply.status_code in {400, 422}, reply.text
    for path in ("nobody/groups", "%2e%2e/groups"):
        assert api.put(f"/v1/subjects/{path}", json={"groups": []}, headers=asker).status_code in {404, 422}
    assert api.get("/v1/subjects/own", headers=asker).json()["groups"] == []


def test_who_may_look_a_subject_up_is_told_that_it_is_unknown(
    api: httpx.Client, keys: dict[str, str]
) -> None:
    for party in ("registry", "laboratory"):
        reply = verify(api, keys[party], "nobody", photo=b64(BIDEN))
        assert (reply.status_code, reply.json()["slug"]) == (404, "unknown-subject")


def test_an_unknown_subject_takes_the_work_of_a_stranger(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time follows from work: the same statements, comparisons, digests and signatures, in this order."""
    engine.enrol("known", OBAMA)
    stranger = engine.embed(BIDEN)
    template = PackedTemplate(stranger.model_id, stranger.embedding)
    hotel = caller("hotel", Scope.VERIFY)

    def work(subject: str) -> list[str]:
        steps: list[str] = []

        def note(_: FrameType, event: str, function: Any) -> None:  # noqa: ANN401 - sys.setprofile's own
            if event == "c_call":
                of = getattr(function, "__module__", None) or type(function.__self__).__module__
                steps.append(f"{of}.{function.__qualname__}")

        sys.setprofile(note)
        try:
            decision = engine.verify(subject, template, caller=hotel).decision
        finally:
            sys.setprofile(None)
        assert decision == "NON_MATCH"
        return [step for step in steps if step.startswith(COSTLY)]

    monkeypatch.setattr(companion, "LOOK_SECONDS", 3600)  # what is done once in a while is done
    monkeypatch.setattr(engine._companion, "_next_look", 0.0)
    work("known")
    known, unknown = work("known"), work("nobody")
    for costly in COSTLY:
        assert any(step.startswith(costly) for step in known), known
    assert unknown == known


def test_there_is_no_slope_to_climb(api: httpx.Client, keys: dict[str, str]) -> None:
    """What a climber would follow: how near a photo came."""
    enrol(api, keys, "climbed")
    blind = verify(api, keys["hotel"], "climbed", photo=b64(OBAMA_LATER)).json()
    assert (blind["decision"], blind["score"], blind["fmr_at_score"]) == ("MATCH", None, None)
    below = verify(api, keys["desk"], "climbed", photo=b64(BIDEN)).json()
    assert (below["decision"], below["score"], below["fmr_at_score"]) == ("NON_MATCH", None, None)
    exact = verify(api, keys["laboratory"], "climbed", photo=b64(OBAMA_LATER)).json()
    coarse = verify(api, keys["desk"], "climbed", photo=b64(OBAMA_LATER)).json()
    assert coarse["decision"] == "MATCH"
    assert 0 <= exact["score"] - coarse["score"] < 0.05
    assert round(coarse["score"] * 20, 6) == round(coarse["score"] * 20)
    assert str(coarse["fmr_at_score"]).lstrip("0.1e-").strip("0123456789") == ""
    searched = api.post("/v1/identify", files={"photo": OBAMA_LATER}, headers=bearer(keys["hotel"])).json()
    assert searched["decision"] == "MATCH"
    assert {candidate["score"] for candidate in searched["candidates"]} == {None}
