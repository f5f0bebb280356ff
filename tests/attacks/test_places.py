from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from govid.callers import ANYBODY, Caller, Scope
from server.access.errors import QuotaExceeded
from server.access.settings import AccessSettings
from server.errors import Overloaded
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from tests import support
from tests.attacks.wire import connected
from tests.console.visitor import Visitor
from tests.server.access import bearer, caller, make_keys
from tests.support import OBAMA, wait_until


def held(stack: ExitStack, client: httpx.Client, path: str, count: int, head: str = "") -> None:
    """Requests whose bodies do not end."""
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Type: application/json\r\n"
    for _ in range(count):
        connection = stack.enter_context(connected(client))
        connection.sendall(f"{request}Content-Length: 1000\r\n\r\n{{".encode())


def test_bodies_that_do_not_end_leave_places_for_others(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    parties = caller("slow", Scope.VERIFY), caller("other", Scope.VERIFY), caller("auditor", Scope.AUDIT)
    keys = make_keys(folder, *parties)
    limits = {"GOVID_MAX_WAITING": "7", "GOVID_BODY_SECONDS": "60"}
    with support.server(folder, "--workers", "1", **limits) as (client, _), ExitStack() as stack:
        held(stack, client, "/v1/receipts/x/feedback", 20)
        held(stack, client, "/v1/receipts/x/answers", 20)
        held(stack, client, "/v1/verify", 20, f"Authorization: Bearer {keys['slow']}\r\n")

        def refused_slow() -> bool:
            reply = client.post("/v1/verify", headers=bearer(keys["slow"]), json={})
            return reply.json()["slug"] == "quota-exceeded"

        wait_until(refused_slow)
        asked = {"subject_id": "nobody"}
        reply = client.post("/v1/verify", headers=bearer(keys["other"]), data=asked, files={"photo": OBAMA})
        assert reply.status_code == 200, reply.text
        assert client.get("/v1/receipts/keys").status_code == 200
        rating = {"receipt": "x", "rating": "bad"}
        assert client.post("/v1/receipts/x/feedback", json=rating).json()["slug"] == "invalid-receipt"
        question = {"receipt": "x"}
        assert client.post("/v1/receipts/x/answers", json=question).json()["slug"] == "invalid-receipt"
        assert Visitor(str(client.base_url)).sign_in(keys["auditor"]).status_code == 303


def test_strangers_have_a_quarter_of_the_places_and_who_signs_in_has_one_of_its_own() -> None:
    async def run() -> None:
        settings = ServerSettings(workers=1, max_waiting=11)
        service = Service(None, settings, Metrics(), AccessSettings())  # type: ignore[arg-type]
        service._engine = object()  # type: ignore[assignment]
        service._workers.start()
        gate = threading.Event()

        async def ask(who: Caller, operation: str) -> object:
            request: Any = SimpleNamespace(scope={"state": {"caller": who}})
            try:
                return await service.run(request, operation, lambda _: gate.wait())
            except (Overloaded, QuotaExceeded) as error:
                return type(error)

        doors = ["feedback", "answers", "feedback", "answers", "keys"]
        strangers = [asyncio.create_task(ask(ANYBODY, door)) for door in doors]
        known = [asyncio.create_task(ask(caller(f"p{n}"), "verify")) for n in range(10)]
        signing_in = asyncio.create_task(ask(ANYBODY, "sign_in"))
        await asyncio.sleep(0)
        gate.set()
        assert await asyncio.gather(*strangers) == [True, True, True, Overloaded, Overloaded]
        assert await asyncio.gather(*known) == [True] * 9 + [Overloaded]
        assert await signing_in is True, "full as it is"
        await asyncio.to_thread(service._workers.stop)
        assert (service._places.taken, service._places._taken_by) == (0, {})

    asyncio.run(run())
