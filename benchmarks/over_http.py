"""A ready template to a decision over HTTP, beside the same call in process: what the server adds."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO
from urllib.parse import urlencode, urlsplit

import msgspec

from benchmarks import photos
from benchmarks.desk import enrolled, subject
from benchmarks.harness import Contender, Options, Pace, compare, main
from benchmarks.load_server import served, split_cores
from benchmarks.results import Row, Table, row
from govid import Engine
from govid.results import EmbeddedTemplate, Verification
from govid.types import Decision, PackedTemplate

_PAGES = 6
"""Of 4 KiB, which a decision's record changes in SQLite: so many are written into its log before the sync."""
_IN_PROCESS, _BARE, _JSON = "govid, in process", "govid, HTTP, bare template", "govid, HTTP, JSON"


class Client:
    """One kept connection. It does as little as a client can, so that the server is what is measured."""

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        self._socket = socket.create_connection((url.hostname, url.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """The body of the answer; raises RuntimeError where it is no success."""
        self._socket.sendall(request)
        answer = self._socket.recv(65536)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        if not head.startswith(b"http/1.1 20"):
            raise RuntimeError(answer.decode())
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(answer) < end + 4 + length:
            answer += self._more()
        return answer[end + 4 :]

    def _more(self) -> bytes:
        more = self._socket.recv(65536)
        if not more:
            raise ConnectionError("the server has closed the connection")
        return more

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def claim(options: Options) -> list[Table]:
    """The server on one core, who asks on the other: one connection that is kept, a request at a time."""
    reference, probe, _ = photos.samples()
    here, there = split_cores()
    name = subject(reference)
    with (
        served(cores=there) as server,
        enrolled([photos.Question(reference, probe, mated=True)]) as desk,
        _connected(server.address) as client,
        tempfile.TemporaryFile(prefix="govid-bench-") as file,
        _held_to(here),
    ):
        client.ask(_posted("/v1/subjects", subject_id=name, photo=reference))
        made = desk.embed(probe)
        called = compare(
            "over_http",
            "Ready template to decision, with record, over HTTP",
            "ms",
            [*_of_govid(name, made, desk, client), _sync(file)],
            lambda _, answer: int(answer in {Decision.MATCH, "alive", _PAGES}),
            Pace(3, 0.02) if options.quick else Pace(31, 0.25),
        )
    return [called, _added(called)]


def _of_govid(name: str, made: EmbeddedTemplate, desk: Engine, client: Client) -> list[Contender]:
    template = {"model_id": made.model_id, "embedding": made.embedding}
    return [
        Contender(
            _IN_PROCESS,
            "Engine.verify, as the server calls it",
            lambda: partial(desk.verify, name, PackedTemplate(made.model_id, made.embedding)),
            lambda reply: reply.decision,
        ),
        Contender(
            _BARE,
            "POST /v1/verify with the bytes of the template",
            lambda: partial(client.ask, _bare(name, made)),
            _decision,
        ),
        Contender(
            _JSON,
            "the same in base64",
            lambda: partial(client.ask, _posted("/v1/verify", subject_id=name, template=template)),
            _decision,
        ),
        Contender(
            "govid, HTTP, no work",
            "GET /healthz",
            lambda: partial(client.ask, _request("GET /healthz")),
            lambda body: msgspec.json.decode(body)["status"],
        ),
    ]


def _sync(file: IO[bytes]) -> Contender:
    return Contender(
        "a sync alone",
        f"{_PAGES} pages of 4 KiB, written over and synced, as a record is",
        lambda: partial(_synced, file.fileno()),
    )


def _added(called: Table) -> Table:
    """Round by round, the median call over HTTP less the one in process; negative only by disturbance."""
    rows = {row.name: row for row in called.rows}
    return Table(
        name="over_http_added",
        title="What HTTP adds to it",
        unit="ms",
        rows=[_added_row(rows[_BARE], rows[_IN_PROCESS]), _added_row(rows[_JSON], rows[_IN_PROCESS])],
    )


def _added_row(over_http: Row, in_process: Row) -> Row:
    added = [mine - base for mine, base in zip(over_http.rounds, in_process.rounds, strict=True)]
    return row(
        over_http.name,
        added,
        base=None,
        calls=over_http.calls,
        asked=over_http.asked,
        right=over_http.right,
    )


def _bare(name: str, made: EmbeddedTemplate) -> bytes:
    query = urlencode({"subject_id": name, "model_id": made.model_id})
    return _request(f"POST /v1/verify?{query}", "application/octet-stream", made.embedding)


def _posted(path: str, **fields: object) -> bytes:
    return _request(f"POST {path}", "application/json", msgspec.json.encode(fields))


def _request(line: str, content_type: str = "", body: bytes = b"") -> bytes:
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def _decision(body: bytes) -> Decision:
    return msgspec.json.decode(body, type=Verification).decision


def _synced(file: int) -> int:
    for place in range(_PAGES):
        os.pwrite(file, bytes(4096), 4096 * place)
    os.fdatasync(file)
    return _PAGES


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    client = Client(address)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _held_to(cores: set[int]) -> Iterator[None]:
    """Run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main(claim)
