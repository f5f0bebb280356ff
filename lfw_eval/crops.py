"""The aligned crops of some photos, as the embedder sees them."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image

from govid.align import align
from govid.decode import Decoder
from govid.errors import Refusal
from govid.faces import FacePipeline
from govid.types import Image
from lfw_eval.embeddings import central_face


def crop_of(faces: FacePipeline, photo: Path) -> Image | None:
    """The (112, 112, 3) uint8 RGB crop of a photo; None where it has none."""
    try:
        sample = faces.sample(photo, choose=central_face)
        picture = Decoder(faces.settings).decode(photo.read_bytes())
        upright = np.ascontiguousarray(np.rot90(picture, sample.turned // 90))
        return align(upright, sample.face.landmarks)
    except (Refusal, OSError):
        return None


def crop_uri(faces: FacePipeline, photo: Path) -> str:
    """A data URI of the crop as JPEG, for a report that may show faces; empty where the photo has none."""
    crop = crop_of(faces, photo)
    if crop is None:
        return ""
    out = BytesIO()
    PIL.Image.fromarray(crop).save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
