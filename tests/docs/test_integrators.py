"""docs/integrators.md: each example is taken from the document and run, and its output compared."""

from __future__ import annotations

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

from server.webhook import signature
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
GOOD = signature([NEW], BODY, NOW)
ANNOUNCEMENTS = {
    GOOD: True,
    # Both while the secret is changed, ours first or last.
    signature([NEW, OLD], BODY, NOW): True,
    signature([OLD, NEW], BODY, NOW): True,
    signature([NEW], BODY, NOW - 300): True,
    signature([NEW], BODY, NOW - 301): False,
    signature([NEW], BODY, NOW + 301): False,
    signature([OLD], BODY, NOW): False,
    signature([NEW], BODY + b" ", NOW): False,
    GOOD.replace(f"t={NOW}", f"t={NOW - 1}"): False,
    GOOD.replace("v1=", "v0="): False,
    GOOD[:-2]: False,
    GOOD.split(",")[1]: False,
    f"t={NOW}": False,
    f"t={NOW},v1=": False,
    f"t={NOW},v1=ü": False,
    "t=x,v1=00": False,
    f"t={'9' * 5000},v1=00": False,
    "": False,
}
DRIVERS = {
    "python": (
        "import json, sys\nfrom webhook_check import authentic\ncases = json.load(open('cases.json'))\n"
        "print(json.dumps([authentic(s, cases['body'].encode(), cases['secret'].encode(), cases['now'])"
        " for s in cases['signatures']]))"
    ),
    "javascript": (
        "import { readFileSync } from 'node:fs';\nimport { authentic } from './webhook_check.mjs';\n"
        "const cases = JSON.parse(readFileSync('cases.json'));\n"
        "console.log(JSON.stringify(cases.signatures.map("
        "(s) => authentic(s, Buffer.from(cases.body), cases.secret, cases.now))));"
    ),
}


@pytest.mark.parametrize("language", DRIVERS)
def test_the_check_of_an_announcement_in_the_document(language: str, tmp_path: Path) -> None:
    (code,) = (one.code for one in examples() if one.language == language and "webhook_check" in one.code)
    name = re.sub(r"^\W+", "", code.splitlines()[0])
    (tmp_path / name).write_text(code, encoding="utf-8")
    cases = {"signatures": list(ANNOUNCEMENTS), "body": BODY.decode(), "secret": NEW.decode(), "now": NOW}
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    found = json.loads(run(tmp_path, language, DRIVERS[language], {}))
    assert dict(zip(ANNOUNCEMENTS, found, strict=True)) == ANNOUNCEMENTS
