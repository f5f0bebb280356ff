"""Load for a running server: verify most, identify some, enrol and delete a few, as a desk would.

    locust -f benchmarks/locustfile.py --headless -u 8 -r 8 -t 30s --host http://127.0.0.1:8000

Each answer is checked: a wrong decision counts as an error like a failed request.
"""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment

SAMPLES = Path(__file__).parent.parent / "samples"
PHOTOS = {path.stem: path.read_bytes() for path in SAMPLES.glob("*.jpg")}
REGISTERED = {"load-obama": "obama-2012", "load-biden": "biden-2010"}
# (claimed subject, live photo, right decision)
VERIFICATIONS = itertools.cycle(
    [("load-obama", "obama-2009", "MATCH"), ("load-biden", "obama-2009", "NON_MATCH")]
)


def multipart(**parts: str | bytes) -> dict[str, Any]:
    """Body and headers of one multipart request."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in parts.items():
        file = f'; filename="{name}.jpg"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else value.encode()
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return {
        "data": body + f"--{boundary}--\r\n".encode(),
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


class Desk(FastHttpUser):
    """A desk that serves one citizen after the other."""

    wait_time = between(0.0, 0.05)

    def on_start(self) -> None:
        """Both subjects are there before the first verification; another user may have enrolled them."""
        for subject, photo in REGISTERED.items():
            with self.client.post(
                "/v1/subjects",
                **multipart(subject_id=subject, photo=PHOTOS[photo]),
                name="enrol (set-up)",
                catch_response=True,
            ) as reply:
                if reply.status_code in {201, 409}:
                    reply.success()

    @task(7)
    def verify(self) -> None:
        """Is this the person of the registry?"""
        subject, photo, right = next(VERIFICATIONS)
        self._ask("/v1/verify", "verify", right, subject_id=subject, photo=PHOTOS[photo])

    @task(2)
    def identify(self) -> None:
        """Who is this?"""
        self._ask("/v1/identify", "identify", "MATCH", photo=PHOTOS["obama-2009"])

    @task(1)
    def enrol(self) -> None:
        """A new citizen comes and goes."""
        subject = f"load-{uuid.uuid4()}"
        self.client.post(
            "/v1/subjects", **multipart(subject_id=subject, photo=PHOTOS["biden-2010"]), name="enrol"
        )
        self.client.delete(f"/v1/subjects/{subject}", name="delete")

    def _ask(self, path: str, name: str, right: str, **parts: str | bytes) -> None:
        with self.client.post(path, **multipart(**parts), name=name, catch_response=True) as reply:
            if reply.status_code == 200 and reply.json()["decision"] != right:
                reply.failure(f"decision {reply.json()['decision']}, expected {right}")


@events.quitting.add_listener
def summary(environment: Environment, **_: Any) -> None:  # noqa: ANN401
    """The lines an SRE reads: percentiles and error rate."""
    rows = [*environment.stats.entries.values(), environment.stats.total]
    print(f"\n{'request':16}{'count':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'errors':>9}")
    for row in rows:
        p50, p95, p99 = (row.get_response_time_percentile(p) or 0 for p in (0.5, 0.95, 0.99))
        name = row.name if row is not environment.stats.total else "all"
        print(f"{name:16}{row.num_requests:8}{p50:9.0f}{p95:9.0f}{p99:9.0f}{row.fail_ratio * 100:8.2f}%")
    environment.process_exit_code = 1 if environment.stats.total.num_failures else 0
