"""Write what follows from something else: the error classes and the sync half of ``govid.client``.

python scripts/client.py            # write
python scripts/client.py --check    # exit 1 if a file is not what would be written
"""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from govid.errors import CallerError, GovidError, OperatorError, Refusal, RefusedInput
from server import errors as server_errors
from server import health
from server.access import errors as access_errors

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "python" / "govid" / "client"
# Bases that no reply names; the client has its own.
BASES: dict[type[GovidError], str] = {
    GovidError: "ApiError",
    CallerError: "CallerProblem",
    OperatorError: "OperatorProblem",
    Refusal: "RefusedPhoto",
    RefusedInput: "RefusedPhoto",
}
WHERE_DEFINED = (server_errors, access_errors, health)  # imported, so that all subclasses exist
HEAD = '''"""One class for each problem of the API.

Written by scripts/client.py from the server's own; do not edit.
"""

from __future__ import annotations

from govid.client.errors import ApiError, CallerProblem, OperatorProblem, RefusedPhoto


class InternalError(ApiError):
    """{title}. {remedy}"""

    slug = "{slug}"
'''
TAIL = """

BY_SLUG: dict[str, type[ApiError]] = {{
{rows}}}
"""
WORDS = {
    r"\basync (?=def|with|for)": "",
    r"\bawait (?=\w)": "",
    r"Awaitable\[str\]": "str",
    r"\bAsyncClient\b": "Client",
    r"\bAsyncConnection\b": "Connection",
    r"\bAsyncExitStack\b": "ExitStack",
    r"__aenter__": "__enter__",
    r"__aexit__": "__exit__",
    r"\baclose\b": "close",
    r"_async\b": "_sync",
    r"\bawaited\b": "called",
    r"asyncio\.sleep": "time.sleep",
    r"^import asyncio$": "import time",
    r"from collections\.abc import Awaitable, Callable": "from collections.abc import Callable",
}


def concrete(base: type[GovidError] = GovidError) -> list[type[GovidError]]:
    """All problems there are, each behind the one it derives from."""
    # By module, for who imports which first is chance.
    children = sorted(base.__subclasses__(), key=lambda child: child.__module__)
    below = [leaf for child in children for leaf in concrete(child)]
    return below if base in BASES else [base, *below]


def leaving() -> list[type[GovidError]]:
    """Those that a caller may be told."""
    return [error for error in concrete() if not error.commands_only]


def problems() -> str:
    """The file of the error classes."""
    text = HEAD.format(title=GovidError.title, remedy=GovidError.remedy, slug=GovidError.slug)
    named = [("InternalError", GovidError.slug)]
    for error in leaving():
        parent = next(base for base in error.__mro__[1:] if issubclass(base, GovidError))
        body = f'"""{error.title}. {error.remedy}"""'
        if len(body) > 100:
            remedy = textwrap.fill(error.remedy, 100, subsequent_indent="    ")
            body = f'"""{error.title}.\n\n    {remedy}\n    """'
        base = BASES.get(parent, parent.__name__)
        text += f'\n\nclass {error.__name__}({base}):\n    {body}\n\n    slug = "{error.slug}"\n'
        named.append((error.__name__, error.slug))
    return text + TAIL.format(
        rows="".join(f'    "{slug}": {name},\n' for name, slug in sorted(named, key=lambda n: n[1]))
    )


def synchronous(source: str) -> str:
    """An async module without what makes it wait."""
    for pattern, word in WORDS.items():
        source = re.sub(pattern, word, source, flags=re.MULTILINE)
    head, _, rest = source.partition('"""\n')
    return f'{head}\n\nWritten by scripts/client.py from its twin in _async; do not edit.\n"""\n{rest}'


def formatted(text: str) -> str:
    """As `ruff format` leaves it."""
    ruff = Path(sys.executable).with_name("ruff")
    return subprocess.run(
        [ruff, "format", "-q", "-"], input=text, capture_output=True, text=True, check=True
    ).stdout


def written() -> dict[Path, str]:
    """Each file with its text."""
    twins = (CLIENT / "_async").glob("*.py")
    texts = {CLIENT / "_sync" / file.name: synchronous(file.read_text()) for file in twins}
    return {file: formatted(text) for file, text in {CLIENT / "problems.py": problems(), **texts}.items()}


def stale() -> list[str]:
    """Names of the files that are not what would be written."""
    return [
        f"{file.parent.name}/{file.name}"
        for file, text in written().items()
        if not file.exists() or file.read_text() != text
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(f"run scripts/client.py: {', '.join(stale())}" if stale() else 0)
    for file, text in written().items():
        file.write_text(text)
