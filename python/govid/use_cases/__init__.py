"""The policies in force: shipped ones, and the operator's own, read anew whenever a file changes."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import msgspec

from govid.config import Settings
from govid.errors import GovidError, InvalidSettings, UnknownUseCase
from govid.policy import UseCase
from govid.quality.gates import GATEABLE

CHECK_SECONDS = 1.0
"""A changed file is in force after at most so long."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_BYTES = 64 * 1024
_State = tuple[tuple[str, int, int], ...]
log = logging.getLogger("govid.use_cases")


class UseCases:
    """All use cases by name. Safe to call from several threads.

    A file of the operator's folder adds a use case, or replaces the shipped one of its name. One that is
    wrong stops the start; while running, all stay as they were, and ``problem`` says what is wrong.
    """

    def __init__(
        self, folder: Path, check: Callable[[UseCase], None] = lambda _: None, *, optional: bool = True
    ) -> None:
        """Read them.

        Args:
            folder: the operator's.
            optional: whether it may be missing.
            check: raises OperatorError for one that this installation cannot serve.

        Raises:
            InvalidSettings: a file is wrong; the message names file, key and what is allowed.
        """
        self._folder = folder
        self._check = check
        self._reading = threading.Lock()
        self._state = _state(folder)
        if self._state is None and not optional:
            raise InvalidSettings(f"use_cases_dir: {folder} is no folder")
        self._by_name = self._read()
        self._next_look = time.monotonic() + CHECK_SECONDS
        self.problem: str | None = None

    @classmethod
    def of(cls, settings: Settings, check: Callable[[UseCase], None] = lambda _: None) -> UseCases:
        """Those of an installation: a folder that its settings name must be there."""
        return cls(settings.use_cases, check, optional=not settings.use_cases_dir)

    def __call__(self, name: str) -> UseCase:
        """The use case of that name, as its file says now.

        Raises:
            UnknownUseCase: there is none.
        """
        found = self._current().get(name)
        if found is None:
            raise UnknownUseCase(f"known use cases: {', '.join(sorted(self._by_name))}")
        return found

    def __contains__(self, name: str) -> bool:
        """Whether there is one of that name, as the files say now."""
        return name in self._current()

    def all(self) -> tuple[UseCase, ...]:
        """All of them, by name."""
        current = self._current()
        return tuple(current[name] for name in sorted(current))

    def _current(self) -> dict[str, UseCase]:
        if time.monotonic() >= self._next_look and self._reading.acquire(blocking=False):
            try:
                self._next_look = time.monotonic() + CHECK_SECONDS
                self._look()
            finally:
                self._reading.release()
        return self._by_name

    def _look(self) -> None:
        try:
            state = _state(self._folder)
            if state == self._state:
                return
            if state is None:
                # An unmounted folder is no wish for the shipped rules, which may be looser.
                raise InvalidSettings(f"{self._folder}: the folder is gone")
            self._state = state
            self._by_name = self._read()
        except GovidError as error:
            if error.detail != self.problem:
                log.error("the use cases stay as they were: %s", error.detail)
            self.problem = error.detail
        else:
            self.problem = None
            log.info("use cases read anew: %s", ", ".join(case.policy_id for case in self._by_name.values()))

    def _read(self) -> dict[str, UseCase]:
        found = dict(_shipped())
        for case in found.values():
            self._check(case)
        for path in _files(self._folder):
            try:
                content = path.read_bytes()
            except OSError as error:
                raise InvalidSettings(f"{path}: {error.strerror}") from None
            case = parse(path.stem, content, str(path))
            try:
                self._check(case)
            except GovidError as error:
                raise InvalidSettings(f"{path}: {error.detail}") from None
            found[case.name] = case
        return found


def shipped(name: str) -> UseCase:
    """The use case of that name as govid brings it, whatever the operator made of it."""
    return _shipped()[name]


@cache
def _shipped() -> Mapping[str, UseCase]:
    files = (file for file in resources.files("govid.use_cases").iterdir() if file.name.endswith(".toml"))
    cases = (parse(file.name.removesuffix(".toml"), file.read_bytes(), file.name) for file in files)
    return MappingProxyType({case.name: case for case in cases})


def parse(name: str, content: bytes, source: str) -> UseCase:
    """A use case from a TOML file.

    Args:
        name: of the file without its ending; it becomes the use case's.
        source: what messages call the file.

    Raises:
        InvalidSettings: it is not one; the message names the key and what is allowed.
    """
    if not _NAME.fullmatch(name):
        raise InvalidSettings(f"{source}: a use case is named by a-z, 0-9 and underscore, up to 64 of them")
    if len(content) > _MAX_BYTES:
        raise InvalidSettings(f"{source}: {len(content)} bytes, at most {_MAX_BYTES}")
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{source}: {error}") from None
    if made_here := {"name", "digest"} & set(table):
        raise InvalidSettings(f"{source}: {min(made_here)}: govid makes it, leave the key out")
    known = [field for field in UseCase.__struct_fields__ if field not in {"name", "digest"}]
    try:
        # The struct itself lets them pass: a client reads use cases of a newer server.
        if unknown_keys := set(table) - set(known):
            raise msgspec.ValidationError(f"Object contains unknown field `{min(unknown_keys)}`")
        case = msgspec.convert({**table, "name": name}, UseCase)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"{source}: {error}; known keys are {', '.join(known)}") from None
    if case.inconclusive_fmr < case.fmr:
        raise InvalidSettings(f"{source}: inconclusive_fmr: must not be under fmr, {case.fmr:g}")
    if unknown := set(case.least_quality) - GATEABLE:
        raise InvalidSettings(
            f"{source}: least_quality: no measure {min(unknown)!r}; known are {', '.join(sorted(GATEABLE))}"
        )
    if case.least_quality and case.accepts_templates:
        raise InvalidSettings(
            f"{source}: least_quality: a ready template has none, set accepts_templates = false"
        )
    everything = msgspec.json.encode(case, order="deterministic")
    return msgspec.structs.replace(case, digest=hashlib.sha256(everything).hexdigest()[:8])


def _files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.name.endswith(".toml"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidSettings(f"{folder}: {error.strerror}") from None


def _state(folder: Path) -> _State | None:
    """What would show that a file changed; None where there is no folder."""
    if not folder.exists():
        return None
    state = []
    for path in _files(folder):
        try:
            about = path.stat()
        except OSError:  # gone between the two: reading will say so
            continue
        state.append((path.name, about.st_mtime_ns, about.st_size))
    return tuple(state)
