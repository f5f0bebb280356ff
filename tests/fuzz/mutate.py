"""Mutations without coverage, the same ones in each run: the short form, which every machine can run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

WORDS = (
    *(b"\xff\xd8", b"\xff\xda", b"\xff\xd9", b"IDAT", b"acTL", b"RIFF", b"VP8X", b"ustar\0", b"\xed\xa0\x80"),
    *(b'"', b"{", b"[", b"\r\n", b"--x", b"\\u0000", b"%00", b"&", b"=", b";", b".", b"e30"),
    *(b"NaN", b"1e999", b"-1", b"9" * 30, b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff" * 4),
    *(b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\x01\0\x80\x7f"),  # float32: infinity and both kinds of NaN
)
MOST_CHANGES = 4


def mutated(seeds: Sequence[bytes], count: int) -> Iterator[bytes]:
    """``count`` inputs near the seeds."""
    random = Random(0)
    for _ in range(count):
        data = bytearray(random.choice(seeds))
        for _ in range(random.randint(1, MOST_CHANGES)):
            _change(data, seeds, random)
        yield bytes(data)


def _change(data: bytearray, seeds: Sequence[bytes], random: Random) -> None:
    # Parsers look at the beginning first: half of the changes are made there.
    at = random.randrange((min(len(data), 64) if random.random() < 0.5 else len(data)) + 1)
    length = random.choice((1, 2, 4, 16, 256))
    match random.randrange(7):
        case 0 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 1 if at < len(data):
            data[at] = random.randrange(256)
        case 2:
            data[at:at] = random.choice(WORDS)
        case 3:
            word = random.choice(WORDS)
            data[at : at + len(word)] = word
        case 4:
            del data[at : at + length]
        case 5:
            data[at:at] = data[at : at + length] * random.choice((1, 2, 50))
        case _:
            other = random.choice(seeds)
            start = random.randrange(len(other) + 1)
            data[at : at + length] = other[start : start + length]
