"""Who gets in, how long, and what an attacker may try: without a browser, as any program could send it."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from govid.callers import Scope
from govid.store.keys import KeyStore
from govid.store.sqlite import SqliteStore
from server import scarce
from server.access.routes import ROUTES
from tests import support
from tests.console.conftest import MARKUP, Site
from tests.console.visitor import Tags, Visitor
from tests.server.access import bearer, caller, make_keys
from tests.support import wait_until

PAGES = ("", "/decisions", "/cases", "/cases/1", "/complaints", "/audit", "/audit/1", "/policies")
FORMS = [route.removeprefix("POST ") for route in ROUTES if route.startswith("POST /console/")]


def sent_away(reply: httpx.Response) -> bool:
    """Whether the reply sends somebody without a session to the sign-in."""
    return reply.status_code == 303 and reply.headers["location"].startswith("/console/sign-in")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_shown_without_a_session(site: Site, path: str) -> None:
    reply = site.visitor().get(f"/console{path}")
    assert sent_away(reply)
    assert reply.content == b""


def test_a_session_cookie_is_for_the_console_alone_and_no_script_reads_it(site: Site) -> None:
    visitor = site.visitor()
    cookies = visitor.sign_in(site.keys["officer"]).headers.get_list("set-cookie")
    (session,) = [one for one in cookies if one.startswith("govid_session=")]
    assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= set(session.split("; "))
    assert "Max-Age" not in session
    assert visitor.get("/console").status_code == 200


def test_over_tls_cookies_are_for_tls_alone(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    key = make_keys(folder, caller("auditor", Scope.AUDIT))["auditor"]
    with support.server(folder, "--behind-proxy") as (client, _):
        visitor = Visitor(str(client.base_url))
        visit = visitor.get("/console/sign-in").headers["set-cookie"]
        assert visit.startswith("__Host-govid_visit=")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Secure"} <= set(visit.split("; "))
        # This client, too, sends such a cookie back by TLS alone, so it is sent by hand.
        sent = {"Cookie": visit.partition(";")[0]}
        page = visitor.get("/console/sign-in", headers=sent).text
        token = next(tag["value"] for name, tag in Tags(page).found if tag.get("name") == "token")
        form = {"token": token or "", "key": key}
        session = visitor.post("/console/sign-in", data=form, headers=sent).headers.get_list("set-cookie")[0]
        assert session.startswith("__Host-govid_session=")
        assert "Secure" in session.split("; ")
        # Without its prefix anybody on a sibling domain could have set it.
        stolen = session.partition(";")[0].removeprefix("__Host-")
        assert sent_away(visitor.get("/console", headers={"Cookie": stolen}))


@pytest.mark.parametrize("address", FORMS)
def test_a_form_without_its_token_does_nothing(site: Site, address: str) -> None:
    visitor = site.visitor("officer")
    address = address.format(case_id=1, complaint_id=1)
    before = site.api.get("/v1/audit?limit=1", headers=bearer(site.keys["officer"])).json()["rows"][0]
    token_of_another = site.visitor("officer").token()
    for token in ({}, {"token": ""}, {"token": "ä"}, {"token": token_of_another}):
        reply = visitor.post(address, data={**token, "verdict": "same", "answer": "no", "key": "x"})
        assert reply.status_code == 403
        assert "does not come from a page of this session" in reply.text
    as_json = visitor.post(address, json={"token": visitor.token(), "verdict": "same"})
    assert as_json.status_code == 415
    origins = ({"Origin": origin} for origin in ("https://evil.example", "null", "http://[", "//"))
    for claim in (*origins, {"Sec-Fetch-Site": "cross-site"}):
        form = {"token": visitor.token(), "verdict": "same", "answer": "no"}
        assert visitor.post(address, data=form, headers=claim).status_code == 403
    after = site.api.get("/v1/audit?limit=100", headers=bearer(site.keys["officer"])).json()["rows"]
    since = [row["record"]["operation"] for row in after if row["audit_id"] > before["audit_id"]]
    assert set(since) <= {"sign_in"}
    assert visitor.get("/console").status_code == 200, "nobody was signed out"


def test_a_word_that_somebody_else_chose_becomes_no_session(site: Site) -> None:
    visitor = site.visitor()
    visitor.keep("chosen-by-another")
    assert sent_away(visitor.get("/console"))
    visitor.keep("chosen-by-another")
    visitor.sign_in(site.keys["officer"])
    assert visitor.cookies["govid_session"] != "chosen-by-another"
    thief = site.visitor()
    thief.keep("chosen-by-another")
    assert sent_away(thief.get("/console"))


def test_signing_in_again_gives_another_session(site: Site) -> None:
    visitor = site.visitor("officer")
    first = visitor.cookies["govid_session"]
    visitor.sign_in(site.keys["officer"])
    assert visitor.cookies["govid_session"] != first


def test_a_session_that_was_ended_cannot_be_used_again(site: Site) -> None:
    visitor = site.visitor("officer")
    kept = visitor.cookies["govid_session"]
    assert sent_away(visitor.submit("/console/sign-out"))
    assert "govid_session" not in visitor.cookies
    visitor.keep(kept)
    reply = visitor.get("/console")
    assert sent_away(reply)
    assert "session has ended" in visitor.get(reply.headers["location"]).text


def test_with_its_key_a_session_ends_at_once(site: Site) -> None:
    visitor = site.visitor("leaver")
    assert visitor.get("/console/audit").status_code == 200
    store = SqliteStore(site.folder / "govid.sqlite3")
    KeyStore(store.database).revoke("leaver")
    store.close()
    # Keys are believed for half a second.
    wait_until(lambda: sent_away(visitor.get("/console/audit")))
    assert visitor.sign_in(site.keys["leaver"]).status_code == 401


def test_who_guesses_is_locked_out_and_others_are_not(site: Site) -> None:
    visitor, key = site.visitor(), site.keys["guessed"]
    wrong = key[:-4] + ("0000" if not key.endswith("0000") else "1111")
    assert [visitor.sign_in(wrong).status_code for _ in range(6)] == [401] * 5 + [429]
    locked = visitor.sign_in(key)
    assert locked.status_code == 429
    assert int(locked.headers["retry-after"]) >= 1
    assert "Too many tries" in locked.text
    assert visitor.sign_in(site.keys["auditor"]).status_code == 303
    log = (site.folder / "server.log").read_text()
    assert "sign-in with key id" in log
    assert wrong not in log


def test_what_was_presented_as_a_key_is_not_in_the_log(site: Site) -> None:
    visitor, good = site.visitor(), site.keys["auditor"]
    forged = "govid_\n2026-11-26 01:29:59,000 INFO govid.requests: caller=forged"
    presented = [
        f"{forged}_".ljust(len(good), "x"),
        "govid_\x1b[2K\x1b]0;forged\x07".ljust(len(good), "_"),
        good[::-1].replace("_", "-"),
        "-".join(good.rsplit("_", 1)),  # mistyped by a letter
        good.replace("_", "__", 1)[:-1],
        good.upper(),
    ]
    for key in presented:
        assert visitor.submit("/console/sign-in", {"key": key}).status_code in {401, 429}
    log = (site.folder / "server.log").read_text()
    assert "forged" not in log
    assert "\x1b" not in log
    secret = good.rpartition("_")[2]
    assert not any(part in log for part in (secret, secret[::-1], secret.upper(), secret[:-1]))


def test_a_flood_of_sign_ins_does_not_fill_the_log(site: Site) -> None:
    visitor = site.visitor()
    token = visitor.token()
    begun, before = time.monotonic(), (site.folder / "server.log").read_text().count("sign-in with key id")
    for _ in range(150):
        visitor.post("/console/sign-in", data={"token": token, "key": "govid_zz"})
    lines = (site.folder / "server.log").read_text().count("sign-in with key id") - before
    assert lines <= scarce.PER_SECOND * (time.monotonic() - begun + 2)


def test_a_key_or_session_is_in_no_page_file_or_log(site: Site) -> None:
    visitor = site.visitor("officer")
    word = visitor.cookies["govid_session"]
    replies = [visitor.get(f"/console{path}") for path in PAGES]
    replies.append(visitor.submit("/console/sign-in", {"key": site.keys["second"] + "0"}))
    for secret in (word, *site.keys.values()):
        assert not any(secret in reply.text or secret in str(reply.url) for reply in replies)
        assert not any(
            secret.encode() in path.read_bytes() for path in site.folder.iterdir() if path.is_file()
        )


def test_a_session_opens_no_interface_and_a_key_no_page(site: Site) -> None:
    visitor = site.visitor("officer")
    word = visitor.cookies["govid_session"]
    assert visitor.get("/v1/audit", headers={"Cookie": f"govid_session={word}"}).status_code == 401
    assert sent_away(site.visitor().get("/console/audit", headers=bearer(site.keys["officer"])))
    assert sent_away(site.visitor().get(f"/console/audit?key={site.keys['officer']}"))


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/console",
        "//evil.example/console",
        "/\\evil.example",
        "/console//evil.example",
        "/console/../../evil",
        "/console\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "/console@evil.example",
        "/v1/audit",
        "/consolex",
    ],
)
def test_after_signing_in_nobody_is_led_elsewhere(site: Site, following: str) -> None:
    visitor = site.visitor()
    assert visitor.sign_in(site.keys["officer"], following).headers["location"] == "/console"
    asked = visitor.get("/console/sign-in", params={"next": following}).text
    tags = Tags(asked).found
    ways_back = [tag["value"] or "" for _, tag in tags if tag.get("name") == "next"]
    assert [way for way in ways_back if not way.startswith("/console/sign-in?next=")] == ["/console"]
    language = visitor.submit("/console/language", {"language": "zh", "next": following})
    assert language.headers["location"] == "/console"


def test_after_signing_in_one_is_where_one_wanted_to_be(site: Site) -> None:
    wanted = "/console/audit?subject_id=biden&operation=verify"
    assert site.visitor().sign_in(site.keys["officer"], wanted).headers["location"] == wanted


@pytest.mark.parametrize("path", ["/sign-in", "/nowhere", *PAGES, "/assets/console.css"])
def test_no_page_is_kept_framed_or_helped_by_a_script(site: Site, path: str) -> None:
    reply = site.visitor("officer").get(f"/console{path}")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "same-origin"
    tags = Tags(reply.text).found
    assert not any(name in {"script", "style", "iframe", "object", "base"} for name, _ in tags)
    assert not any(key.startswith("on") or key == "style" for _, tag in tags for key in tag)
    addresses = [tag[key] or "" for _, tag in tags for key in ("src", "href", "action") if key in tag]
    assert all(address.startswith(("/console", "#", "?", "data:image/jpeg")) for address in addresses)


def test_what_others_wrote_is_text(site: Site) -> None:
    visitor = site.visitor("officer")
    case_id = site.new_case(f"{MARKUP} 2")
    page = f"/console/cases/{case_id}"
    note = "</textarea><script>alert(1)</script>{{ 7 * 7 }}"
    refused = visitor.submit(f"{page}/verdicts", {"verdict": "", "note": note}, page)
    assert refused.status_code == 400
    assert visitor.submit(f"{page}/verdicts", {"verdict": "twins", "note": note}, page).status_code == 303
    shown = [visitor.get(f"/console{path}").text for path in (*PAGES, "/cases?state=closed")]
    shown += [
        refused.text,
        visitor.get(page).text,
        visitor.get("/console/audit", params={"caller": note}).text,
    ]
    for text in shown:
        for name, tag in Tags(text).found:
            assert name != "script"
            assert tag.get("src", "/console") != "x"
            assert "onerror" not in tag
        assert "49" not in text or "{{ 7 * 7 }}" in text or note not in text
    assert sum("&lt;script&gt;" in text for text in shown) >= 3
    assert sum("&lt;img src=x" in text for text in shown) >= 3


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("auditor", {"", "/decisions", "/complaints", "/audit", "/audit/1", "/policies"}),
        ("second", {"", "/cases", "/cases/1", "/policies"}),
        ("desk", {"", "/policies"}),
    ],
)
def test_scopes_open_pages_as_they_open_the_interface(site: Site, name: str, pages: set[str]) -> None:
    visitor = site.visitor(name)
    statuses = {path: visitor.get(f"/console{path}").status_code for path in PAGES}
    assert statuses == {path: 200 if path in pages else 403 for path in PAGES}
    menu = {tag["href"] for tag_name, tag in Tags(visitor.get("/console").text).found if tag_name == "a"}
    assert "/console/audit" in menu or "/audit" not in pages
    assert "/console/audit" not in menu or "/audit" in pages
    if name == "desk":
        refused = visitor.get("/console/audit").text
        assert "The caller has not the scope for this" in refused
        assert "Sign out" in refused
        # Nor what the operator alone may know.
        assert "/v1/verify" not in visitor.get("/console").text


def test_scores_are_shown_by_the_rule_of_the_interface(site: Site) -> None:
    case = "/console/cases/1"
    seen = site.visitor("officer").get(case).text
    assert "0.7786" in seen
    # What that means, for who does not think in powers of ten.
    assert "fewer than 1 in 2,500,000 reach this one" in seen
    hidden = site.visitor("second").get(case).text
    assert "0.77" not in hidden
    assert hidden.count("not shown to this key") == 2
    assert "1 in " not in hidden


def test_who_acts_stands_in_the_audit(site: Site) -> None:
    case_id = site.new_case("who acts")
    visitor = site.visitor("second")
    page = f"/console/cases/{case_id}"
    another = {"verdict": "same", "adjudicator": "officer"}
    assert visitor.submit(f"{page}/verdicts", another, page).status_code == 400
    assert visitor.submit(f"{page}/verdicts", {"verdict": "same"}, page).status_code == 303
    visitor.submit("/console/sign-out")
    rows = site.api.get("/v1/audit?caller=second&limit=3", headers=bearer(site.keys["officer"])).json()[
        "rows"
    ]
    assert [(row["record"]["operation"], row["record"]["outcome"]) for row in rows] == [
        ("sign_out", "SIGNED_OUT"),
        ("adjudicate", "SAME"),
        ("sign_in", "SIGNED_IN"),
    ]


def test_a_form_sent_twice_is_one_verdict(site: Site) -> None:
    case_id = site.new_case("sent twice")
    visitor = site.visitor("officer")
    page = f"/console/cases/{case_id}"
    form = {"verdict": "different", "key": "the same for both"}
    assert [visitor.submit(f"{page}/verdicts", form, page).status_code for _ in range(2)] == [303, 303]
    case = site.api.get(f"/v1/cases/{case_id}", headers=bearer(site.keys["officer"])).json()
    assert len(case["verdicts"]) == len(case["pairs"])
