"""What pages say: an open server, filters, errors, and the state of the chain."""

from __future__ import annotations

from pathlib import Path

import pytest
from markupsafe import escape

from govid.callers import Scope
from tests import support
from tests.console.conftest import Site
from tests.console.visitor import Visitor
from tests.postgresql import postgresql_server
from tests.server.access import bearer, caller, make_keys


def test_an_open_server_needs_no_key_says_so_and_serves_no_foreign_page(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_ON_DUPLICATE="hold") as (client, _):
        for subject, photo in (("obama", support.OBAMA), ("again", support.OBAMA_LATER)):
            client.post("/v1/subjects", json={"subject_id": subject, "photo": support.b64(photo)})
        visitor = Visitor(str(client.base_url))
        first = visitor.get("/console")
        assert first.status_code == 200
        assert "This server is open" in first.text
        assert visitor.get("/console/sign-in").headers["location"] == "/console"
        foreign = visitor.get("/console", headers={"Host": "evil.example"})
        assert foreign.status_code == 403
        assert "comes from a web page" in foreign.text
        page = "/console/cases/1"
        nameless = visitor.submit(f"{page}/verdicts", {"verdict": "same"}, page)
        assert nameless.status_code == 400
        form = {"verdict": "same", "adjudicator": "Wang Fang"}
        refused = visitor.post(f"{page}/verdicts", data={**form, "token": ""})
        assert refused.status_code == 403
        elsewhere = {"Origin": "http://evil.example"}
        token = visitor.token(page)
        sent = visitor.post(f"{page}/verdicts", data={**form, "token": token}, headers=elsewhere)
        assert sent.status_code == 403
        own = {"Origin": str(client.base_url).rstrip("/")}
        done = visitor.post(f"{page}/verdicts", data={**form, "token": token}, headers=own)
        assert done.headers["location"] == f"{page}?done=true"
        assert "wang fang" in visitor.get(page).text
        # The first key closes it at once.
        make_keys(folder, caller("officer", Scope.ADMIN))
        for _ in range(200):
            if visitor.get("/console").status_code == 303:
                break
        assert visitor.get("/console").status_code == 303


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("subject_id=biden&operation=verify", {"biden"}),
        ("outcome=NON_MATCH", {"biden"}),
        ("outcome=MATCH&use_case=general&caller=officer", {"obama"}),
        ("outcome=MATCH&caller=nobody", set()),
        ("since=2000-01-01&until=2000-01-02+09:30", set()),
    ],
)
def test_the_audit_is_searched_by_each_field(site: Site, query: str, found: set[str]) -> None:
    page = site.visitor("auditor").get(f"/console/audit?{query}")
    assert page.status_code == 200
    table = page.text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert {name for name in ("obama", "biden") if name in table} == found
    assert found or "No row fits" in page.text


def test_a_wrong_time_is_said_in_words_and_what_was_asked_stays(site: Site) -> None:
    page = site.visitor("auditor").get("/console/audit?since=yesterday&subject_id=biden")
    assert page.status_code == 400
    assert "A time is written as" in page.text
    assert 'value="yesterday"' in page.text
    assert 'value="biden"' in page.text


def test_older_rows_are_a_page_further(site: Site) -> None:
    visitor = site.visitor("auditor")
    last = int(visitor.get("/console/audit").text.partition('href="/console/audit/')[2].partition('"')[0])
    older = visitor.get(f"/console/audit?before={last}").text
    assert f"/console/audit/{last - 1}" in older
    assert f'/console/audit/{last}"' not in older


def test_the_chain_is_examined_on_demand(site: Site) -> None:
    visitor = site.visitor("auditor")
    page = visitor.submit("/console/audit/examination", page="/console/audit")
    assert page.status_code == 200
    assert "Intact" in page.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/console/nowhere", 404, "No such address"),
        ("/console/cases/4711", 404, "No such case"),
        ("/console/cases/9999999999999999999", 404, "No such case"),
        ("/console/audit/4711", 404, "No such address"),
        ("/console/cases?after=x", 400, "is not valid"),
        ("/console?minutes=0", 400, "is not valid"),
        ("/console/sign-out", 405, "does not take this method"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_error_is_a_page_in_the_readers_language(
    site: Site, path: str, status: int, words: str, language: str
) -> None:
    reply = site.visitor("officer", language).get(path)
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    assert (words in reply.text) == (language == "en")
    assert 'lang="zh-Hans"' in reply.text.partition(">")[2].partition(">")[0] or language == "en"
    assert reply.headers["x-request-id"] in reply.text


@pytest.mark.parametrize("path", ["nowhere", "cases/4711", "cases?after=x"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_error_says_what_the_interface_says(site: Site, path: str, language: str) -> None:
    page = site.visitor("officer", language).get(f"/console/{path}").text
    headers = {**bearer(site.keys["officer"]), "Accept-Language": language}
    said = site.api.get(f"/v1/{path}", headers=headers).json()
    assert escape(said["title"]) in page
    assert escape(said["remedy"]) in page


def test_a_store_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with (
        postgresql_server(fsync=False) as postgresql,
        support.server(folder, GOVID_STORE_URL=postgresql.new_database()) as (client, _),
    ):
        visitor = Visitor(str(client.base_url), "zh-CN")
        assert visitor.get("/console").status_code == 200
        postgresql.kill()
        reply = visitor.get("/console")
        while reply.status_code == 200:
            reply = visitor.get("/console")
        assert reply.status_code == 503
        assert reply.headers["retry-after"]
        assert "记录库无法读写" in reply.text
        postgresql.start()


def test_policies_are_shown_with_what_is_wrong_of_them(site: Site) -> None:
    page = site.visitor("desk").get("/console/policies").text
    assert "hotel_checkin@" in page
    assert "1e-4" in page
    assert "portal_login demands passive" in page
    assert page.count("A search gives a match among up to") == page.count('<span class="mark good">')


def test_why_a_shipped_policy_asks_for_what_it_asks_is_said_in_the_readers_language(site: Site) -> None:
    english, chinese = "A guest stands before the desk", "客人站在前台"
    page = site.visitor("desk", "zh").get("/console/policies").text
    assert (english in page, chinese in page) == (False, True)
    page = site.visitor("desk", "en").get("/console/policies").text
    assert (english in page, chinese in page) == (True, False)


def test_the_overview_counts_what_the_interface_answered(site: Site) -> None:
    page = site.visitor("officer").get("/console?minutes=60").text
    assert "/v1/verify" in page
    assert page.count("<svg") >= 2
    assert "Of this server process alone" in page
