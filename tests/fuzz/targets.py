"""The parsers of what others send, each as a function of bytes.

A target returns, or raises one of its ``refusals``; anything else is a finding. What it returns was checked:
a parser that takes nonsense for a photo is as bad as one that crashes.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govid import template
from govid.bulk.archive import Archive
from govid.bulk.manifest import Manifest
from govid.callers import Caller
from govid.config import Settings
from govid.containers import check_structure, with_plain_scans
from govid.decode import MIN_SIDE, Decoder
from govid.errors import (
    CallerError,
    DecompressionBomb,
    InvalidBody,
    InvalidReceipt,
    InvalidTemplate,
    RefusedInput,
)
from govid.gallery import snapshot
from govid.ledger import receipts
from govid.ledger.signing import Signer
from govid.types import PackedTemplate
from server.access.certificates import Parties
from server.access.errors import InvalidCredential
from server.access.settings import AccessSettings
from server.access.tokens import TokenReader
from server.bodies import Body
from server.schemas import EnrolRequest
from tests.fuzz import seeds
from tests.server.access import AUDIENCE, ISSUER, standard_keys

PIXELS, LARGEST = 1 << 16, 1 << 16


@dataclass(frozen=True)
class Target:
    """One parser. ``executions``: how many the short form makes, about a second."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    refusals: tuple[type[Exception], ...]
    executions: int


_decoder = Decoder(Settings(photo_max_pixels=PIXELS))


def _photo(data: bytes) -> None:
    picture = _decoder.decode(data)
    height, width, channels = picture.shape
    assert (channels, picture.dtype) == (3, np.uint8)
    assert min(height, width) >= MIN_SIDE
    assert height * width <= PIXELS


def _structure(data: bytes) -> None:
    check_structure(data)
    assert len(with_plain_scans(data)) == len(data)


def _template(data: bytes) -> None:
    made = template.unpack(seeds.MODEL_ID, data, {seeds.MODEL_ID: seeds.DIMENSION})
    assert abs(float(made.embedding @ made.embedding) - 1) < 1e-3
    template.stored(seeds.MODEL_ID, template.pack(made), 1)


def _body(data: bytes) -> None:
    head, query, body = (*data.split(b"\n", 2), b"", b"")[:3]
    # As they come from the HTTP parser: a header as latin-1, a query as bytes.
    read = Body(head.decode("latin-1"), query, body).parse(EnrolRequest)
    assert isinstance(read.subject_id, str)
    assert read.photo is None or isinstance(read.photo, bytes)
    assert read.template is None or isinstance(read.template.embedding, bytes)
    assert all(isinstance(group, str) for group in read.groups)


def _archive(data: bytes) -> None:
    stream = BufferedReader(BytesIO(data))  # type: ignore[arg-type]
    source = Archive(stream, "x.tar", subject_from="file", add=False, photo_max_bytes=LARGEST)
    for item, content in source.items(lambda _: False):
        assert isinstance(content, CallerError) or (isinstance(content, bytes) and len(content) <= LARGEST)
        assert "/" not in item.subject_id


def _manifest(data: bytes) -> None:
    source = Manifest(BytesIO(data), "x.ndjson", folder=None, add=False, photo_max_bytes=LARGEST)
    for _, content in source.items(lambda _: False):
        assert isinstance(content, bytes | PackedTemplate | CallerError)


_scratch = TemporaryDirectory(prefix="govid-fuzz-")  # gone with this process
_folder = Path(_scratch.name) / "snapshots"


def _no_space(rows: int) -> np.ndarray:
    raise AssertionError(rows)  # only what is sealed needs it


def _snapshot(data: bytes) -> None:
    """By somebody who may write to the folder, and so computes all digests anew."""
    text, _, ids = data.partition(b"\0")
    at = _folder / "00000000000000000007-00000000"
    at.mkdir(mode=0o700, parents=True, exist_ok=True)
    vectors = np.eye(4, 8, dtype="<f4")[[0, 1, 3]].tobytes()
    try:
        stated = json.loads(text)
        right = {"ids": hashlib.sha256(ids).hexdigest(), "vectors": hashlib.sha256(vectors).hexdigest()}
        if isinstance(stated["digests"], dict):
            stated["digests"] = {name: right.get(name, "") for name in stated["digests"]}
        text = json.dumps(stated).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    (at / "ids").write_bytes(ids)
    (at / "vectors").write_bytes(vectors)
    (at / "manifest.json").write_bytes(text + b"\n" + hashlib.sha256(text).hexdigest().encode())
    # In clear: one that is sealed has a mark that nobody else can compute.
    read = snapshot.read(_folder, seeds.MODEL_ID, 8, lambda *_: True, None, _no_space)
    for segment in read.segments if read else ():
        assert len(segment.ids) == len(segment.vectors) == len(segment.alive)
        assert 0 <= segment.dead <= len(segment)


# Always the same, so that a seed of one run is one of the next.
_signer = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def _receipt(data: bytes) -> None:
    receipts.read(_signer.verifier, data.decode("latin-1"))


def _token_reader() -> TokenReader:
    (_folder.parent / "keys.json").write_bytes(standard_keys())
    return TokenReader(
        AccessSettings(jwks=str(_folder.parent / "keys.json"), jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
    )


_loop = asyncio.new_event_loop()
_tokens = _token_reader()


def _token(data: bytes) -> None:
    if data.isascii():  # the gate refuses others before
        assert isinstance(_loop.run_until_complete(_tokens.caller(data.decode())), Caller)


def _parties() -> Parties:
    file = _folder.parent / "parties.toml"
    file.write_text(
        '[bank]\nsan = "bank.example"\nscopes = ["verify"]\n[local]\nsan = "localhost"\nscopes = []\n'
    )
    return Parties(AccessSettings(client_parties=str(file), trusted_proxies=("192.0.2.1",)))


_known = _parties()


def _certificate(data: bytes) -> None:
    header = b":" + base64.b64encode(data) + b":"
    der = _known.forwarded([header], ("192.0.2.1", 1))
    assert der == data
    assert _known.caller(der).name in {"certificate:bank", "certificate:local"}


TARGETS: dict[str, Target] = {
    "photo": Target(_photo, seeds.photos, (RefusedInput,), 1500),
    "structure": Target(_structure, seeds.photos, (DecompressionBomb,), 4000),
    "template": Target(_template, seeds.templates, (InvalidTemplate,), 4000),
    "body": Target(_body, seeds.bodies, (CallerError,), 4000),
    "archive": Target(_archive, seeds.archives, (InvalidBody,), 2000),
    "manifest": Target(_manifest, seeds.manifests, (), 4000),
    "snapshot": Target(_snapshot, seeds.snapshots, (), 400),
    "receipt": Target(_receipt, lambda: seeds.signed_receipts(_signer), (InvalidReceipt,), 3000),
    "token": Target(_token, seeds.tokens, (InvalidCredential,), 1500),
    "certificate": Target(_certificate, seeds.certificates, (InvalidCredential,), 3000),
}


def refused(target: Target, data: bytes) -> bool:
    """Run a target; whether it refused. Whatever else it raises is a finding."""
    try:
        target.run(data)
    except target.refusals as error:
        said = str(error)
    else:
        return False
    # It can be said to the caller: no lone surrogate, no endless echo.
    assert len(msgspec.json.encode(said)) < 1000
    return True
