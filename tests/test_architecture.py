"""The house rules that a compiler does not hold: who may import whom."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

GOVID = ROOT / "python" / "govid"
STAGES = (
    "decode",
    "detect",
    "landmarks",
    "align",
    "face_region",
    "quality",
    "embed",
    "score",
    "policy",
    "audit",
)
# What a stage may know of govid: shared words, errors, settings, the core's numbers, its own tables.
SHARED = {
    "types",
    "errors",
    "config",
    "_core",
    "models",
    "calibration",
    "profiles",
    "geometry",
    "containers",
    "large",
}


def imports(file: Path) -> set[str]:
    """Dotted names of all modules a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_never_imports_another_stage(stage: str) -> None:
    # A stage is a file, or a folder of files that may know each other.
    files = [GOVID / f"{stage}.py"] if (GOVID / f"{stage}.py").exists() else [*(GOVID / stage).glob("*.py")]
    assert files
    known = {name.split(".")[1] for f in files for name in imports(f) if name.startswith("govid.")}
    assert known <= SHARED | {stage}


def test_the_check_of_stages_can_fail() -> None:
    known = {name.split(".")[1] for name in imports(GOVID / "pipeline.py") if name.startswith("govid.")}
    assert not known <= SHARED


def test_nothing_but_the_command_line_knows_the_server() -> None:
    outside = [*GOVID.rglob("*.py"), *(ROOT / "lfw_eval").rglob("*.py")]
    guilty = [f.name for f in outside if any(n.split(".")[0] in {"server", "litestar"} for n in imports(f))]
    assert sorted(guilty) == ["cli.py", "settings.py"]


def test_nothing_but_the_client_knows_http() -> None:
    guilty = {f.relative_to(GOVID).parts[0] for f in GOVID.rglob("*.py") if "httpx" in imports(f)}
    assert guilty == {"client"}


def test_only_one_rust_module_knows_python() -> None:
    source = ROOT / "core" / "src"
    guilty = {f.relative_to(source).parts[0] for f in source.rglob("*.rs") if "pyo3::" in f.read_text()}
    assert guilty == {"python.rs", "python"}


_COOKIES_OF_LITESTAR = {"CookieParameter", "FromCookie", "RequestCookies", "CSRFConfig"}


def reads_cookies_of_litestar(source: str) -> bool:
    """Whether a file has Litestar parse the cookies of a request: as attribute, parameter or middleware."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "cookies":
            # The console's own cookies, which it keeps by that name.
            if not (isinstance(node.value, ast.Name) and node.value.id in {"console", "self"}):
                return True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
            if any(argument.arg == "cookies" for argument in node.args.args):
                return True
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("litestar"):
            if str(node.module).startswith(("litestar.middleware", "litestar.security")):
                return True
            if _COOKIES_OF_LITESTAR & {name.name for name in node.names}:
                return True
    return False


def test_nothing_has_litestar_parse_cookies() -> None:
    guilty = [
        file.name
        for file in (ROOT / "server").rglob("*.py")
        if reads_cookies_of_litestar(file.read_text("utf-8"))
    ]
    assert guilty == [], "take server.access.browser.Cookies.sent: its time grows with the length alone"


@pytest.mark.parametrize(
    "source",
    [
        "word = request.cookies.get(name)",
        "ASGIConnection(scope).cookies",
        "@get('/')\nasync def page(request, cookies): ...",
        "from litestar.config.csrf import CSRFConfig",
        "from litestar.params import CookieParameter",
        "from litestar.middleware.session.client_side import CookieBackendConfig",
    ],
)
def test_the_check_of_cookies_can_fail(source: str) -> None:
    assert reads_cookies_of_litestar(source)
