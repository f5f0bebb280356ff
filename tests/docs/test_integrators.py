"""docs/integrators.md: each example is taken from the document and run, and its output compared."""

from __future__ import annotations

import hmac
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from govid import announcement
from govid.client import ForgedAnnouncement, checked_announcement
from tests import support
from tests.conftest import Served

DOCUMENT = (support.ROOT / "docs" / "integrators.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
COMMANDS = {
    "bash": (["bash", "-e", "-o", "pipefail"], "example.sh"),
    "python": ([sys.executable], "example.py"),
    "javascript": (["node"], "example.mjs"),
    "java": (["java"], "Verify.java"),
}


class Example(NamedTuple):
    language: str
    code: str
    prints: str | None


def examples() -> list[Example]:
    """The examples in the order of the document; a block of text behind one is what it prints."""
    blocks = FENCE.findall(DOCUMENT)
    behind = [*blocks[1:], ("", "")]
    return [
        Example(language, code, after[1] if after[0] == "text" else None)
        for (language, code), after in zip(blocks, behind, strict=True)
        if language in COMMANDS
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, served: Served) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("integrator")
    (made / "registry.jpg").write_bytes(support.OBAMA)
    (made / "live.jpg").write_bytes(support.OBAMA_LATER)
    yield made
    with served.client("all") as client:
        client.delete("alice")


def program(language: str) -> list[str]:
    command, _ = COMMANDS[language]
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here, which runs the examples in {language}")
    return command


def run(folder: Path, language: str, code: str, environment: dict[str, str]) -> str:
    command, name = program(language), COMMANDS[language][1]
    (folder / name).write_text(code, encoding="utf-8")
    ended = subprocess.run(
        [*command, name],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=support.PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(one, id=f"{n}-{one.language}")
        for n, one in enumerate(examples())
        if one.prints is not None
    ],
)
def test_an_example_prints_what_stands_below_it(example: Example, folder: Path, served: Served) -> None:
    environment = {"GOVID_ADDRESS": served.address, "GOVID_KEY": served.keys["trial"]}
    assert run(folder, example.language, example.code, environment) == example.prints


def test_there_is_an_example_in_each_language() -> None:
    assert {one.language for one in examples() if one.prints is not None} == set(COMMANDS)


NOW = 1_795_000_000
BODY = '{"complaint_id":1,"request_id":"ü"}'.encode()
NEW, OLD = b"0123456789abcdef-new", b"0123456789abcdef-old"


class Arrived(NamedTuple):
    """Headers and body of an announcement."""

    signature: str
    delivery: str = "7"
    event: str = "complaint.opened"
    body: str = BODY.decode()


def sent(*secrets: bytes, seconds: int = NOW) -> Arrived:
    headers = announcement.headers(secrets, seconds, "7", "complaint.opened", BODY)
    return Arrived(*(headers[name] for name in ("Govid-Signature", "Govid-Delivery", "Govid-Event")))


GOOD = sent(NEW)
ANNOUNCEMENTS = {
    GOOD: True,
    # Both while the secret is changed, ours first or last.
    sent(NEW, OLD): True,
    sent(OLD, NEW): True,
    sent(NEW, seconds=NOW - 300): True,
    sent(NEW, seconds=NOW - 301): False,
    sent(NEW, seconds=NOW + 301): False,
    sent(OLD): False,
    GOOD._replace(body=GOOD.body + " "): False,
    GOOD._replace(delivery="8"): False,
    GOOD._replace(event="complaint.closed"): False,
    # What was signed is the same text, cut elsewhere.
    GOOD._replace(delivery="7\ncomplaint.opened", event=BODY.decode(), body=""): False,
    GOOD._replace(event=f"complaint.opened\n{BODY.decode()}", body=""): False,
    GOOD._replace(delivery="", event="7\ncomplaint.opened"): False,
    GOOD._replace(delivery="", event=""): False,
    **{
        GOOD._replace(signature=signature): False
        for signature in (
            GOOD.signature.replace(f"t={NOW}", f"t={NOW - 1}"),
            GOOD.signature.replace("v2=", "v1="),
            # Of the scheme before, which covered time and body alone.
            f"t={NOW},v1=" + hmac.digest(NEW, f"{NOW}.".encode() + BODY, "sha256").hex(),
            f"t={NOW},v2=" + hmac.digest(NEW, f"{NOW}.".encode() + BODY, "sha256").hex(),
            GOOD.signature[:-2],
            GOOD.signature.split(",")[1],
            f"t={NOW}",
            f"t={NOW},v2=",
            f"t={NOW},v2=ü",
            "t=x,v2=00",
            f"t={'9' * 5000},v2=00",
            "",
        )
    },
}
DRIVERS = {
    "python": (
        "import json, sys\nfrom webhook_check import authentic\ncases = json.load(open('cases.json'))\n"
        "print(json.dumps([authentic(s, d, e, b.encode(), cases['secret'].encode(), cases['now'])"
        " for s, d, e, b in cases['arrived']]))"
    ),
    "javascript": (
        "import { readFileSync } from 'node:fs';\nimport { authentic } from './webhook_check.mjs';\n"
        "const cases = JSON.parse(readFileSync('cases.json'));\n"
        "console.log(JSON.stringify(cases.arrived.map("
        "([s, d, e, b]) => authentic(s, d, e, Buffer.from(b), cases.secret, cases.now))));"
    ),
}


@pytest.mark.parametrize("language", DRIVERS)
def test_the_check_of_an_announcement_in_the_document(language: str, tmp_path: Path) -> None:
    (code,) = (one.code for one in examples() if one.language == language and "webhook_check" in one.code)
    name = re.sub(r"^\W+", "", code.splitlines()[0])
    (tmp_path / name).write_text(code, encoding="utf-8")
    cases = {"arrived": list(ANNOUNCEMENTS), "secret": NEW.decode(), "now": NOW}
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    found = json.loads(run(tmp_path, language, DRIVERS[language], {}))
    assert dict(zip(ANNOUNCEMENTS, found, strict=True)) == ANNOUNCEMENTS


@pytest.mark.parametrize(("arrived", "genuine"), ANNOUNCEMENTS.items())
def test_the_client_checks_an_announcement_alike(arrived: Arrived, genuine: bool) -> None:
    # As ASGI has their names.
    headers = {
        "govid-signature": arrived.signature,
        "govid-delivery": arrived.delivery,
        "govid-event": arrived.event,
    }
    if not genuine:
        with pytest.raises(ForgedAnnouncement):
            checked_announcement(headers, arrived.body.encode(), NEW, now=NOW)
        return
    told = checked_announcement(headers, arrived.body.encode(), NEW, now=NOW)
    assert (told.event, told.delivery, told.content) == ("complaint.opened", "7", json.loads(BODY))


def test_the_client_believes_nothing_that_is_missing_or_no_object() -> None:
    with pytest.raises(ForgedAnnouncement):
        checked_announcement({}, BODY, NEW)
    headers = announcement.headers([NEW, b""], NOW, "7", "e", b"[]")
    for secret in (NEW, b""):
        with pytest.raises(ForgedAnnouncement):
            checked_announcement(headers, b"[]", secret, now=NOW)


def test_the_client_names_what_is_of_the_wrong_kind() -> None:
    headers = announcement.headers([NEW], NOW, "7", "e", BODY)
    for wrong, name in (
        ((headers, BODY.decode(), NEW), "body"),
        ((headers, BODY, NEW.decode()), "secret"),
        (({name: value.encode() for name, value in headers.items()}, BODY, NEW), "headers"),
    ):
        with pytest.raises(TypeError, match=f"^{name} must be"):
            checked_announcement(*wrong, now=NOW)  # type: ignore[arg-type]


def test_the_table_of_addresses_has_them_all() -> None:
    table = DOCUMENT.partition("\n## Addresses\n")[2].partition("\n\nPhotos are")[0]
    paths = json.loads((support.ROOT / "openapi.json").read_bytes())["paths"]
    words = {word for path in paths for word in path.split("/") if word and not word.startswith("{")}
    assert {word for word in words if f"/{word}" not in table} == set()
