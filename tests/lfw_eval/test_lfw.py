"""The claim itself, on the real photos. Needs LFW beside the checkout or in GOVID_LFW_DIR."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support import LFW, MODELS, ROOT

# What was reached (docs/accuracy.md) less six pairs, which another processor may round to the other side.
LEAST_ACCURACY = 99.3
ARGUMENTS = ("--compare", "fast,high_assurance", "--fail-under", str(LEAST_ACCURACY), "--json")


@pytest.mark.slow
@pytest.mark.skipif(not (LFW / "pairs.txt").exists(), reason=f"LFW is not at {LFW.name}; set GOVID_LFW_DIR")
def test_view_2_is_reached_on_the_real_pipeline() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lfw_eval", "--data", str(LFW), *ARGUMENTS],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "GOVID_DATA_DIR": str(MODELS.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["pairs"] == 6000
    assert report["photos"] == 7701
    fast, high = report["pipelines"]
    assert fast["failures_to_acquire"] == high["failures_to_acquire"]
    assert len(fast["failures_to_acquire"]) <= 2
    assert high["pair_list"]["accuracy"]["value"] >= fast["pair_list"]["accuracy"]["value"]
