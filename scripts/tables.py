"""Write the tables of docs/ that follow from the code: problems, addresses, words of the audit, settings.

python -m scripts.tables            # write
python -m scripts.tables --check    # exit 1 if a document is not what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from govid import config
from govid.audit_words import OPERATIONS, OUTCOMES
from govid.errors import GovidError
from govid.settings_list import settings
from scripts.client import leaving
from server.access.routes import ROUTES, Door
from server.access.settings import AccessSettings
from server.app import create_app
from server.errors import status_of
from server.settings import ServerSettings

DOCS = Path(__file__).parent.parent / "docs"
TYPES = {"engine": config.Settings, "server": ServerSettings, "access": AccessSettings}
ASKED = {
    Door.OPEN: "nothing",
    Door.KNOWN: "any",
    Door.METRICS: "`metrics`, `admin`",
    Door.SCHEMA: "any",
}


def table(*head: str, rows: Iterable[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def problems() -> str:
    """What a caller may be told, by slug."""
    known = sorted([GovidError, *leaving()], key=lambda error: error.slug)
    rows = ((f"`{one.slug}`", str(status_of(one)), one.title, one.remedy) for one in known)
    return table("slug", "HTTP", "says", "remedy", rows=rows)


def addresses() -> str:
    """Every route of the document, in the order of the table of scopes."""
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in create_app().openapi_schema.to_schema()["paths"].items()
        for method, operation in methods.items()
    }
    rows = (
        (f"`{route}`", f"`{operations[route]['operationId']}`", operations[route]["summary"], _scopes(door))
        for route, door in ROUTES.items()
        if route in operations
    )
    return table("address", "name", "does", "scope", rows=rows)


def _scopes(door: Door | frozenset[str]) -> str:
    return ASKED[door] if isinstance(door, Door) else ", ".join(f"`{scope}`" for scope in sorted(door))


def words(meanings: Mapping[str, str]) -> str:
    """Words of the audit with what they mean."""
    return table("word", "means", rows=((f"`{word}`", meaning) for word, meaning in meanings.items()))


def settings_of(name: str) -> str:
    """The settings of one type."""
    rows = (
        (f"`{one.variable}`", one.kind, f"`{one.default}`" if one.default else "empty", one.about)
        for one in settings(TYPES[name], environment={})
    )
    return table("variable", "type", "default", "what it is", rows=rows)


TABLES = {
    ("integrators.md", "problems"): problems,
    ("integrators.md", "addresses"): addresses,
    ("audit.md", "operations"): lambda: words(OPERATIONS),
    ("audit.md", "outcomes"): lambda: words(OUTCOMES),
    **{("settings.md", name): (lambda name=name: settings_of(name)) for name in TYPES},
}


def written() -> dict[Path, str]:
    """Each document with its tables between their marks."""
    texts: dict[Path, str] = {}
    for (file, name), made in TABLES.items():
        path = DOCS / file
        before, begin, rest = texts.get(path, path.read_text()).partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        assert end, f"{file} has no marks of {name}"
        texts[path] = f"{before}{begin}\n{made()}\n{end}{after}"
    return texts


def stale() -> list[str]:
    """Names of the documents that are not what would be written."""
    return [path.name for path, text in written().items() if path.read_text() != text]


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(f"run make tables: {', '.join(stale())}" if stale() else 0)
    for path, text in written().items():
        path.write_text(text)
