"""Load for a running server. Each answer is checked: a wrong decision is an error like a failed request.

    locust -f benchmarks/locustfile.py --headless -u 8 -r 8 -t 30s --host http://127.0.0.1:8000 Desk
    locust -f benchmarks/locustfile.py --headless -u 1 -t 30s --host http://127.0.0.1:8000 --rate 20 Arrivals

`Desk` is a closed loop: each user waits for the answer before asking again. `Arrivals` is an open one: people
come at a constant rate whatever becomes of those before, and the time of each counts from when it came.
A 503 with Retry-After is the server's right: it is counted apart and is no error. At the end, whoever was
enrolled must be there, and whoever was deleted not: a write that was acknowledged and lost is an error, too.
The API key, where the server asks for one, is in the variable LOAD_KEY.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
import sys
import time
import uuid
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path
from typing import Any

import gevent
import httpx
from gevent.pool import Group
from locust import FastHttpUser, constant, events, task
from locust.env import Environment

sys.path.insert(0, str(Path(__file__).parent))
from load_requests import BINARY, PHOTOS, REGISTERED, VERIFICATIONS, multipart, percentile

# Parts of a scenario by weight. Mixed is a desk: verify most, identify some, enrol and delete a few.
SCENARIOS = {
    "verify": {"verify": 1},
    "identify": {"identify": 1},
    "enrol": {"enrol": 1},
    "template": {"template": 1},
    "mixed": {"verify": 7, "identify": 2, "enrol": 1},
}
REFUSED = " (503)"
LEAVES = itertools.cycle((True, False))
CLAIMS = itertools.cycle(VERIFICATIONS)
TIMES: defaultdict[str, list[float]] = defaultdict(list)
"""Milliseconds by name; Locust itself keeps rounded ones."""
PREPARED: list[Any] = []
"""The model id and the bytes of a template of the subject ``load-obama``."""
AUTHORIZED = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("LOAD_KEY")) else {}
PROMISED: dict[str, bool] = {}
"""Whether each subject that was written is there, by the last answer about it."""
SPAN: list[float] = []
"""When the first request left and the last answer came, in seconds of ``perf_counter``."""
LATE: list[float] = []
"""Milliseconds by which a request left later than it should: the generator's own limit."""


class _Citizens(FastHttpUser):
    """What people ask, and the check of the answer."""

    abstract = True
    # An open loop may have all that the server's queue holds under way at once.
    concurrency = 512
    network_timeout = 30.0

    def ask(self, due: float) -> None:
        """One request of the scenario. ``due``: when it should leave, in seconds of ``perf_counter``."""
        LATE.append((time.perf_counter() - due) * 1e3)
        parts = SCENARIOS[self.environment.parsed_options.scenario]
        (part,) = random.choices([*parts], [*parts.values()])
        getattr(self, f"_{part}")(due)

    def _verify(self, due: float) -> None:
        subject, photo, right = next(CLAIMS)
        body = multipart(subject_id=subject, photo=PHOTOS[photo])
        self._send("verify", "POST", "/v1/verify", due, body, right=right)

    def _identify(self, due: float) -> None:
        self._send(
            "identify", "POST", "/v1/identify", due, multipart(photo=PHOTOS["obama-2009"]), right="MATCH"
        )

    def _template(self, due: float) -> None:
        model_id, embedding = PREPARED
        path = f"/v1/verify?subject_id=load-obama&model_id={model_id}"
        body = {"data": embedding, "headers": BINARY}
        self._send("template", "POST", path, due, body, right="MATCH")

    def _enrol(self, due: float) -> None:
        """A new citizen comes and goes."""
        subject = f"load-{uuid.uuid4()}"
        body = multipart(subject_id=subject, photo=PHOTOS["biden-2010"])
        if self._send("enrol", "POST", "/v1/subjects", due, body, status=201):
            PROMISED[subject] = True
            # Every other one stays.
            if next(LEAVES) and self._send(
                "delete", "DELETE", f"/v1/subjects/{subject}", time.perf_counter(), {}
            ):
                PROMISED[subject] = False

    def _send(
        self,
        name: str,
        method: str,
        path: str,
        due: float,
        body: dict[str, Any],
        *,
        status: int = 200,
        right: str | None = None,
    ) -> bool:
        body["headers"] = {**body.get("headers", {}), **AUTHORIZED}
        with self.client.request(method, path, name=name, catch_response=True, **body) as reply:
            reply.request_meta["response_time"] = (time.perf_counter() - due) * 1e3
            if reply.status_code == 503 and (reply.headers.get("retry-after") or "").isdigit():
                reply.request_meta["name"] += REFUSED
                reply.success()
            elif reply.status_code != status:
                reply.failure(f"status {reply.status_code}: {(reply.text or '')[:200]}")
            elif right and reply.json()["decision"] != right:
                reply.failure(f"decision {reply.json()['decision']}, expected {right}")
            return reply.status_code == status


class Desk(_Citizens):
    """A closed loop: a desk that serves one citizen after the other without a pause."""

    wait_time = constant(0)

    @task
    def serve(self) -> None:
        """The next one, please."""
        self.ask(time.perf_counter())


class Arrivals(_Citizens):
    """An open loop: a slow answer makes nobody come later."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """People come from now on."""
        self._under_way, self._come, self._since = Group(), 0, time.perf_counter()

    @task
    def come(self) -> None:
        """Send the next request when it is due, and do not wait for its answer."""
        due = self._since + self._come / self.environment.parsed_options.rate
        self._come += 1
        gevent.sleep(max(0.0, due - time.perf_counter()))
        self._under_way.spawn(self.ask, due)

    def on_stop(self) -> None:
        """Those who came are still answered, and counted."""
        self._under_way.join(timeout=self.network_timeout)


@events.init_command_line_parser.add_listener
def options(parser: ArgumentParser) -> None:
    """What this file adds to Locust's own options."""
    parser.add_argument("--scenario", choices=[*SCENARIOS], default="mixed")
    parser.add_argument("--rate", type=float, default=10.0, help="arrivals per second (Arrivals only)")
    parser.add_argument("--out", default="", help="write the rows of the summary as JSON to this file")


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:  # noqa: ANN401
    """Before the clock starts: both subjects and a template are there, from now or from an earlier run."""
    with _client(environment) as client:
        for subject, photo in REGISTERED.items():
            made = client.post("/v1/subjects", data={"subject_id": subject}, files={"photo": PHOTOS[photo]})
            assert made.status_code in {201, 409}, made.text
        made = client.post("/v1/embed", files={"photo": PHOTOS["obama-2009"]})
        made.raise_for_status()
        PREPARED[:] = [made.json()["model_id"], base64.b64decode(made.json()["embedding"])]


def _client(environment: Environment) -> httpx.Client:
    return httpx.Client(base_url=environment.host or "", timeout=60, trust_env=False, headers=AUTHORIZED)


def _lost(environment: Environment) -> list[str]:
    """Subjects of which the server says something else than it promised."""
    there: set[str] = set()
    after: str | None = "load-" if PROMISED else None
    with _client(environment) as client:
        while after is not None:
            page = client.get("/v1/subjects", params={"after": after, "limit": 1000})
            page.raise_for_status()
            there.update(page.json()["subjects"])
            after = page.json()["next_after"]
    return [subject for subject, promised in PROMISED.items() if promised != (subject in there)]


def _seconds() -> float:
    """From the first request that left to the last answer."""
    return SPAN[1] - SPAN[0] if len(SPAN) == 2 else 0.0


@events.request.add_listener
def keep(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:  # noqa: ANN401
    """Exact times of what was answered as it should be."""
    SPAN[:] = [SPAN[0] if SPAN else time.perf_counter() - response_time / 1e3, time.perf_counter()]
    if exception is None:
        TIMES[name].append(response_time)


@events.quitting.add_listener
def summary(environment: Environment, **_: Any) -> None:  # noqa: ANN401
    """The lines an SRE reads: percentiles, refusals and errors. The exit code is 1 after any error."""
    rows = [
        {
            "name": name,
            "answered": len(TIMES[name]),
            "refused": len(TIMES[name + REFUSED]),
            "errors": sum(e.num_failures for (n, _), e in environment.stats.entries.items() if n == name),
            **{f"p{round(p * 100)}": percentile(TIMES[name], p) for p in (0.5, 0.95, 0.99)},
        }
        for name in sorted({entry.name.removesuffix(REFUSED) for entry in environment.stats.entries.values()})
    ]
    print(f"\n{'request':12}{'answered':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'503s':>7}{'errors':>8}")
    for row in rows:
        print(
            f"{row['name']:12}{row['answered']:9}{row['p50']:9.1f}{row['p95']:9.1f}{row['p99']:9.1f}"
            f"{row['refused']:7}{row['errors']:8}"
        )
    for error in environment.stats.errors.values():
        print(f"error: {error.occurrences} times {error.name}: {error.error}")
    if out := environment.parsed_options.out:
        Path(out).write_text(
            json.dumps({"rows": rows, "seconds": _seconds(), "late_p99": percentile(LATE, 0.99)})
        )
    lost = _lost(environment)
    print(f"{len(PROMISED)} subjects were written, {len(lost)} writes are lost")
    failed = environment.stats.total.num_failures or lost or not rows
    environment.process_exit_code = 1 if failed else 0
