"""`make soak MINUTES=30`: memory and latency of a server under mixed requests, good and hostile ones.

Exits 1 if the median resident memory of the last quarter exceeds that of the second quarter by more than
``MARGIN_MIB``, or if any answer is not the expected one. The first quarter is warm-up.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import PIL.Image

from benchmarks.load_requests import BINARY, PHOTOS, REGISTERED, VERIFICATIONS, percentile
from benchmarks.load_server import Served, served

MARGIN_MIB = 16
"""More than the sampled noise of one quarter (3 MiB seen), less than 1 KiB for each of 16,000 requests."""
CLIENTS = 4
SAMPLE_SECONDS = 1.0


@dataclass
class Observed:
    """What was seen: (seconds, bytes) of memory, milliseconds of answers, and answers that were wrong."""

    rss: list[tuple[float, int]] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    """Run, print a line per tenth, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--out", type=Path, help="write samples as JSON")
    asked = parser.parse_args()
    with served() as server:
        before = server.rss()
        seen = soak(server, asked.minutes * 60)
    quarter = [[b for t, b in seen.rss if n <= 4 * t / (asked.minutes * 60) < n + 1] for n in range(4)]
    second, last = (statistics.median(quarter[n]) / 2**20 for n in (1, 3))
    highest = max(b for _, b in seen.rss) / 2**20
    print(f"answers: {dict(sorted(seen.answers.items()))}")
    print(
        f"RSS MiB: ready {before / 2**20:.0f}, second quarter {second:.0f}, last quarter {last:.0f}, "
        f"highest {highest:.0f}; growth {last - second:+.1f}, allowed {MARGIN_MIB}"
    )
    if asked.out:
        asked.out.write_text(json.dumps({"rss": seen.rss, "times": seen.times}))
    for wrong in seen.wrong[:20]:
        print(f"wrong: {wrong}")
    return 1 if seen.wrong or last - second > MARGIN_MIB else 0


def soak(server: Served, seconds: float) -> Observed:
    """Ask for so many seconds by ``CLIENTS`` threads; sample the memory meanwhile."""
    seen, start = Observed(), time.monotonic()
    with httpx.Client(base_url=server.address, timeout=60, trust_env=False) as client:
        for subject, photo in REGISTERED.items():
            client.post("/v1/subjects", data={"subject_id": subject}, files={"photo": PHOTOS[photo]})
        requests = _requests(client)

        def ask() -> None:
            chance = random.Random(threading.get_ident())
            while time.monotonic() - start < seconds:
                name, call, expected = chance.choice(requests)
                began = time.monotonic()
                try:
                    status = call().status_code
                except httpx.TransportError as error:
                    # A giant is cut off while it is still being sent.
                    status = 413 if name == "giant" else 0
                    seen.wrong += [f"{name}: {error!r}"] if not status else []
                seen.times.append((began - start, (time.monotonic() - began) * 1e3))
                seen.answers[f"{name} {status}"] += 1
                if status not in expected:
                    seen.wrong.append(f"{name}: status {status}")

        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        tenth = seconds / 10
        while (now := time.monotonic() - start) < seconds:
            seen.rss.append((now, server.rss()))
            if now > tenth:
                recent = [spent for began, spent in seen.times if began > tenth - seconds / 10]
                print(
                    f"{now:6.0f} s: {len(seen.times):6} answers, p50 {percentile(recent, 0.5):.0f}, "
                    f"p99 {percentile(recent, 0.99):.0f} ms, RSS {seen.rss[-1][1] / 2**20:.0f} MiB",
                    flush=True,
                )
                tenth += seconds / 10
            time.sleep(SAMPLE_SECONDS)
        for thread in threads:
            thread.join()
    return seen


def _requests(client: httpx.Client) -> list[tuple[str, Callable[[], httpx.Response], set[int]]]:
    """Name, call and expected statuses, each as often as the others."""
    live, turned = PHOTOS["obama-2009"], _turned(PHOTOS["obama-2009"])
    large = _scaled(live, 4000)
    claims = itertools.cycle(VERIFICATIONS)
    numbers = itertools.count()

    def verify() -> httpx.Response:
        subject, photo, right = next(claims)
        reply = client.post("/v1/verify", data={"subject_id": subject}, files={"photo": PHOTOS[photo]})
        assert reply.status_code != 200 or reply.json()["decision"] == right
        return reply

    def enrol() -> httpx.Response:
        subject = f"soak-{next(numbers)}"
        reply = client.post("/v1/subjects", data={"subject_id": subject}, files={"photo": live})
        if reply.status_code == 201:
            client.delete(f"/v1/subjects/{subject}")
        return reply

    def embed(photo: bytes) -> Callable[[], httpx.Response]:
        return lambda: client.post("/v1/embed", content=photo, headers=BINARY)

    noise = random.Random(0).randbytes(200_000)
    return [
        ("verify", verify, {200}),
        ("identify", lambda: client.post("/v1/identify", files={"photo": live}), {200}),
        ("enrol", enrol, {201}),
        ("binary", embed(live), {200}),
        ("blurred", embed(large), {422}),
        ("turned", embed(turned), {200}),
        ("no face", embed(_scaled(None, 1500)), {422}),
        ("large without a face", embed(_scaled(None, 4000)), {422}),
        ("cut off", embed(live[:20_000]), {422}),
        ("noise", embed(noise), {422}),
        ("pixels", embed(_scaled(None, 9000)), {422}),
        ("giant", embed(bytes(15 << 20)), {413}),
        ("broken JSON", lambda: client.post("/v1/verify", content=b"[" * 50_000, headers=_JSON), {400}),
        ("nobody", lambda: client.post("/v1/verify", data={"subject_id": "x"}, files={"photo": live}), {404}),
        ("scanner", lambda: client.get(f"/wp-admin/{next(numbers)}"), {404}),
        ("metrics", lambda: client.get("/metrics"), {200}),
    ]


_JSON = {"Content-Type": "application/json"}


def _scaled(photo: bytes | None, width: int) -> bytes:
    """The photo at that width, or a grey one."""
    out = io.BytesIO()
    if photo is None:
        PIL.Image.new("L", (width, width * 3 // 4), 128).save(out, "JPEG")
    else:
        picture = PIL.Image.open(io.BytesIO(photo)).convert("RGB")
        picture.resize((width, round(picture.height * width / picture.width))).save(out, "JPEG", quality=85)
    return out.getvalue()


def _turned(photo: bytes) -> bytes:
    out = io.BytesIO()
    PIL.Image.open(io.BytesIO(photo)).convert("RGB").rotate(90, expand=True).save(out, "JPEG", quality=95)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
