"""The rules are sound, each alert is tried by promtool, and each has an entry in the runbook."""

from __future__ import annotations

import json
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


def test_the_dashboard_has_each_panel_once_and_beside_the_others() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "govid.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        places = {
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not places & taken, panel["title"]
        taken |= places
        for target in panel.get("targets", ()):
            assert 'job=~"$job"' in target["expr"], "one installation is chosen for all"
