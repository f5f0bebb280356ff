"""The aligned crops of some photos, as the embedder sees them, for a report that may show faces."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image

from govid.align import align
from govid.decode import Decoder
from govid.errors import Refusal
from lfw_eval.contenders import Contender
from lfw_eval.embeddings import central_face


def crop_uri(contender: Contender, photo: Path) -> str:
    """A data URI of the (112, 112, 3) crop as JPEG; empty where the photo has none."""
    try:
        sample = contender.faces.sample(photo, choose=central_face)
        picture = Decoder(contender.settings).decode(photo.read_bytes())
        upright = np.ascontiguousarray(np.rot90(picture, sample.turned // 90))
        crop = align(upright, sample.face.landmarks)
    except (Refusal, OSError):
        return ""
    out = BytesIO()
    PIL.Image.fromarray(crop).save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
