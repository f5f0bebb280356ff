"""Secrets and settings as Kubernetes mounts them: root's, read by a group, behind two symbolic links."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from govid import use_cases
from govid.config import Settings
from govid.ledger.signing import load_signer
from govid.vault.keys import FileKeys, GivenKeys
from server import hardening
from server.access.settings import AccessSettings
from server.settings import ServerSettings
from tests import support

OURS = 10001
"""User and group of the container."""


def mounted(folder: Path, files: dict[str, bytes], mode: int) -> None:
    """What kubelet makes of a Secret or ConfigMap where the pod has an fsGroup."""
    (real := folder / "..2026_07_01_08_30_00.1234567890").mkdir(parents=True)
    for name, content in files.items():
        (real / name).write_bytes(content)
        (real / name).chmod(mode)
        (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data").symlink_to(real.name)
    if os.geteuid() == 0:
        for path in (folder, real, *real.iterdir()):
            os.chown(path, 0, OURS)
    real.chmod(0o2755)
    folder.chmod(0o3777)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder whose parents another user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


READS = """
import os, sys
from pathlib import Path
from govid.config import Settings
from govid.ledger.signing import load_signer
from govid.store.opening import store_url
from govid.vault.keys import FileKeys
folder, user, group = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
os.setgroups([])
os.setgid(group)
os.setuid(user)
load_signer(folder / "signing.pem", create=False)
url = store_url(Settings(store_url_file=str(folder / "url")))
print(url, len(FileKeys(folder / "encryption.json").ids()))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize(
    ("mode", "group", "said"),
    [
        (0o440, OURS, "postgresql://db/govid 1"),
        (0o444, OURS, "others may read this key"),
        (0o440, OURS + 1, "others may read this key"),
    ],
)
def test_a_mounted_secret_is_read_by_its_group_alone(
    mode: int, group: int, said: str, open_folder: Path
) -> None:
    load_signer(open_folder / "made" / "signing.pem")
    keys = FileKeys(open_folder / "made" / "encryption.json")
    keys.create()
    files = {path.name: path.read_bytes() for path in (open_folder / "made").iterdir()}
    mounted(open_folder / "secret", {**files, "url": b"postgresql://db/govid\n"}, mode)
    done = subprocess.run(
        [sys.executable, "-c", READS, str(open_folder / "secret"), str(OURS), str(group)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) is (said in done.stdout)


def test_keys_in_the_environment_end_with_the_line_of_their_file() -> None:
    """kubectl --from-file keeps what openssl wrote, with its newline."""
    key = base64.b64encode(bytes(range(32))).decode()
    assert GivenKeys(key + "\n").current() == GivenKeys(key).current()


def test_a_changed_config_map_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_cases, "CHECK_SECONDS", 0.0)
    support.use_case(tmp_path, "own")
    text = (tmp_path / "use_cases" / "own.toml").read_bytes()
    folder = tmp_path / "mounted"
    mounted(folder, {"own.toml": text}, 0o644)
    found = use_cases.UseCases.of(Settings(use_cases_dir=str(folder)))
    assert found("own").version == "1"
    # As kubelet swaps it: another folder, and one rename.
    (newer := folder / "..2026_07_02").mkdir()
    (newer / "own.toml").write_bytes(text.replace(b'version = "1"', b'version = "2"'))
    (folder / "..data_tmp").symlink_to(newer.name)
    (folder / "..data_tmp").rename(folder / "..data")
    assert found("own").version == "2"


def test_a_folder_that_everybody_might_write_is_none_where_it_is_mounted_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "use_cases"
    folder.mkdir()
    folder.chmod(0o777)

    def lines() -> str:
        settings = Settings(data_dir=str(tmp_path / "var"), use_cases_dir=str(folder))
        return "\n".join(hardening.missing(settings, ServerSettings(), AccessSettings()))

    assert f"{folder} can be written by others" in lines()
    real = os.statvfs

    def read_only(path: os.PathLike[str]) -> os.statvfs_result:
        seen = list(real(path))
        seen[8] |= os.ST_RDONLY  # f_flag
        return os.statvfs_result(seen)

    monkeypatch.setattr(os, "statvfs", read_only)
    assert f"{folder} can be written by others" not in lines()
