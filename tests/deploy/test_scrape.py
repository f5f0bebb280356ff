"""A real Prometheus scrapes a real server, and everything that deploy/ asks of it is asked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests import support
from tests.deploy.prometheus import RULES, prometheus
from tests.support import BIDEN, OBAMA, OBAMA_LATER, ROOT, wait_until

# What has no data in this test, and why. An expression counts if it holds one of these.
EMPTY = {
    "govid_gallery_recall_at": "the exact tier has no index whose recall could be measured",
    "govid_expiry_timestamp_seconds": "neither a certificate nor a key that ends",
}
# Alerts that a test machine may rightly raise: it is slow, busy or nearly full.
OF_THE_MACHINE = {
    "GovidVerifyBudgetBurnsFast",
    "GovidVerifyBudgetBurnsSlowly",
    "GovidStoreSlow",
    "GovidDiskLow",
    "GovidDiskFills",
}


def dashboard_queries() -> list[str]:
    """Each expression of the dashboard, for all installations."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "govid.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [expression.replace("$job", ".*") for expression in found]


def recorded() -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / "recording.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_each_query_of_the_dashboard_and_each_rule_has_data(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_DRIFT_SECONDS="0.001", GOVID_OPEN_METRICS="true") as (client, _):
        target = f"{client.base_url.host}:{client.base_url.port}"
        with prometheus(tmp_path, target) as found:
            # Before the requests: what counts from zero has to be seen at zero.
            found.wait_for("govid_ready")
            for subject, photo in (("obama", OBAMA), ("biden", BIDEN)):
                client.post(
                    "/v1/subjects", data={"subject_id": subject}, files={"photo": photo}
                ).raise_for_status()
            ask(client)
            found.wait_for("govid_nonmated_above_total")
            ask(client)
            # Two scrapes after the last request and a look at what they gave.
            seen = float(found.query("timestamp(govid_ready)")[0]["value"][1])
            found.wait_for(f"timestamp(govid_ready) > {seen} + 2")
            for rule in recorded():
                found.wait_for(rule["record"])
            for query in dashboard_queries():
                if not any(word in query for word in EMPTY):
                    found.wait_for(query)
            for word in EMPTY:
                silent = [query for query in dashboard_queries() if word in query and not found.query(query)]
                assert silent, f"{word} has data: take it out of EMPTY"
            wait_until(lambda: all(rule["health"] != "unknown" for rule in found.rules()))
            assert [
                (rule["name"], rule["lastError"]) for rule in found.rules() if rule["health"] != "ok"
            ] == []
            # One scrape that came late is an alert until the next one.
            wait_until(lambda: found.alerts() <= OF_THE_MACHINE)


def ask(client: httpx.Client) -> None:
    for _ in range(3):
        reply = client.post("/v1/verify", data={"subject_id": "obama"}, files={"photo": OBAMA_LATER})
        assert reply.json()["decision"] == "MATCH"
        refused = client.post("/v1/verify", data={"subject_id": "obama"}, files={"photo": b"no photo"})
        assert refused.status_code == 422
        time.sleep(0.2)
