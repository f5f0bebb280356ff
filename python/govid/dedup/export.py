"""The pairs of a job as a file: CSV for a spreadsheet, or a JSON object a line for a program."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import msgspec

from govid.dedup.results import DedupPair

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(pages: Iterable[list[DedupPair]], kind: str) -> Iterator[bytes]:
    """The pairs as UTF-8, a page at a time; ``kind`` is ``csv`` or ``json``."""
    return _json(pages) if kind == "json" else _csv(pages)


def _json(pages: Iterable[list[DedupPair]]) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for page in pages:
        yield encoder.encode_lines(page)


def _csv(pages: Iterable[list[DedupPair]]) -> Iterator[bytes]:
    yield _rows([DedupPair.__struct_fields__])
    for page in pages:
        yield _rows(tuple(map(_cell, msgspec.structs.astuple(pair))) for pair in page)


def _rows(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """A subject id is what a caller chose: a spreadsheet must not take it for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
