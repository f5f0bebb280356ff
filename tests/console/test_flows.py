"""What people do at the console, in Chromium, by keyboard alone; and whether everybody can.

With CONSOLE_SCREENSHOTS=FOLDER each page is also saved there, in both languages, wide and narrow.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests import support
from tests.console.conftest import MARKUP, Site
from tests.server.access import bearer

PICTURES = os.environ.get("CONSOLE_SCREENSHOTS", "")
PAGES = ("", "/decisions", "/cases", "/complaints", "/audit", "/policies", "/nowhere")
MOST_TABS = 120
PATIENCE = support.PATIENCE_SECONDS * 1000  # milliseconds
expect.set_options(timeout=PATIENCE)


# Of this module alone: Playwright's event loop runs as long as the browser, and other tests have their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; without it the tests of pages as people see them are skipped."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A fresh profile in English, that nobody has signed in with. No error may be hidden."""
    context = browser.new_context(base_url=site.address, locale="en-GB", timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    failures: list[str] = []
    page.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("dialog", lambda dialog: failures.append(f"a script spoke: {dialog.message}"))
    yield page
    context.close()
    # A status of 4xx is told there, too: the tests look at those themselves.
    assert [one for one in failures if "Failed to load resource" not in one] == []


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until that has the focus, and see that the focus can be seen."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            outline = wanted.evaluate("one => getComputedStyle(one).outlineStyle")
            assert outline not in {"none", ""}, "the focus cannot be seen"
            return
    raise AssertionError(f"{wanted} cannot be reached by the keyboard")


def go(page: Page) -> None:
    """Press Enter where that leads to another page, and wait for it."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def access_key(page: Page, key: str) -> None:
    """Alt and a key. Playwright's keyboard leaves out the character, by which Chromium knows it."""
    event = {"modifiers": 1, "key": key, "windowsVirtualKeyCode": ord(key.upper()), "unmodifiedText": key}
    session = page.context.new_cdp_session(page)
    session.send("Input.dispatchKeyEvent", {"type": "keyDown", **event})
    session.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})
    session.detach()


def follow(page: Page, name: str) -> None:
    """Go to a link or button of that name by Tab, and press Enter."""
    link = page.get_by_role("link", name=name, exact=True)
    tab_to(page, link if link.count() else page.get_by_role("button", name=name, exact=True))
    go(page)


def sign_in(page: Page, site: Site, name: str = "officer") -> None:
    """From any page to the first one. The field has the focus already."""
    page.goto("/console")
    expect(page.locator("input:focus")).to_have_count(1)
    page.keyboard.type(site.keys[name])
    go(page)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def picture(page: Page, name: str) -> None:
    """Keep what is seen, if a folder was named."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def test_sign_in_look_at_health_and_sign_out(page: Page, site: Site) -> None:
    page.goto("/console/policies")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("input:focus")).to_have_count(1)
    page.keyboard.type("govid_wrong")
    go(page)
    assert "credential is not valid" in page.get_by_role("alert").inner_text()
    page.keyboard.type(site.keys["officer"])
    go(page)
    # On to the page that was asked for.
    expect(page.get_by_role("heading", name="Policies")).to_be_visible()
    follow(page, "Overview")
    health = page.get_by_role("region", name="Health")
    assert "Ready" in health.inner_text()
    expect(page.get_by_role("img", name="Answers a second")).to_be_visible()
    expect(page.get_by_role("img", name="Time to answer")).to_be_visible()
    follow(page, "Sign out")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/console")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_first_tab_skips_to_the_content(page: Page, site: Site) -> None:
    sign_in(page, site)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    assert skip.evaluate("one => one === document.activeElement")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_search_the_audit(page: Page, site: Site) -> None:
    sign_in(page, site)
    follow(page, "Audit")
    access_key(page, "s")
    assert page.evaluate("document.activeElement.id") == "subject_id"
    page.keyboard.type("biden")
    go(page)
    rows = page.get_by_role("region", name="Rows of the audit, newest first").get_by_role("row")
    assert rows.count() == 3  # the head, a verification, an enrolment
    follow(page, rows.nth(1).get_by_role("link").first.inner_text())
    assert "general@" in page.get_by_role("main").inner_text()


def test_adjudicate_a_duplicate(page: Page, site: Site) -> None:
    case_id = site.new_case("adjudicated")
    sign_in(page, site)
    follow(page, "Cases")
    follow(page, str(case_id))
    expect(page.get_by_role("heading", name="obama").first).to_be_visible()
    with page.expect_navigation():
        access_key(page, "p")
    assert page.get_by_text("No photo is kept of this reference").count() == 2
    access_key(page, "2")
    assert page.get_by_role("radio", name="different people").is_checked()
    access_key(page, "n")
    page.keyboard.type("their ears differ")
    page.keyboard.press("Tab")
    go(page)
    assert "Your verdict is recorded" in page.get_by_role("status").inner_text()
    assert "their ears differ" in page.get_by_role("main").inner_text()
    decided = site.api.get(f"/v1/cases/{case_id}", headers=bearer(site.keys["officer"])).json()
    assert [one["adjudicator"] for one in decided["verdicts"]] == ["officer"] * len(decided["verdicts"])
    assert decided["closed_at"] is not None
    assert decided["held"] is None or decided["settled"]


def test_both_photos_are_as_wide_on_a_telephone_and_larger_on_demand(
    browser: Browser, tmp_path: Path
) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_ON_DUPLICATE="hold", GOVID_KEEP_PHOTOS_DAYS="1") as (client, _):
        for subject, photo in (("310101196108040017", support.OBAMA), ("b", support.OBAMA_LATER)):
            client.post("/v1/subjects", json={"subject_id": subject, "photo": support.b64(photo)})
        page = browser.new_page(base_url=str(client.base_url), viewport={"width": 390, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.goto("/console/cases/1")
        with page.expect_navigation():
            access_key(page, "p")

        def widths() -> list[float]:
            photos = page.get_by_role("img", name="Photo of").all()
            return [round(photo.evaluate("one => one.getBoundingClientRect().width")) for photo in photos]

        small = widths()
        assert small == [small[0]] * 2
        access_key(page, "z")
        assert min(widths()) > 3 * small[0]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself is wider"
        page.close()


def test_a_case_that_another_has_decided_is_said_in_words(page: Page, site: Site) -> None:
    case_id = site.new_case("meanwhile")
    sign_in(page, site)
    page.goto(f"/console/cases/{case_id}")
    verdict = {"verdict": "same"}
    address = f"/v1/cases/{case_id}/verdicts"
    assert site.api.post(address, json=verdict, headers=bearer(site.keys["second"])).status_code == 200
    access_key(page, "2")
    tab_to(page, page.get_by_role("button", name="Record the verdict"))
    go(page)
    assert "this request changed nothing" in page.get_by_role("alert").inner_text()
    assert "second" in page.get_by_role("main").inner_text()


def test_answer_a_complaint(page: Page, site: Site) -> None:
    sign_in(page, site)
    follow(page, "Complaints")
    first = page.get_by_role("article").first
    assert MARKUP in first.inner_text()
    tab_to(page, first.get_by_role("textbox"))
    page.keyboard.type("We looked again and were wrong.")
    page.keyboard.press("Tab")
    go(page)
    assert "answered and closed" in page.get_by_role("status").inner_text()
    follow(page, "All")
    assert "We looked again and were wrong." in page.get_by_role("main").inner_text()


def test_correct_an_answer_and_answer_a_complaint_that_was_reopened(page: Page, site: Site) -> None:
    officer = bearer(site.keys["officer"])
    asked = {"subject_id": "obama", "photo": support.b64(support.OBAMA_LATER)}
    decided = site.api.post("/v1/verify", json=asked, headers=officer).json()
    address = f"/v1/receipts/{decided['request_id']}"
    receipt = {"receipt": decided["receipt"]}
    complaint = {**receipt, "rating": "bad", "text": "It was not me."}
    number = site.api.post(f"{address}/feedback", json=complaint).json()["complaint_id"]
    said = {"answer": "It was on Monday."}
    site.api.post(f"/v1/complaints/{number}/answer", json=said, headers=officer).raise_for_status()
    sign_in(page, site)
    follow(page, "Complaints")
    follow(page, "All")
    card = page.get_by_role("article", name=f"Complaint {number}")
    tab_to(page, card.get_by_text("Correct the answer"))
    page.keyboard.press("Enter")
    box = card.get_by_role("textbox", name="Further answer")
    expect(box).to_have_accessible_description(re.compile("without your name.*stays beside it"))
    tab_to(page, box)
    page.keyboard.type("It was on Tuesday.")
    page.keyboard.press("Tab")
    go(page)
    assert "can read the answer now" in page.get_by_role("status").inner_text()

    again = {**receipt, "rating": "bad", "text": "Nor on Tuesday."}
    site.api.post(f"{address}/feedback", json=again).raise_for_status()
    follow(page, "Open")
    assert "Reopened" in card.inner_text()
    assert card.get_by_text("Earlier answer").count() == 2
    tab_to(page, card.get_by_role("textbox", name="Answer"))
    page.keyboard.type("You are right.")
    page.keyboard.press("Tab")
    go(page)
    expect(card).to_have_count(0)
    found = site.api.post(f"{address}/answers", json=receipt).json()
    read = [one["answer"] for one in found["answers"]]
    assert (found["state"], read) == (
        "answered",
        ["It was on Monday.", "It was on Tuesday.", "You are right."],
    )


def test_switch_the_language(page: Page, site: Site) -> None:
    sign_in(page, site)
    follow(page, "Cases")
    follow(page, "中文")
    expect(page.get_by_role("heading", name="疑似重复")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    page.goto("/console/audit")
    expect(page.get_by_role("heading", name="审计", exact=True)).to_be_visible()
    follow(page, "English")
    expect(page.get_by_role("heading", name="Audit", exact=True)).to_be_visible()


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_everybody_can_use_it(browser: Browser, site: Site, language: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # The checker is a script, which the pages forbid.
    context = browser.new_context(base_url=site.address, locale=language, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    case_id = site.new_case(f"looked at in {language}")
    found: list[str] = []
    more = "/complaints?everything=true", f"/cases/{case_id}", "/audit/1"
    for number, path in enumerate(("/sign-in", *PAGES, *more)):
        page.goto(f"/console{path}")
        violations = Axe().run(page).response["violations"]
        found += [
            f"{path}: {one['id']}: {one['nodes'][0]['html'][:200]}"
            for one in violations
            if one["impact"] in {"serious", "critical"}
        ]
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 900})
            picture(page, f"{language[:2]}-{width}-{number}{path.replace('/', '-')}")
            # Also at 200 % of 800 points: nothing but a table moves sideways.
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if number == 0:
            page.set_viewport_size({"width": 1280, "height": 900})
            page.keyboard.type(site.keys["officer"])
            go(page)
    context.close()
    assert found == []
