"""Embeddings kept between runs: a file for one model, one pipeline and one state of its code."""

from __future__ import annotations

import ast
import hashlib
import os
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

import govid
from govid.config import private_folder
from govid.faces import FacePipeline
from govid.types import QualityMeasure

# These change without changing a number, and so need not cost a run.
_NO_NUMBERS = frozenset({"errors", "guard", "timing"})

Quality = tuple[QualityMeasure, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pipeline made of one photo: an embedding with its quality, or the slug of the refusal.

    embedding: (dimension,) float32 of unit norm; zeros after a refusal.
    """

    embedding: NDArray[np.float32]
    quality: Quality
    refusal: str = ""


def cache_file(folder: Path, faces: FacePipeline) -> Path:
    """Where the embeddings of this pipeline lie: other code, models, settings or names have another file."""
    digest = hashlib.sha256(faces.name.encode())
    digest.update(msgspec.json.encode(msgspec.structs.replace(faces.settings, data_dir="")))
    for file in pipeline_code():
        digest.update(file.read_bytes())
    return folder / f"{faces.model_id}-{digest.hexdigest()[:12]}.npz"


@cache
def pipeline_code() -> tuple[Path, ...]:
    """The files that ``govid.faces`` imports, however deep: a change of them changes embeddings."""
    root = Path(govid.__file__).parent
    found: set[Path] = set()
    waiting = [root / "faces.py"]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "govid":
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("govid."):
                names = [(node.module or "").split(".")[1]]
            else:
                continue
            for name in set(names) - _NO_NUMBERS:
                # Of a package all files count, whichever of them is named.
                waiting += [
                    file for file in (root / f"{name}.py", *(root / name).glob("*.py")) if file.exists()
                ]
    return tuple(sorted(found))


def load(file: Path, dimension: int) -> dict[str, Outcome]:
    """The outcomes by SHA-256 of the photo; none where the file is missing or not one of ours."""
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as archive:
            keys, matrix = archive["keys"], archive["embeddings"]
            refusals, qualities = archive["refusals"], archive["qualities"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return {}
    if matrix.shape != (len(keys), dimension):
        return {}
    decoder = msgspec.json.Decoder(Quality)
    return {
        str(key): Outcome(row, decoder.decode(str(quality)), str(refusal))
        for key, row, quality, refusal in zip(keys, matrix, qualities, refusals, strict=True)
    }


def save(file: Path, known: dict[str, Outcome]) -> None:
    """Write all outcomes; a run that is killed meanwhile leaves the old file."""
    private_folder(file.parent)
    scratch = file.with_suffix(f".{os.getpid()}.tmp")
    with scratch.open("wb") as target:
        np.savez(
            target,
            keys=np.array(list(known)),
            embeddings=np.array([outcome.embedding for outcome in known.values()]),
            # One JSON text a photo: which measures there are is the pipeline's affair.
            qualities=np.array([msgspec.json.encode(o.quality).decode() for o in known.values()]),
            refusals=np.array([outcome.refusal for outcome in known.values()]),
        )
    scratch.replace(file)
