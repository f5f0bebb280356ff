from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest

from lfw_eval.html import as_html
from lfw_eval.results import Evaluation
from tests.lfw_eval.support import PAIRS, evaluate, write_tree

# What can make a browser fetch, run or submit something.
_LOADING = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href", "style"}
_FORBIDDEN = {"script", "iframe", "object", "embed", "link", "form", "base", "image", "use", "foreignobject"}


class Tags(HTMLParser):
    """Tags and their attributes, and whether each one is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_loads_nothing(page: str, images: int) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert not {tag for tag, _ in tags.found} & _FORBIDDEN
    loads = [
        value or "" for _, attributes in tags.found for name, value in attributes.items() if name in _LOADING
    ]
    assert len(loads) == images
    assert all(value.startswith("data:image/jpeg;base64,") for value in loads)
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    assert not re.search(r"url\(|@import|https?:", page)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Evaluation]:
    """A report without and one with faces, of a set where a pair has the wrong label."""
    tree = write_tree(tmp_path_factory.mktemp("tree"))
    biden = tree / "lfw" / "Joe_Biden" / "Joe_Biden_0001.jpg"
    (tree / "lfw" / "Barack_Obama" / "Barack_Obama_0003.jpg").write_bytes(biden.read_bytes() + b"\0")
    (tree / "pairs.txt").write_text(PAIRS.replace("Barack_Obama\t2\t1\n", "Barack_Obama\t2\t3\n"))
    arguments = (
        "--data",
        tree,
        "--compare",
        "fast,fast",
        "--out",
        tree / "r.json",
        "--report",
        tree / "r.html",
    )
    texts = []
    for extra in ((), ("--show-faces",)):
        done = evaluate(*arguments, *extra)
        assert done.exit_code == 0, done.output
        texts.append((tree / "r.html").read_text())
    return texts[0], texts[1], msgspec.json.decode((tree / "r.json").read_bytes(), type=Evaluation)


def test_a_report_loads_nothing_and_shows_no_face_unless_asked(pages: tuple[str, str, Evaluation]) -> None:
    assert_loads_nothing(pages[0], images=0)
    assert "base64" not in pages[0]


def test_show_faces_puts_the_crops_of_the_errors_in(pages: tuple[str, str, Evaluation]) -> None:
    errors = [error for result in pages[2].pipelines if result.pair_list for error in result.pair_list.errors]
    assert errors
    assert_loads_nothing(pages[1], images=2 * len(errors))
    assert 'alt="Barack_Obama/Barack_Obama_0003.jpg"' in pages[1]


def test_the_policy_of_the_page_allows_its_own_style(pages: tuple[str, str, Evaluation]) -> None:
    [style] = re.findall(r"<style>(.*?)</style>", pages[0], re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in pages[0]
    assert "default-src 'none'" in pages[0]


def test_a_report_says_what_it_rests_on(pages: tuple[str, str, Evaluation]) -> None:
    page, _, evaluation = pages
    for result in evaluation.pipelines:
        assert all(digest in page for digest in result.models.values())
    assert evaluation.data_set_digest in page
    assert evaluation.machine in page
    assert "Barack_Obama/Barack_Obama_0003.jpg" in page
    for title in (
        "Summary",
        "FNMR at FMR",
        "Error versus discard",
        "Worst errors",
        "Failures to acquire",
        "Time",
    ):
        assert f"<h2>{title}" in page
    assert page.count("<figure>") >= 4


def test_a_name_is_text_and_never_markup(pages: tuple[str, str, Evaluation]) -> None:
    hostile = "<script src=//x>'\"&"
    first = pages[2].pipelines[0]
    poisoned = msgspec.structs.replace(
        pages[2],
        data_set=hostile,
        command=hostile,
        malformed=(hostile,),
        pipelines=(msgspec.structs.replace(first, label=hostile, failures_to_acquire={hostile: hostile}),),
    )
    page = as_html(poisoned, {})
    assert "<script" not in page
    assert_loads_nothing(page, images=0)
