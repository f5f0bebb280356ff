from __future__ import annotations

import ast
import subprocess
import sys

import httpx

from tests.attacks.table import FILES, table
from tests.support import ROOT


def test_table_and_tests_are_the_same_and_many() -> None:
    """An abuse without a test is a wish, and a test without a row is not found."""
    tests = {
        (file.name, node.name)
        for file in FILES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert tests == table().keys()
    assert len([row for row in table().values() if not row.abuse.startswith("(")]) >= 40


def test_the_runner_shows_each_case_with_its_answer(api: httpx.Client) -> None:
    """And asks another server only what needs nothing but HTTP."""
    command = [sys.executable, "-m", "tests.attacks", "--host", str(api.base_url)]
    chosen = ["-k", "trace or another_protocol or restart or wrong_credential", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *chosen], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout
    assert "  held     400 malformed-request                HTTP/0.9" in done.stdout
    assert "  held     405 method-not-allowed" in done.stdout
    assert "2 abuses, 6 cases, 0 broken" in done.stdout


def test_the_runner_leaves_answers_to_whoever_reads_them_as_they_come() -> None:
    command = [sys.executable, "-m", "tests.attacks", "-p", "no:cacheprovider", "-k", "receiver"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 abuses, 1 cases, 0 broken" in done.stdout
