"""Where the photos and pair lists lie, and how to get the official ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

PHOTO_FOLDERS = ("lfw-deepfunneled", "lfw_funneled", "lfw")
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
VIEW_2 = "pairs.txt"
VIEW_1_TRAIN = "pairsDevTrain.txt"


class DataError(Exception):
    """The data set is not there or not what it should be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An official file: scikit-learn's mirror of vis-www.cs.umass.edu/lfw, with its SHA-256."""

    name: str
    url: str
    digest: str


_MIRROR = "https://ndownloader.figshare.com/files/"
OFFICIAL = (
    RemoteFile(
        VIEW_2, _MIRROR + "5976006", "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"
    ),
    RemoteFile(
        VIEW_1_TRAIN, _MIRROR + "5976012", "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa"
    ),
    RemoteFile(
        "lfw-funneled.tgz",
        _MIRROR + "5976015",
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
    ),
)


@dataclass(frozen=True, slots=True)
class DataSet:
    """A folder with one sub-folder of photos per person."""

    root: Path
    photos: Path
    without: frozenset[str] = frozenset()
    """People who are left out."""

    def photo(self, person: str, number: int) -> Path:
        """LFW's naming: the n-th photo of a person, counted from one."""
        return self.photos / person / f"{person}_{number:04d}.jpg"

    def people(self) -> dict[str, list[Path]]:
        """Each person's photos, both in order of their names."""
        return {
            folder.name: photos
            for folder in sorted(self.photos.iterdir())
            if folder.is_dir()
            and folder.name not in self.without
            and (photos := sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES))
        }

    def digest(self, photos: list[Path]) -> str:
        """SHA-256 over the names and digests of the photos, in their order; a missing one has none."""
        digest = hashlib.sha256()
        for photo in photos:
            digest.update(photo.relative_to(self.photos).as_posix().encode() + b"\0")
            with contextlib.suppress(OSError):
                digest.update(hashlib.sha256(photo.read_bytes()).digest())
        return digest.hexdigest()


def locate(data: Path | None) -> DataSet:
    """The data set at ``data``, else at ``GOVID_LFW_DIR``, else downloaded into the user's cache.

    Raises:
        DataError: it is not there and cannot be downloaded.
    """
    if data is None and (named := os.environ.get("GOVID_LFW_DIR")):
        data = Path(named)
    return opened(data) if data else opened(_downloaded())


def opened(root: Path) -> DataSet:
    """A data set that is on disk: LFW's layout, or directly one folder per person.

    Raises:
        DataError: there is no folder of people.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder: name the folder that holds {VIEW_2} and {PHOTO_FOLDERS[0]}/")
    for name in PHOTO_FOLDERS:
        if (root / name).is_dir():
            return DataSet(root, root / name)
    if any(child.is_dir() for child in root.iterdir()):
        return DataSet(root, root)
    raise DataError(f"{root} holds none of {', '.join(PHOTO_FOLDERS)} and no folder per person")


def _downloaded() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "govid" / "lfw"
    cache.mkdir(parents=True, exist_ok=True)
    for file in OFFICIAL:
        archive = file.name.endswith(".tgz")
        if (cache / ("lfw_funneled" if archive else file.name)).exists():
            continue
        _download(file, cache / file.name)
        if archive:
            with tempfile.TemporaryDirectory(dir=cache) as scratch, tarfile.open(cache / file.name) as tar:
                tar.extractall(scratch, filter="data")
                shutil.move(Path(scratch) / "lfw_funneled", cache / "lfw_funneled")
            (cache / file.name).unlink()
    return cache


def _download(file: RemoteFile, target: Path) -> None:
    digest = hashlib.sha256()
    try:
        # The addresses are constants of this file, all of them https.
        with (
            urllib.request.urlopen(file.url, timeout=30) as reply,  # noqa: S310
            tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as scratch,
            tqdm(
                total=int(reply.headers["Content-Length"] or 0), unit="B", unit_scale=True, desc=file.name
            ) as bar,
        ):
            while block := reply.read(1 << 20):
                scratch.write(block)
                digest.update(block)
                bar.update(len(block))
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"cannot download {file.name} ({reason}): give the folder with --data or GOVID_LFW_DIR"
        ) from None
    if digest.hexdigest() != file.digest:
        Path(scratch.name).unlink()
        raise DataError(f"{file.name}: the download has digest {digest.hexdigest()}, expected {file.digest}")
    Path(scratch.name).replace(target)
