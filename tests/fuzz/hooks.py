"""What schemathesis cannot know of govid: what a photo is."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.support import BIDEN, OBAMA, b64, encoded, opened

# Small, so that a failure can be read.
PHOTOS = [encoded(opened(photo).resize((160, 200)), "JPEG", quality=60) for photo in (OBAMA, BIDEN)]
FILES = st.one_of(st.sampled_from(PHOTOS), st.binary(max_size=64))

schemathesis.openapi.format("byte", FILES.map(b64))
schemathesis.openapi.media_type("application/octet-stream", FILES)


@schemathesis.deserializer("application/x-ndjson", "text/csv")
def export(_: object, response: Any) -> str:  # noqa: ANN401 - schemathesis' own
    """An export is text in lines."""
    text: str = response.content.decode()
    return text
