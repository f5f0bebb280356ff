"""What the load tools ask of a server, and the right answers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent.parent / "samples"
PHOTOS = {path.stem: path.read_bytes() for path in SAMPLES.glob("*.jpg")}
REGISTERED = {"load-obama": "obama-2012", "load-biden": "biden-2010"}
# (claimed subject, live photo, right decision)
VERIFICATIONS = [("load-obama", "obama-2009", "MATCH"), ("load-biden", "obama-2009", "NON_MATCH")]
BINARY = {"Content-Type": "application/octet-stream"}


def multipart(**parts: str | bytes) -> dict[str, Any]:
    """Body and headers of one multipart request."""
    boundary = uuid.uuid4().hex
    body = b""
    for name, value in parts.items():
        file = f'; filename="{name}.jpg"' if isinstance(value, bytes) else ""
        content = value if isinstance(value, bytes) else value.encode()
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return {
        "data": body + f"--{boundary}--\r\n".encode(),
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which that part (0 to 1) of the values lies; 0 without values."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0
