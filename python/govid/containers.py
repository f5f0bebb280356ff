"""How much work the structure of a photo file may ask of its parser, judged before the parser runs.

A few kilobytes can ask for minutes: thousands of progressive scans over millions of pixels, or hundreds of
thousands of empty segments. Photos of cameras and scanners stay far below these bounds.
"""

from __future__ import annotations

import re

from govid.errors import DecompressionBomb

MAX_SCANS = 100  # an ordinary progressive JPEG has about ten
MAX_SEGMENTS = 1000
MAX_CHUNKS = 10_000  # of a PNG; 10 MiB in chunks of 8 KiB are 1,300
MAX_FILL = 10_000  # bytes of padding before a marker, which the parser steps over one by one
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# 0xFF before 0x00 is data, before 0xFF padding; 0x01 and 0xD0 to 0xD7 stand alone and hold no length.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")


def check_structure(photo: bytes) -> None:
    """Raise DecompressionBomb if the file asks for far more parsing than a photo does."""
    if photo.startswith(b"\xff\xd8"):
        if b"\xff" * MAX_FILL in photo:
            raise DecompressionBomb("nothing but padding")
        _check_segments(photo)
    elif photo.startswith(b"\x89PNG"):
        _check_chunks(photo)


def _check_segments(photo: bytes) -> None:
    """Walk the segments of a JPEG to the end of its picture; what is appended behind is not looked at."""
    place, scans = 2, 0
    for _ in range(MAX_SEGMENTS):
        # Anything that is no marker is skipped by the parser: between segments, and as compressed data.
        found = _MARKER.search(photo, place)
        if found is None or found[0][1] == _END_OF_IMAGE:
            return
        place = found.end() + int.from_bytes(photo[found.end() : found.end() + 2], "big")
        scans += found[0][1] == _START_OF_SCAN
        if scans > MAX_SCANS:
            raise DecompressionBomb(f"more than {MAX_SCANS} scans")
    raise DecompressionBomb(f"more than {MAX_SEGMENTS} segments")


def _check_chunks(photo: bytes) -> None:
    place = 8
    for _ in range(MAX_CHUNKS):
        if place + 8 > len(photo):
            return
        place += 12 + int.from_bytes(photo[place : place + 4], "big")
    raise DecompressionBomb(f"more than {MAX_CHUNKS} chunks")
