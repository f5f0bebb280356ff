"""How much work the structure of a photo file may ask of its parser, judged before the parser runs.

A few kilobytes can ask for minutes: thousands of progressive scans over millions of pixels, or hundreds of
thousands of empty segments. Photos of cameras and scanners stay far below these bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from govid.errors import DecompressionBomb

MAX_SCANS = 100  # an ordinary progressive JPEG has about ten
MAX_SCANNED = 600_000_000  # pixels of all scans together, about a second: 24 scans of 25 megapixels
MAX_SEGMENTS = 1000
MAX_CHUNKS = 10_000  # of a PNG; 10 MiB in chunks of 8 KiB are 1,300
MAX_FILL = 10_000  # bytes between segments, which the parser steps over one by one before the first scan
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# Start of frame of the JPEG that codes each block at once (ITU-T T.81, table B.1), and of all the others.
_SEQUENTIAL = {0xC0, 0xC1}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WHOLE_BLOCK = bytes((0, 63, 0))
# 0xFF before 0x00 is data, before 0xFF padding; 0x01 and 0xD0 to 0xD7 stand alone and hold no length.
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]")
# Those behind which Pillow reads a length; it takes each other marker for two bytes.
_WITH_LENGTH = re.compile(rb"\xff[\xc0-\xc7\xc9-\xcf\xda-\xef\xfe]")


def check_structure(photo: bytes) -> None:
    """Raise DecompressionBomb if the file asks for far more parsing than a photo does."""
    if photo.startswith(b"\xff\xd8"):
        if b"\xff" * MAX_FILL in photo:
            raise DecompressionBomb("nothing but padding")
        _check_start(photo)
        _check_segments(photo)
    elif photo.startswith(b"\x89PNG"):
        _check_chunks(photo)


def with_plain_scans(photo: bytes) -> bytes:
    """A sequential JPEG whose scans all say that they hold whole blocks, as they must; others unchanged.

    Some Samsung phones write other numbers there now and then. Decoders do not need them and warn, and where
    a warning is an error, whole photos would be refused for it.
    """
    sequential, wrong = False, []
    for marker, start in _segments(photo):
        if marker in _FRAMES:
            sequential = marker in _SEQUENTIAL
        if marker == _START_OF_SCAN and sequential:
            end = start + int.from_bytes(photo[start : start + 2], "big")
            # What is cut off inside the head of a scan is not mended by bytes that nobody sent.
            whole = start + 2 < end <= len(photo) and end - start == 6 + 2 * photo[start + 2]
            if whole and photo[end - 3 : end] != _WHOLE_BLOCK:
                wrong.append(end)
    if not wrong:
        return photo
    mended = bytearray(photo)
    for end in wrong:
        mended[end - 3 : end] = _WHOLE_BLOCK
    return bytes(mended)


def _check_segments(photo: bytes) -> None:
    scans = scanned = pixels = 0
    for segments, (marker, start) in enumerate(_segments(photo), start=1):
        if marker in _FRAMES:
            height, width = photo[start + 3 : start + 5], photo[start + 5 : start + 7]
            pixels = max(pixels, int.from_bytes(height, "big") * int.from_bytes(width, "big"))
        elif marker == _START_OF_SCAN:
            scans, scanned = scans + 1, scanned + pixels
        if scans > MAX_SCANS or scanned > MAX_SCANNED:
            raise DecompressionBomb(f"{scans} scans of {pixels} pixels")
        if segments >= MAX_SEGMENTS:
            raise DecompressionBomb(f"more than {MAX_SEGMENTS} segments")


def _check_start(photo: bytes) -> None:
    """Up to the first scan Pillow reads in Python: byte by byte between segments, and past an end."""
    place, fill = 2, 0
    for _ in range(MAX_SEGMENTS):
        last = min(place + MAX_FILL + 2, len(photo))
        found = _WITH_LENGTH.search(photo, place, last)
        fill += (found.start() if found else last) - place
        if fill > MAX_FILL:
            raise DecompressionBomb(f"more than {MAX_FILL} bytes between segments")
        if found is None or found[0][1] == _START_OF_SCAN:
            return
        place = found.end() + int.from_bytes(photo[found.end() : found.end() + 2], "big")
    raise DecompressionBomb(f"more than {MAX_SEGMENTS} segments")


def _segments(photo: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment of a JPEG, to the end of its picture; what is behind is left out."""
    place = 2
    # Anything that is no marker is skipped by the parser: between segments, and as compressed data.
    while (found := _MARKER.search(photo, place)) and found[0][1] != _END_OF_IMAGE:
        if found.end() + 2 > len(photo):
            return
        yield found[0][1], found.end()
        place = found.end() + int.from_bytes(photo[found.end() : found.end() + 2], "big")


def _check_chunks(photo: bytes) -> None:
    place = 8
    for _ in range(MAX_CHUNKS):
        if place + 8 > len(photo):
            return
        place += 12 + int.from_bytes(photo[place : place + 4], "big")
    raise DecompressionBomb(f"more than {MAX_CHUNKS} chunks")
