"""schemathesis against a real server: whatever its OpenAPI document says has to be true.

python -m tests.fuzz.contract --examples 200
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from govid.callers import Scope, Sight
from tests import support
from tests.server.access import bearer, caller, make_keys
from tests.support import BIDEN, OBAMA, OBAMA_LATER

HERE = Path(__file__).parent
# It asks as fast as it can, and for the same subjects again and again: neither is what is looked at here.
SETTINGS = {
    "GOVID_REQUESTS_PER_SECOND": "100000",
    "GOVID_REQUEST_BURST": "100000",
    "GOVID_LOCKOUT_ATTEMPTS": "1000",
    "GOVID_ON_DUPLICATE": "hold",
    "GOVID_KEEP_PHOTOS_DAYS": "7",
}


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, str]]:
    """Address of a server that asks for authentication and has subjects, and a key of all scopes."""
    data = support.data_dir(folder / "var")
    key = make_keys(data, caller("tester", *Scope, sees=Sight.EXACT))["tester"]
    with support.server(data, **SETTINGS) as (client, _):
        client.headers.update(bearer(key))
        # The third looks like the first: there is a case to decide.
        for subject, photo in (("alice", OBAMA), ("bob", BIDEN), ("carol", OBAMA_LATER)):
            client.post(
                "/v1/subjects", data={"subject_id": subject}, files={"photo": photo}
            ).raise_for_status()
        yield str(client.base_url), key


def check(address: str, key: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of schemathesis with every check."""
    command = [
        Path(sys.executable).parent / "schemathesis",
        "--config-file",
        HERE / "schemathesis.toml",
        "run",
    ]
    fixed = ("--no-color", "--continue-on-failure", "--output-truncate", "true")
    return subprocess.run(
        [*command, f"{address}/schema/openapi.json", *fixed, *options],
        cwd=support.ROOT,
        env={**os.environ, "GOVID_CONTRACT_KEY": key, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def main() -> int:
    """Run with as many examples as asked for; other options are schemathesis' own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="test cases per operation")
    chosen, more = parser.parse_known_args()
    with TemporaryDirectory() as folder, running(Path(folder)) as (address, key):
        ended = check(
            address, key, "--max-examples", str(chosen.examples), "--generation-database", "none", *more
        )
    print(ended.stdout, ended.stderr)
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
