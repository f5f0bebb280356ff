"""What is evaluated: profiles of govid, and any local ONNX embedder."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import onnx
from google.protobuf.message import DecodeError

from govid import models
from govid.config import Settings
from govid.errors import InvalidSettings
from govid.faces import FacePipeline
from lfw_eval.data import DataError


class LocalModel(NamedTuple):
    """An ONNX embedder as the command line describes it, the path of its manifest, or a registered name.

    dimension: length of the embedding; None takes what the model states of its output.
    """

    path: Path
    dimension: int | None = None
    channels: str = "RGB"
    mean: float = 0.0
    scale: float = 1.0


class Contender(NamedTuple):
    """A pipeline under the name the tables give it. ``settings`` are those it was made with."""

    label: str
    settings: Settings
    faces: FacePipeline


def contenders(settings: Settings, profiles: list[str], model: LocalModel | None) -> Iterator[Contender]:
    """Load one after the other, so that the models of one are not kept for the next.

    Raises:
        InvalidSettings: an unknown profile or a value out of range.
        DataError: the model cannot be read.
        OperatorError: a model is missing or has another shape than stated.
    """
    for profile in profiles:
        yield _profile(settings, profile)
    if model:
        yield _local(settings, model)


def _profile(settings: Settings, label: str) -> Contender:
    """``fast``, or ``fast:int8`` for another precision than that of the settings."""
    profile, _, precision = label.partition(":")
    chosen = _with(settings, profile=profile, precision=precision or settings.precision)
    return Contender(label, chosen, FacePipeline(chosen))


def _local(settings: Settings, model: LocalModel) -> Contender:
    if model.path.suffix == ".toml" or str(model.path) in models.EMBEDDERS:
        chosen = _with(settings, profile="fast", embedder=str(model.path))
        return Contender(model.path.stem, chosen, FacePipeline(chosen))
    with tempfile.TemporaryDirectory(prefix="govid-eval-") as folder:
        manifest = Path(folder) / "model.toml"
        manifest.write_text(_manifest(model), encoding="utf-8")
        chosen = _with(settings, profile="fast", embedder=str(manifest))
        # The model is in memory after this line; the manifest has done its work.
        return Contender(model.path.name, chosen, FacePipeline(chosen))


def _manifest(model: LocalModel) -> str:
    """A manifest of the bytes that are there now. A registered model has one that was written once."""
    try:
        content = model.path.read_bytes()
    except OSError as error:
        known = ", ".join(models.EMBEDDERS)
        raise DataError(f"{model.path}: {error.strerror}; registered models are {known}") from None
    digest = hashlib.sha256(content).hexdigest()
    name = re.sub(r"[^a-z0-9_.]", "_", model.path.stem.lower()).lstrip("_.")[:64]
    fields = {
        "name": name or "model",
        "version": "local",
        "kind": "embedder",
        "path": str(model.path.resolve()),
        "digest": digest,
        "licence": "not stated",
        "licence_note": "A local file, described on the command line.",
        "dimension": model.dimension or _stated_dimension(content, model.path),
        "channels": model.channels,
        "mean": model.mean,
        "scale": model.scale,
    }
    # A JSON string is a TOML string too.
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in fields.items())


def _stated_dimension(content: bytes, path: Path) -> int:
    """Length of the embedding as the graph states it, (n, dimension)."""
    try:
        shape = onnx.load_model_from_string(content).graph.output[0].type.tensor_type.shape.dim
        stated = int(shape[1].dim_value)
    except (DecodeError, IndexError) as error:
        raise DataError(f"{path}: no ONNX model with an output: {error}") from None
    if stated < 1:
        raise DataError(f"{path}: does not state the length of its embedding: give it with --dimension")
    return stated


def _with(settings: Settings, **changes: str) -> Settings:
    """A copy with other settings, checked: ``replace`` alone would take any word for a profile."""
    try:
        return msgspec.convert({**msgspec.structs.asdict(settings), **changes}, Settings)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"{', '.join(changes.values())}: {error}") from None
