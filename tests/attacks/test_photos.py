from __future__ import annotations

import struct
import zlib

import httpx
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from govid.config import Settings
from govid.containers import check_structure
from govid.decode import Decoder
from tests.support import BIDEN, OBAMA, encoded, opened


def png(width: int, height: int, data: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG with any header, whatever its data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + b"".join(chunk(*e) for e in extra)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def unpaletted() -> bytes:
    header = struct.pack(">IIBBBBB", 64, 64, 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 64 * 65)
    chunks = ((b"IHDR", header), (b"tRNS", b"\0" * 4), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks
    )


def two_faces() -> bytes:
    left, right = opened(OBAMA).resize((400, 500)), opened(BIDEN).crop((0, 0, 970, 1200)).resize((400, 500))
    both = PIL.Image.new("RGB", (800, 500))
    both.paste(left, (0, 0))
    both.paste(right, (400, 0))
    return encoded(both, "JPEG")


def tiny_face() -> bytes:
    canvas = PIL.Image.new("RGB", (320, 240), (90, 90, 90))
    canvas.paste(opened(OBAMA).resize((60, 75)), (100, 100))
    return encoded(canvas)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: each repetition costs a pass over all pixels."""
    photo = encoded(PIL.Image.new("L", (800, 800), 128), "JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    return photo[:last] + photo[last:-2] * count + photo[-2:]


def large_scans(count: int) -> bytes:
    """The same of 25 megapixels by its header; whoever begins to read it finds less."""
    photo = scans(count)
    frame = photo.index(b"\xff\xc2") + 5
    return photo[:frame] + struct.pack(">HH", 5000, 5000) + photo[frame + 4 :]


def started(word: bytes) -> bytes:
    """A portrait with some of this in front of its first segment; of ten mebibytes each byte took a step."""
    return OBAMA[:2] + word * (200_000 // len(word)) + OBAMA[2:]


BOMB_TEXT = (b"zTXt", b"c\0\0" + zlib.compress(b"0" * 80_000_000))
BOMB_PROFILE = (b"iCCP", b"a\0\0" + zlib.compress(b"0" * 80_000_000))
# A thousand times what the header says: what is too much is never unpacked.
BOMB_PIXELS = zlib.compress(b"\0" * 80_000_000)
NOISE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))

HOSTILE = {
    "not an image": (b"GIF89a is a lie", 422, "photo-not-an-image"),
    "empty": (b"", 422, "photo-not-an-image"),
    "truncated JPEG": (OBAMA[:20_000], 422, "photo-truncated"),
    "truncated JPEG with an end": (OBAMA[:20_000] + b"\xff\xd9", 422, "photo-truncated"),
    "damaged PNG": (png(64, 64, b"\x78\x9c" + b"\xff" * 50), 422, "photo-truncated"),
    "40 megapixels": (encoded(PIL.Image.new("1", (8000, 5000))), 422, "photo-too-many-pixels"),
    "pixel bomb": (png(60_000, 60_000, zlib.compress(b"\0" * 1000)), 422, "photo-too-many-pixels"),
    "negative sizes": (png(0xFFFFFFFF, 0xFFFFFFFF, b""), 422, "photo-too-many-pixels"),
    "text bomb": (png(64, 64, zlib.compress(b"\0" * 64 * 193), BOMB_TEXT), 422, "photo-decompression-bomb"),
    "profile bomb": (
        png(64, 64, zlib.compress(b"\0" * 64 * 193), BOMB_PROFILE),
        422,
        "photo-decompression-bomb",
    ),
    "pixel data bomb": (png(64, 64, BOMB_PIXELS), 422, "face-not-detected"),
    "palette without colours": (unpaletted(), 422, "face-not-detected"),
    "as large as allowed": (encoded(PIL.Image.new("I;16", (5000, 5000))), 422, "face-not-detected"),
    "thousands of scans": (scans(2000), 422, "photo-decompression-bomb"),
    "a million segments": (
        OBAMA[:2] + b"\xff\xe5\0\2" * 1_000_000 + OBAMA[2:],
        422,
        "photo-decompression-bomb",
    ),
    "a million fill bytes": (OBAMA[:2] + b"\xff" * 1_000_000 + OBAMA[2:], 422, "photo-decompression-bomb"),
    **{
        f"{name} before the first segment": (photo, 422, "photo-decompression-bomb")
        for name, photo in {
            "zeros": started(b"\0"),
            "escaped bytes": started(b"\xff\0"),
            "padding in pieces": started(b"\xff" * 9999 + b"\0"),
            "short padding": started(b"\xff\xff\0"),
            "RST markers": started(b"\xff\xd0"),
            "starts": started(b"\xff\xd8"),
            "ends": started(b"\xff\xd9"),
            "extensions": started(b"\xff\xf0\xff\xff" + b"\0" * 65_533),
            "gaps": started(b"\xff\xe5\x04\x00" + b"\0" * 0x800),
            "an end and segments": OBAMA[:2] + b"\xff\xd9" + b"\xff\xe5\0\2" * 100_000 + OBAMA[2:],
        }.items()
    },
    "zeros and no segment": (OBAMA[:2] + bytes(200_000), 422, "photo-decompression-bomb"),
    "many scans of 25 megapixels": (large_scans(25), 422, "photo-decompression-bomb"),
    "many chunks": (png(64, 64, b"", *[(b"tEXt", b"a\0b")] * 20_000), 422, "photo-decompression-bomb"),
    "over 10 MiB": (OBAMA + b"\0" * (10 << 20), 413, "photo-too-large"),
    "animated": (
        encoded(NOISE, "PNG", save_all=True, append_images=[NOISE.rotate(90)]),
        422,
        "photo-animated",
    ),
    "a strip": (encoded(PIL.Image.new("RGB", (12_288, 32), "white")), 422, "face-not-detected"),
    "no face": (encoded(NOISE), 422, "face-not-detected"),
    "two faces": (two_faces(), 422, "multiple-faces"),
    "tiny face": (tiny_face(), 422, "low-quality"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_photo_is_refused_by_name(api: httpx.Client, name: str) -> None:
    photo, status, slug = HOSTILE[name]
    reply = api.post("/v1/embed", files={"photo": photo})
    assert (reply.status_code, reply.json()["slug"]) == (status, slug)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["reason"] in {"REFUSED_INPUT", "FACE_NOT_DETECTED", "MULTIPLE_FACES", "LOW_QUALITY"}
    assert api.get("/healthz").status_code == 200


def test_an_ordinary_progressive_photo_may_have_25_megapixels() -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (500, 500, 3), dtype=np.uint8))
    photo = encoded(noise.resize((5000, 5000), PIL.Image.Resampling.NEAREST), "JPEG", progressive=True)
    assert photo.count(b"\xff\xda") == 10
    check_structure(photo)


def test_a_photo_may_have_some_padding() -> None:
    photo = OBAMA[:2] + b"\xff" * 1000 + OBAMA[2:]
    assert np.array_equal(Decoder(Settings()).decode(photo), Decoder(Settings()).decode(OBAMA))


@pytest.mark.parametrize("canvas", [(800, 600), (2400, 1800), (4000, 3000)])
@pytest.mark.parametrize("width", [160, 300])
@pytest.mark.parametrize("ratio", [1.0, 0.8, 0.6])
def test_a_second_face_is_seen_at_any_scale(
    api: httpx.Client, canvas: tuple[int, int], width: int, ratio: float
) -> None:
    both = PIL.Image.new("RGB", canvas, (100, 110, 120))
    for photo, size, place in ((OBAMA, width, 0.1), (BIDEN, round(width * ratio * 1.3), 0.6)):
        portrait = opened(photo)
        both.paste(
            portrait.resize((size, round(portrait.height * size / portrait.width))),
            (round(canvas[0] * place), 40),
        )
    reply = api.post("/v1/embed", files={"photo": encoded(both, "JPEG")})
    # Where both are too small to be found the photo is refused as well: never is one of them taken.
    assert reply.json()["slug"] in {"multiple-faces", "face-not-detected"}
    if canvas[0] / width < 15:
        assert reply.json()["slug"] == "multiple-faces"


def test_a_polyglot_is_only_ever_a_photo(api: httpx.Client) -> None:
    plain = api.post("/v1/embed", files={"photo": OBAMA}).json()
    with_payload = api.post("/v1/embed", files={"photo": OBAMA + b"<script>PK\x03\x04#!/bin/sh"}).json()
    assert with_payload["embedding"] == plain["embedding"]


def test_a_film_behind_a_photo_is_not_looked_at(api: httpx.Client) -> None:
    film = np.random.default_rng(0).bytes(7_000_000)
    assert b"\xff\xda" in film
    assert api.post("/v1/embed", files={"photo": OBAMA + film}).status_code == 200


def test_a_nonsense_exif_orientation_changes_nothing(api: httpx.Client) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 77
    photo = encoded(opened(OBAMA), "PNG", exif=exif)
    plain = encoded(opened(OBAMA), "PNG")
    replies = [api.post("/v1/embed", files={"photo": p}).json()["embedding"] for p in (photo, plain)]
    assert replies[0] == replies[1]


def with_exif(tiff: bytes) -> bytes:
    segment = b"Exif\0\0" + tiff
    return OBAMA[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + OBAMA[2:]


BOMBS_OF_EXIF = {
    "directories in a circle": b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHII", 0x8769, 4, 1, 8) + b"\0\0\0\x08",
    "values of gigabytes": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x0112, 2, 0xFFFFFFFF, 0),
    "thousands of values": b"II*\0\x08\0\0\0"
    + struct.pack("<H", 5000)
    + b"".join(struct.pack("<HHII", tag, 7, 0x7FFFFFFF, 0xFFFFFFF0) for tag in range(5000)),
    "more values than bytes": b"II*\0\x08\0\0\0\xff\xff",
    "beyond the end": b"II*\0\xff\xff\xff\x7f",
}


@pytest.mark.parametrize("name", BOMBS_OF_EXIF)
def test_an_exif_bomb_changes_nothing(api: httpx.Client, name: str) -> None:
    plain = api.post("/v1/embed", files={"photo": OBAMA}).json()["embedding"]
    reply = api.post("/v1/embed", files={"photo": with_exif(BOMBS_OF_EXIF[name])})
    assert reply.json()["embedding"] == plain


def test_the_best_of_two_faces_is_never_taken(api: httpx.Client) -> None:
    files = {"reference_photo": OBAMA, "probe_photo": two_faces()}
    assert api.post("/v1/compare", files=files).json()["slug"] == "multiple-faces"
