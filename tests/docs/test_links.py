"""Each link of a document leads somewhere, and every document can be reached from README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import ROOT

DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        ROOT / "benchmarks/README.md",
        ROOT / "tests/attacks/README.md",
    ]
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(document: Path) -> list[tuple[Path, str]]:
    """File and anchor of each link to a file of the repository."""
    found = LINK.findall(document.read_text(encoding="utf-8"))
    return [((document.parent / path).resolve() if path else document, anchor) for path, anchor in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_is_dead(document: Path) -> None:
    for target, anchor in links(document):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


def test_readme_leads_to_every_document() -> None:
    reached = {target for target, _ in links(ROOT / "README.md")}
    assert [path.name for path in DOCUMENTS if path != ROOT / "README.md" and path not in reached] == []
