"""Good inputs of each parser, made when they are needed: what a fuzzer starts from."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import PIL.Image

from govid.gallery import snapshot
from govid.gallery.segments import Segment
from govid.ledger import receipts
from govid.ledger.receipts import Receipt
from govid.ledger.signing import ISSUER, Signer
from tests.server.access import EC_KEY, ED_KEY, Authority, token
from tests.support import OBAMA, b64, encoded, opened

MODEL_ID, DIMENSION = "m", 129


def photos() -> list[bytes]:
    """A portrait, small enough to be read a thousand times a second, in every form that is accepted."""
    portrait = opened(OBAMA).resize((40, 50))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    forms: list[tuple[str, PIL.Image.Image, dict[str, object]]] = [
        ("JPEG", portrait, {"exif": exif}),
        ("JPEG", portrait, {"progressive": True, "icc_profile": b"profile" * 9}),
        ("JPEG", portrait.convert("L"), {"restart_marker_blocks": 4}),
        ("JPEG", portrait.convert("CMYK"), {}),
        ("MPO", portrait, {"save_all": True, "append_images": [portrait]}),
        ("PNG", portrait, {"exif": exif}),
        ("PNG", portrait.convert("P"), {"transparency": 3}),
        ("PNG", portrait.convert("LA"), {}),
        ("PNG", portrait.convert("1"), {}),
        ("PNG", PIL.Image.fromarray(np.asarray(portrait.convert("L"), np.uint16) << 8), {}),
        ("WEBP", portrait, {"exif": exif}),
        ("WEBP", portrait.convert("RGBA"), {"lossless": True}),
    ]
    return [encoded(picture, kind, **options) for kind, picture, options in forms]


def templates() -> list[bytes]:
    """Bytes of a template."""
    values = np.random.default_rng(0).normal(size=DIMENSION).astype("<f4")
    return [values.tobytes(), (values * np.float32(1e30)).tobytes(), (values * np.float32(1e-30)).tobytes()]


def bodies() -> list[bytes]:
    """Content type, query and body of a request, a line each but for the last."""
    part = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    photo = part % (b"photo", b'; filename="a.jpg"\r\nContent-Type: image/jpeg', b"\xff\xd8abc")
    template = json.dumps({"model_id": MODEL_ID, "embedding": b64(b"abcd")}).encode()
    said = {"subject_id": "alice", "groups": ["a", "b"], "photo": b64(b"abc")}
    forms = b"multipart/form-data; boundary=x\n\n"
    return [
        b"application/json\n\n" + json.dumps(said).encode(),
        b"application/json; charset=utf-8\n\n"
        + json.dumps({"subject_id": "\u00e9", "photo": "YWJj"}).encode(),
        forms + part % (b"subject_id", b"", b"alice") + photo + b"--x--\r\n",
        forms
        + part % (b"subject_id", b"", "\u00e9".encode())
        + part % (b"template", b"", template)
        + b"--x--\r\n",
        forms
        + part % (b"subject_id", b"", b"a")
        + part % (b"groups", b"", b'["a","b"]')
        + photo
        + b"--x--\r\n",
        b"application/octet-stream\nsubject_id=alice&groups=a\n\xff\xd8abc",
        b"application/octet-stream\nsubject_id=%C3%A9&model_id=m\nabcd",
    ]


def archives() -> list[bytes]:
    """Tar archives in each dialect, plain and compressed."""
    made = []
    for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
            for name in ("alice.jpg", "b/bob.jpg", ("long/" * 18) + "carol.png"):
                member = tarfile.TarInfo(name)
                member.size = 5
                archive.addfile(member, io.BytesIO(b"photo"))
            link = tarfile.TarInfo("link.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        made.append(out.getvalue())
    return [*made, gzip.compress(made[0], mtime=0)]


def manifests() -> list[bytes]:
    """Lines of an import."""
    template = {"model_id": MODEL_ID, "embedding": b64(templates()[0])}
    lines = [
        {"subject_id": "alice", "photo": b64(b"photo")},
        {"subject_id": "bob", "template": template, "groups": ["a"], "created_at": 1.5},
        {"subject_id": "carol", "template": template, "quality": [{"name": "Sharpness", "value": 30}]},
    ]
    return [b"".join(json.dumps(line).encode() + b"\n" for line in lines)]


def snapshots() -> list[bytes]:
    """The manifest of a snapshot, without its mark, and behind a NUL its ids."""
    rows = np.eye(4, 8, dtype=np.float32)
    segment = Segment(np.arange(4, dtype=np.int64), rows, np.array([True, True, False, True]))
    about = snapshot.Manifest(
        tier="exact", model_id=MODEL_ID, dimension=8, sequence=7, built_at=None, segments=()
    )
    with TemporaryDirectory() as folder:
        snapshot.write(Path(folder), about, [], [segment], None, lambda: (1, "head"), None)
        (made,) = Path(folder).iterdir()
        return [(made / "manifest.json").read_bytes()[:-65] + b"\0" + (made / "ids").read_bytes()]


def signed_receipts(signer: Signer) -> list[bytes]:
    """A receipt, and a statement of another kind."""
    claims = Receipt(
        iss=ISSUER, jti="r", iat=1, caller="hotel", operation="verify", use_case="general",
        decision="MATCH", models={"sface": "00"}, audit="00" * 32,
    )  # fmt: skip
    return [signer.sign(receipts.KIND, claims).encode()]


def tokens() -> list[bytes]:
    """Access tokens, by each kind of key."""
    return [
        token().encode(),
        token(EC_KEY, "ES256", {"kid": "ec"}).encode(),
        token(ED_KEY, "EdDSA", {"kid": "ed"}).encode(),
    ]


def certificates() -> list[bytes]:
    """Client certificates in DER."""
    with TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        return [authority.issue(name)[2] for name in ("bank.example", "localhost")]
