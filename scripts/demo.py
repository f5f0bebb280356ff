"""`make run`: start the server, enrol the sample portraits, verify two pairs through HTTP, and serve on.

Environment: PORT (default 8000). Data stay in ./var (GOVID_DATA_DIR); a second run finds them there.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

SAMPLES = Path(__file__).parent.parent / "samples"
START_SECONDS = 60


def main() -> int:
    """Run until the server ends; its exit code is ours."""
    port = os.environ.get("PORT", "8000")
    server = subprocess.Popen(
        [Path(sys.executable).parent / "govid", "serve", "--json", "--port", port],
        stdout=subprocess.PIPE,
        text=True,
        # Its requests are shown below, as answers.
        env={"GOVID_LOG_REQUESTS": "false", **os.environ},
        # Ctrl-C reaches both processes; the server answers it, this one waits for it to finish.
        start_new_session=False,
    )
    stopping: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: stopping.append(number))
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    assert server.stdout is not None
    first_line = server.stdout.readline()
    told = json.loads(first_line) if first_line else {}
    if "address" not in told:
        _explain(told)
        return server.wait() or 1
    teller = threading.Thread(target=_tell, args=(server.stdout,), daemon=True)
    teller.start()
    address = told["address"]
    try:
        # A proxy of the environment has no business on loopback.
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
            if not _ready(client, server):
                server.wait()
                teller.join(timeout=1)
                return server.returncode or 1
            _show(client)
    except (httpx.HTTPError, Refused) as error:
        if server.poll() is None and not stopping:
            print(f"govid: the demonstration could not finish: {error}", file=sys.stderr)
    if stopping:
        return server.wait()
    print(f"\n  API       {address}/v1      (schema: {address}/schema, metrics: {address}/metrics)")
    print(f"  Console   {address}/console")
    print("  Stop      Ctrl-C\n", flush=True)
    return server.wait()


def _tell(lines: Iterable[str]) -> None:
    """Pass on what the server says; a reason to stop is said in words."""
    for line in lines:
        try:
            _explain(json.loads(line))
        except ValueError:
            print(line, end="", flush=True)


def _explain(told: dict[str, str]) -> None:
    print(f"govid: {told.get('detail', 'the server did not start')}", file=sys.stderr)
    if "cannot listen" in told.get("detail", ""):
        print("       another port: PORT=8001 make run", file=sys.stderr)
    elif remedy := told.get("remedy"):
        print(f"       {remedy}", file=sys.stderr)


class Refused(Exception):
    """The server answered with a problem."""


def _ready(client: httpx.Client, server: subprocess.Popen[str]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    server.terminate()
    return False


def _show(client: httpx.Client) -> None:
    for subject, photo in (("obama", "obama-2012.jpg"), ("biden", "biden-2010.jpg")):
        reply = _post(client, "/v1/subjects", {"subject_id": subject, "photo": _photo(photo)})
        kept = reply.get("slug") == "subject-exists"
        print(f"  enrol     {subject:8} from {photo:16} {'kept from an earlier run' if kept else 'ENROLLED'}")
    print()
    for claim, photo in (("obama", "obama-2009.jpg"), ("biden", "obama-2009.jpg")):
        reply = _post(client, "/v1/verify", {"subject_id": claim, "photo": _photo(photo)})
        bound = "<" if reply["fmr_is_upper_bound"] else "="
        print(
            f"  verify    is {photo} {claim}?  {reply['decision']}   score {reply['score']:.4f}, "
            f"FMR at this score {bound} {reply['fmr_at_score']:.2g}"
        )
        stages = ", ".join(f"{name} {spent:.2f}" for name, spent in reply["stages"].items())
        print(f"            {reply['milliseconds']:.1f} ms: {stages}")


def _post(client: httpx.Client, path: str, body: dict[str, str]) -> dict[str, Any]:
    reply: dict[str, Any] = client.post(path, json=body).json()
    if "slug" in reply and reply["slug"] != "subject-exists":
        raise Refused(f"{path}: {reply['slug']}: {reply['title']}. {reply.get('remedy', '')}")
    return reply


def _photo(name: str) -> str:
    return base64.b64encode((SAMPLES / name).read_bytes()).decode()


if __name__ == "__main__":
    sys.exit(main())
