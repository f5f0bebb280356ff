"""The rules are sound, each alert is tried by promtool, and each has an entry in the runbook."""

from __future__ import annotations

import re
import subprocess

import yaml

from tests.deploy.prometheus import RULES, program
from tests.support import ROOT

ALERTS = [
    rule for group in yaml.safe_load((RULES / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]


def test_each_alert_fires_where_it_should_and_not_elsewhere() -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", "alerts_test.yml"],
        cwd=RULES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = {
        test["name"].split()[0] for test in yaml.safe_load((RULES / "alerts_test.yml").read_text())["tests"]
    }
    assert tested == {alert["alert"] for alert in ALERTS}


def test_the_example_configuration_is_sound() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "config", "--syntax-only", "prometheus.yml"],
        cwd=RULES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_an_entry_in_the_runbook_and_each_entry_an_alert() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    entries = re.findall(r"^## (\w+)\n\n(.+?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in entries] == [alert["alert"] for alert in ALERTS]
    for alert in ALERTS:
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"page", "ticket"}
    for name, entry in entries:
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in entry, (name, part)
