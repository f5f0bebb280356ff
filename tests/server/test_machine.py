from __future__ import annotations

import resource
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from server import machine


def found(proc: Path) -> str:
    return "\n".join(machine.missing(proc))


def test_swap_and_readable_memory_are_named(tmp_path: Path) -> None:
    assert "swap" not in found(tmp_path)
    head = "Filename Type Size Used Priority\n"
    (tmp_path / "swaps").write_text(f"{head}/dev/zram0 partition 8 0 100\n")
    (tmp_path / "sys/kernel/yama").mkdir(parents=True)
    (tmp_path / "sys/kernel/yama/ptrace_scope").write_text("1\n")
    assert "swap" not in found(tmp_path)
    (tmp_path / "swaps").write_text(f"{head}/dev/zram0 partition 8 0 100\n/dev/sda2 partition 8 0 -2\n")
    (tmp_path / "sys/kernel/yama/ptrace_scope").write_text("0\n")
    assert "swap is on (/dev/sda2)" in found(tmp_path)
    assert "ptrace_scope=1" in found(tmp_path)


def test_core_dumps_are_named(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
        assert "core dumps" not in found(tmp_path)
        if before[1] == 0:
            pytest.skip("this machine allows no core dumps at all")
        resource.setrlimit(resource.RLIMIT_CORE, (4096, before[1]))
        assert "ulimit -c 0" in found(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.parametrize(("status", "named"), [(0x40, True), (0x2001, False), (None, False)])
def test_a_clock_that_nobody_sets_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, named: bool
) -> None:
    monkeypatch.setattr(machine, "_clock_status", lambda: status)
    assert ("clock" in found(tmp_path)) == named


def test_the_kernel_is_asked_for_the_clock() -> None:
    status = machine._clock_status()
    assert status is None or 0 <= status < 1 << 16


def test_a_package_that_is_too_old_is_named() -> None:
    def installed(name: str) -> str:
        if name == "absent":
            raise PackageNotFoundError(name)
        return {"pillow": "11.2.9", "numpy": "2.10", "httpx": "0.28.1.post1"}[name]

    asked = ["pillow>=11.3", "numpy>=2.9", "httpx>=0.28", "absent>=1", "uv>=9 ; extra == 'dev'", "bare"]
    assert list(machine.outdated(asked, installed)) == [
        "pillow 11.2.9 is older than 11.3, the least: install runtime.lock"
    ]


def test_this_environment_is_not_too_old() -> None:
    assert "older" not in "\n".join(machine.missing())
