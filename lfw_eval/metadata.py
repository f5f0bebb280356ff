"""Who belongs to which group: a CSV file with a column ``person`` and one column for each attribute."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lfw_eval.data import DataError

NOT_STATED = "not stated"


class Metadata(NamedTuple):
    """Group of each person by attribute, and what the file lacks."""

    groups: dict[str, dict[str, str]]
    problems: tuple[str, ...]


def read_metadata(path: Path, people: Iterable[str], *, strict: bool = False) -> Metadata:
    """Read the groups of the people of a data set; who is not in the file is ``not stated``.

    Raises:
        DataError: no readable CSV, no column ``person`` or no other one; with ``strict`` the first line
            that is malformed, twice there or of nobody in the data set.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = list(rows.fieldnames or ())
            if columns.count("person") != 1 or len(columns) < 2:
                raise DataError(f"{path}:1: needs one column person and at least one other")
            if not all(columns) or len(set(columns)) < len(columns):
                raise DataError(f"{path}:1: a column has no name, or two have the same")
            attributes = [name for name in columns if name != "person"]
            return _grouped(path, rows, attributes, dict.fromkeys(people), strict=strict)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV in UTF-8: {error}") from None


def _grouped(
    path: Path,
    rows: csv.DictReader[str],
    attributes: list[str],
    people: dict[str, None],
    *,
    strict: bool,
) -> Metadata:
    groups = {attribute: dict.fromkeys(people, NOT_STATED) for attribute in attributes}
    seen: set[str] = set()
    problems = []
    for row in rows:
        person = row["person"]
        if None in row or None in row.values():
            problem = "another number of columns than the first line"
        elif person not in people:
            problem = f"no photos of {person!r}"
        elif person in seen:
            problem = f"{person!r} a second time"
        else:
            seen.add(person)
            for attribute in attributes:
                groups[attribute][person] = row[attribute].strip() or NOT_STATED
            continue
        problems.append(f"{path.name}:{rows.line_num}: {problem}")
        if strict:
            raise DataError(problems[-1])
    return Metadata(groups, tuple(problems))
