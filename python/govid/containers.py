"""How much work the structure of a photo file may ask of its parser, judged before the parser runs.

A few kilobytes can ask for minutes: thousands of progressive scans over millions of pixels, or hundreds of
thousands of empty segments. Photos of cameras and scanners stay far below these bounds.
"""

from __future__ import annotations

from govid.errors import DecompressionBomb

MAX_SCANS = 100  # an ordinary progressive JPEG has about ten
MAX_SEGMENTS = 1000
MAX_CHUNKS = 10_000  # of a PNG; 10 MiB in chunks of 8 KiB are 1,300
_START_OF_SCAN = 0xDA


def check_structure(photo: bytes) -> None:
    """Raise DecompressionBomb if the file asks for far more parsing than a photo does."""
    if photo.startswith(b"\xff\xd8"):
        # In compressed data 0xFF is never followed by 0xDA unless a scan starts there.
        if photo.count(b"\xff\xda") > MAX_SCANS:
            raise DecompressionBomb(f"more than {MAX_SCANS} scans")
        _check_segments(photo)
    elif photo.startswith(b"\x89PNG"):
        _check_chunks(photo)


def _check_segments(photo: bytes) -> None:
    place = 2
    for _ in range(MAX_SEGMENTS):
        # Fill bytes may stand before a marker; anything else between segments is skipped by the parser.
        place = photo.find(b"\xff", place)
        if place < 0 or place + 4 > len(photo):
            return
        marker = photo[place + 1]
        if marker == _START_OF_SCAN:
            return
        if marker in {0x00, 0x01, 0xFF} or 0xD0 <= marker <= 0xD9:
            place += 1
        else:
            place += 2 + int.from_bytes(photo[place + 2 : place + 4], "big")
    raise DecompressionBomb(f"more than {MAX_SEGMENTS} segments before the picture")


def _check_chunks(photo: bytes) -> None:
    place = 8
    for _ in range(MAX_CHUNKS):
        if place + 8 > len(photo):
            return
        place += 12 + int.from_bytes(photo[place : place + 4], "big")
    raise DecompressionBomb(f"more than {MAX_CHUNKS} chunks")
