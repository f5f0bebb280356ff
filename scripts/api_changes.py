"""What an integrator would have to change: the HTTP interface now against the one last recorded.

python scripts/api_changes.py            # breaking changes since then, exit 1 if one is not in the changelog
python scripts/api_changes.py record     # at a release: what is now is what is promised
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "openapi.json"
RECORDED = ROOT / "docs" / "api-recorded.json"
CHANGELOG = ROOT / "docs" / "api-changelog.md"
DEEPEST = 8


def surface(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What callers rely on, by route: what they send with its types, what is required, what they get."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            sent: dict[str, list[str]] = {}
            required: set[str] = set()
            for parameter in operation.get("parameters", ()):
                sent[parameter["name"]] = _types(parameter["schema"], document)
                required |= {parameter["name"]} if parameter.get("required") else set()
            # JSON has all fields; the other content types hold the same ones.
            for content in list(operation.get("requestBody", {}).get("content", {}).values())[:1]:
                sent |= _fields(content["schema"], document)
                required |= set(content["schema"].get("required", ()))
            got: dict[str, list[str]] = {}
            for status, reply in operation["responses"].items():
                for content in reply.get("content", {}).values() if status.startswith("2") else ():
                    got |= _fields(content["schema"], document)
            found[f"{method.upper()} {path}"] = {"sent": sent, "required": sorted(required), "got": got}
    return found


def breaking(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> list[str]:
    """One line for each thing that would break a caller written for ``old``."""
    lines = []
    for route, was in old.items():
        if (now := new.get(route)) is None:
            lines.append(f"`{route}` is gone")
            continue
        for name, types in was["sent"].items():
            if name not in now["sent"]:
                lines.append(f"`{route}` no longer takes `{name}`")
            elif lost := set(types) - set(now["sent"][name]):
                lines.append(f"`{route}` no longer takes {', '.join(sorted(lost))} as `{name}`")
        lines += [f"`{route}` requires `{name}`" for name in now["required"] if name not in was["required"]]
        for name, types in was["got"].items():
            if name not in now["got"]:
                lines.append(f"`{route}` no longer answers `{name}`")
            elif more := set(now["got"][name]) - set(types):
                lines.append(f"`{route}` may answer {', '.join(sorted(more))} as `{name}`")
    return lines


def unexplained(lines: list[str], changelog: str) -> list[str]:
    """Those that the changelog's first section, that of the next version, does not have."""
    section = changelog.partition("\n## ")[2].partition("\n## ")[0]
    return [line for line in lines if line not in section]


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _alternatives(schema: dict[str, Any], document: dict[str, Any]) -> list[dict[str, Any]]:
    schema = _resolved(schema, document)
    either = schema.get("oneOf") or schema.get("anyOf")
    return [one for part in either for one in _alternatives(part, document)] if either else [schema]


def _types(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    named = (one.get("type", "any") for one in _alternatives(schema, document))
    return sorted({name for types in named for name in ([types] if isinstance(types, str) else types)})


def _fields(
    schema: dict[str, Any], document: dict[str, Any], prefix: str = "", depth: int = 0
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in _alternatives(schema, document) if depth < DEEPEST else ():
        for name, value in one.get("properties", {}).items():
            found[prefix + name] = _types(value, document)
            found |= _fields(value, document, f"{prefix}{name}.", depth + 1)
        if isinstance(one.get("items"), dict):  # of a pair it is false
            found |= _fields(one["items"], document, prefix, depth + 1)
    return found


if __name__ == "__main__":
    now = surface(json.loads(DOCUMENT.read_text()))
    if sys.argv[1:] == ["record"]:
        lines = (f"{json.dumps(route)}: {json.dumps(now[route], sort_keys=True)}" for route in sorted(now))
        RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    else:
        found = breaking(json.loads(RECORDED.read_text()), now)
        print("\n".join(found))
        sys.exit(bool(unexplained(found, CHANGELOG.read_text())))
